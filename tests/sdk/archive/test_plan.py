"""Servers that die, bounds of the entry, turns, what the simulation is fed with, and the command."""

import json
import math
import re
import statistics
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

pytest.importorskip("simpy")

from bacctl.archive.plan.answers import Estimate, Runs, for_archive, for_day, lasting_per_s
from bacctl.archive.plan.document import SCHEMA_FILE, plan_schema
from bacctl.archive.plan.fleet import ON_CARD, ON_CORES, Fleet, Layout
from bacctl.archive.plan.load import BackFill, Day, opening_hours
from bacctl.archive.plan.run import CLIENT_BYTES, simulate
from bacctl.archive.plan.times import REFERENCE, Step, Times, read_card_s, read_times
from bacctl.cli.app import app
from bacctl.client._room import MOST_BYTES
from bacctl.service.entry import Limits

REPOSITORY = Path(__file__).parents[3] / "model_repository"
NOTHING = Step(0.0, 0.0)
SECOND = Times(NOTHING, Step(0.1, 0.1), Step(0.1, 0.1), Step(1.0, 1.0), (1.0,), None, ())
"""A second a view, in the last step."""


def run(*arguments: str):
    return CliRunner().invoke(app, ["archive", "plan", *arguments])


class TestDeaths:
    def test_what_was_under_way_is_measured_again_and_nothing_is_lost(self) -> None:
        fleet = Fleet(2, 4.0, SECOND, restart_s=30.0)

        outcome = simulate(fleet, 1, archive=BackFill(3, 300), deaths_s=[50.0, 120.0])

        assert len(outcome.images_s) == 300
        assert outcome.deaths == 2
        # Three images are with the server as it dies; some try it once more while it is away.
        assert outcome.repeats >= 6

    def test_the_time_that_a_dead_server_costs(self) -> None:
        """200 views on two servers of one a second: 100 s. One away for 40 s: the other does 40 of its 50."""
        fleet = Fleet(2, 4.0, SECOND, restart_s=30.0)
        whole, broken = (
            simulate(fleet, 1, archive=BackFill(3, 200), deaths_s=deaths) for deaths in ([], [30.0])
        )

        # 30 s away, and up to 10 s until the client tries it again; half of that is the fleet's loss.
        assert 15.0 <= broken.length_s - whole.length_s <= 22.0

    def test_the_formula_for_rare_deaths_holds_where_they_are_frequent_enough_to_be_simulated(self) -> None:
        fleet = Fleet(4, 4.0, SECOND, mtbf_s=400.0, restart_s=60.0)
        undisturbed = simulate(replace(fleet, mtbf_s=math.inf), 1, archive=BackFill(3, 1000)).archive_per_s
        found = Estimate.of(
            [simulate(fleet, seed, archive=BackFill(3, 3000)).archive_per_s for seed in range(3)]
        )

        expected = lasting_per_s(fleet, undisturbed)

        # It is made to be on the safe side, by no more than what it says that it counts too much.
        assert expected <= found.high
        assert expected == pytest.approx(found.mean, rel=0.06)

    def test_exams_wait_while_one_of_two_servers_is_away_and_none_is_given_up(self) -> None:
        answer = for_day(Fleet(2, 4.0, SECOND), Day((300.0,), 4), Runs(2))

        assert answer.late.mean == 0
        assert answer.exam_p95_s.mean < answer.death_p95_s.mean <= answer.death_longest_s.mean

    def test_without_any_server_views_are_given_up(self) -> None:
        fleet = Fleet(1, 4.0, SECOND, restart_s=600.0)

        outcome = simulate(fleet, 1, Day((60.0,), 1), deaths_s=[100.0])

        # One a minute, away for ten minutes; who came in the last of them is answered.
        assert 2 <= outcome.given_up <= 17
        assert outcome.given_up + len(outcome.views_s) == len(outcome.exams)


class TestEntry:
    def test_layouts_are_those_of_the_model_repository(self) -> None:
        for layout, file in ((ON_CORES, "config.pbtxt"), (ON_CARD, "configs/gpu.pbtxt")):
            texts = {
                step: (REPOSITORY / f"bac_{step}" / file).read_text()
                for step in ("preprocess", "segment", "quantify")
            }
            for step, text in texts.items():
                (count,) = re.findall(r"^instance_group .*count: (\d+)", text, re.MULTILINE)
                assert getattr(layout, step) == int(count), (file, step)
            first = dict(re.findall(r'key: "(max_\w+)" value: \{ string_value: "(\d+)"', texts["preprocess"]))
            assert layout.limits == Limits(
                int(first["max_waiting_mb"]) << 20,
                int(first["max_work_mb"]) << 20,
                int(first["max_work_images"]),
            )

    def test_a_client_holds_back_as_ours_does(self) -> None:
        assert CLIENT_BYTES == MOST_BYTES

    def test_what_finds_no_room_is_refused_and_comes_back(self) -> None:
        # Two files may wait beside the four under way, and an exam has twelve views.
        layout = Layout(1, 1, 1, Limits(20, 10**9, 4))
        fleet = Fleet(1, 4.0, SECOND, layout, file_bytes=10, work_bytes=10)

        outcome = simulate(fleet, 1, Day((20.0,), 12))

        assert outcome.refusals > 0
        assert len(outcome.views_s) == 12 * len(outcome.exams)

    def test_a_day_has_its_turns_beside_an_archive(self) -> None:
        """A full server of one view a second: a single view waits for the four that were let in before it."""
        fleet = Fleet(1, 8.0, SECOND)

        outcome = simulate(fleet, 1, Day((60.0,), 1), BackFill(30, 0))

        # In the order in which they came it would be thirty seconds.
        assert statistics.median(outcome.views_s) < 7.0
        assert min(outcome.images_s[len(outcome.images_s) // 2 :]) > 20.0


class TestAnswers:
    def test_the_fewest_servers_that_end_in_time(self) -> None:
        """One view a second and server: 0.25 exams; 100,000 a day are 1.157 a second: 4.63 servers."""
        answer = for_archive(Fleet(1, 8.0, SECOND), 100_000, 4, 6, Runs(2), days=1.0)

        assert answer.servers == 5
        assert answer.days.mean == pytest.approx(100_000 / (5 * 0.25 * 86_400), rel=0.01)

    def test_twice_the_hours_are_half_the_days(self) -> None:
        all_day, half = (
            for_archive(Fleet(3, 8.0, SECOND), 1000, 4, 6, Runs(2), hours_a_day=hours)
            for hours in (24.0, 12.0)
        )

        assert half.days.mean == pytest.approx(2 * all_day.days.mean)

    def test_the_same_seed_gives_the_same_answer(self) -> None:
        ones, twos = (for_day(Fleet(2, 2.0, REFERENCE), Day((200.0,), 4), Runs(2, 7)) for _ in range(2))

        assert ones == twos

    def test_hours_of_a_day(self) -> None:
        hours = opening_hours(1000.0, 10, 1.9)

        assert sum(hours) == pytest.approx(1000.0)
        assert max(hours) == pytest.approx(190.0)
        assert sorted(hours)[:9] == pytest.approx([90.0] * 9)


def figure(part: str, name: str, at: str, value: float) -> dict[str, object]:
    spread = {"low": value, "median": value, "high": value}
    return {
        "part": part,
        "name": name,
        "at": at,
        "unit": "",
        "subject": "this",
        "values": [value],
        "spread": spread,
        "to_this": None,
    }


def bench(*figures: dict[str, object]) -> str:
    return json.dumps(
        {
            "schema": "bacctl.bench/1",
            "intended_use": "research use only",
            "date": "2026-12-01T00:00:00Z",
            "machine": {"cpu": "Z80", "cores": 3, "load": 0.5, "python": "3.11", "numpy": "1.26"},
            "images": [],
            "command": "bacctl bench",
            "subjects": [{"name": "this", "version": "0", "revision": None, "weights_sha256": "0"}],
            "figures": list(figures),
        }
    )


MEASURED = [
    figure("steps", step, word, value)
    for step, values in {
        "bac_preprocess": (1.0, 90.0, 9.0),
        "bac_segment": (2.0, 96.0, 2.0),
        "bac_quantify": (3.0, 40.0, 7.0),
    }.items()
    for word, value in zip(("taking the input", "working", "giving the output"), values, strict=True)
] + [
    figure("steps", "between and around the steps", "", 30.0),
    *(
        figure("processor", role, f"{at} in flight", scale * value)
        for at, scale in ((1, 2.0), (8, 1.0))
        for role, value in {
            "bac_preprocess": 0.11,
            "bac_segment": 0.15,
            "bac_quantify": 0.06,
            "client": 0.05,
            "tritonserver": 0.02,
        }.items()
    ),
]


class TestTimes:
    def test_of_a_benchmark(self) -> None:
        breasts = [figure("cost", "breasts", f"{area} cm2", cost) for area, cost in ((140, 0.3), (180, 0.5))]

        times = read_times(bench(*MEASURED, *breasts), "bench.json")

        assert times.preprocess == Step(0.11, pytest.approx(0.100))
        assert times.segment == Step(0.15, pytest.approx(0.100))
        assert times.quantify == Step(0.06, pytest.approx(0.050))
        assert times.client == Step(pytest.approx(0.07), pytest.approx(0.030))
        assert times.sizes == pytest.approx((0.75, 1.25))
        assert times.segment.most_cores == pytest.approx(1.5)
        assert "2026-12-01" in times.source[0]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "Expecting value"),
            ('{"schema": "bacctl.bench/2"}', "is no bacctl.bench/1"),
            (bench(), "run: bacctl bench --part served,cost"),
            (bench(*MEASURED[9:]), "run: bacctl bench --part served,cost"),
        ],
    )
    def test_what_is_no_benchmark(self, text: str, words: str) -> None:
        with pytest.raises(ValueError, match=words):
            read_times(text, "x")

    def test_of_a_card_as_triton_counts_it(self) -> None:
        """Two batches of three views together, 3 and 6 ms: 3 ms a view, whatever each request was told."""

        def spent(ms: float) -> dict[str, object]:
            return {"count": "1", "ns": str(int(ms * 1e6))}

        model = {
            "name": "bac_segment",
            "inference_stats": {"success": {"count": "3", "ns": "99999999"}},
            "batch_stats": [
                {
                    "batch_size": "16",
                    "compute_input": spent(1),
                    "compute_infer": spent(1),
                    "compute_output": spent(1),
                },
                {
                    "batch_size": "32",
                    "compute_input": spent(1),
                    "compute_infer": spent(4),
                    "compute_output": spent(1),
                },
            ],
        }

        assert read_card_s(json.dumps({"model_stats": [model]})) == pytest.approx(0.003)

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"model_stats": [{"name": "bac_quantify"}]}', "7"])
    def test_what_are_no_statistics(self, text: str) -> None:
        with pytest.raises(ValueError, match="statistics"):
            read_card_s(text)

    def test_of_a_server_that_measured_nothing(self) -> None:
        model = {"name": "bac_segment", "inference_stats": {"success": {"count": 0}}, "batch_stats": []}
        with pytest.raises(ValueError, match="nothing"):
            read_card_s(json.dumps({"model_stats": [model]}))


class TestCommand:
    def test_an_archive_and_a_day_as_json(self) -> None:
        result = run(
            *("--exams", "5000", "--servers", "2", "--per-day", "50", "--open-hours", "2"),
            *("--runs", "2", "--core-price", "0.5", "--json", "--quiet"),
        )

        assert result.exit_code == 0, result.output
        document = json.loads(result.stdout)
        jsonschema.validate(document, plan_schema())
        cost = document["cost"]
        # Two servers of two cores, half a unit each.
        hours = document["archive"]["days"]["mean"] * 24
        assert cost["archive_total"] == pytest.approx(hours * 2 * 2 * 0.5)
        assert cost["exams_per_unit"] == pytest.approx(5000 / cost["archive_total"])
        assert cost["exams_per_core_hour"] == pytest.approx(3600 / (4 * REFERENCE.core_s))
        assert cost["day_total"] == pytest.approx(2 * 2 * 0.5 * 2)
        assert any(line.startswith("ASSUMED: a server dies") for line in document["assumptions"])

    def test_what_a_card_takes_is_assumed_unless_it_is_given(self) -> None:
        of_a_card = ("--exams", "100", "--servers", "1", "--on", "card", "--runs", "2")
        assumed, given = run(*of_a_card), run(*of_a_card, "--card-ms", "5")

        assert "- ASSUMED: the network takes 12 ms a view on the card" in assumed.stdout
        assert "on the card: 5 ms a view, as given" in given.stdout
        assert "ASSUMED: the network" not in given.stdout
        assert "research use only" in given.stdout.lower()

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ((), "--exams of an archive, or --per-day"),
            (("--exams", "5"), "either --days or --servers"),
            (("--exams", "5", "--days", "1", "--servers", "1"), "either --days or --servers"),
            (("--per-day", "5"), "give --servers"),
            (("--exams", "5", "--days", "0"), "--days is a number above 0"),
            (("--exams", "5", "--days", "nan"), "--days is a number above 0"),
            (("--exams", "5", "--days", "inf"), "--days is a number above 0"),
            (("--exams", "5", "--days", "1", "--mtbf-h", "0"), "--mtbf-h"),
            (("--exams", "5", "--days", "1", "--mtbf-h", "nan"), "--mtbf-h"),
            (("--exams", "5", "--days", "1", "--restart-s", "inf"), "--restart-s is a number above 0"),
            (("--exams", "5", "--days", "1", "--core-price", "inf"), "--core-price and --card-price"),
            (("--exams", "5", "--days", "1", "--card-ms", "3"), "add --on card"),
            (
                ("--exams", "5", "--days", "1", "--on", "card", "--card-ms", "-3"),
                "--card-ms is a number above",
            ),
            (("--exams", "5", "--days", "1", "--cores", "0"), "--cores is a number above 0"),
            (("--per-day", "5", "--servers", "1", "--busiest", "11"), "--busiest: the busiest of 10 hours"),
            (("--per-day", "5", "--servers", "1", "--busiest", "nan"), "--busiest"),
        ],
    )
    def test_usage_that_cannot_work(self, arguments: tuple[str, ...], words: str) -> None:
        result = run(*arguments)

        assert result.exit_code == 2
        assert words in result.stderr

    def test_an_archive_that_no_fleet_measures_in_time(self) -> None:
        result = run("--exams", "5000000000000", "--days", "1", "--runs", "2")

        assert result.exit_code == 1
        assert "more than 10000 servers" in result.stderr

    def test_a_day_that_is_too_long_to_be_simulated(self) -> None:
        result = run("--per-day", "1e12", "--servers", "2")

        assert result.exit_code == 1
        assert "more than 1000000 views" in result.stderr

    def test_a_file_that_is_no_benchmark(self, tmp_path: Path) -> None:
        file = tmp_path / "bench.json"
        file.write_bytes(b"\xff\x00")

        result = run("--exams", "5", "--days", "1", "--times", str(file))

        assert result.exit_code == 1
        assert str(file) in result.stderr
        assert "Traceback" not in result.stderr

    def test_the_schema_that_is_checked_in(self) -> None:
        assert json.loads(SCHEMA_FILE.read_text()) == plan_schema()
