"""A site's operating point: worked out by hand, refused from too few, and read back by the settings."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from scipy import stats
from tests.sdk.archive.conftest import Call
from tests.sdk.archive.made_rows import VIEWS, Rows, found

from bacctl.archive.calibrate.choose import compare, point_at, points, propose
from bacctl.archive.calibrate.known import COSTS, WEIGHTS, costs
from bacctl.cli.app import app
from bacctl.cli.settings import read_settings

ROOT = Path(__file__).parents[4]


def finds(flagged: int, women: int, probability: float = 0.6) -> list[float | None]:
    return [probability] * flagged + [None] * (women - flagged)


def test_a_find_counts_that_is_not_below_the_point() -> None:
    given = [0.5, 0.4999, None, 1.0]
    assert point_at(given, 0.5).flagged == 2
    assert point_at(given, 0.0).flagged == 3
    assert point_at(given, 1.0).flagged == 1


def test_points_begin_where_the_run_was_measured() -> None:
    counted = points([0.7, None], 0.255)
    assert counted[0].min_probability == 0.255
    assert counted[1].min_probability == 0.26
    assert counted[-1].min_probability == 1.0
    assert len(points([None])) == 101


def test_the_least_point_whose_upper_end_is_low_enough() -> None:
    # Of 500 women 10 have a find of 0.3, 6 of 0.6, 4 of 0.9. Wilson's upper ends by the formula:
    # 20/500 6.1 %, 10/500 3.64 %, 4/500 2.04 %.
    given = [0.3] * 10 + [0.6] * 6 + [0.9] * 4 + [None] * 480
    counted = points(given)
    chosen = propose(counted, 0.03)
    assert chosen is not None
    assert (chosen.min_probability, chosen.flagged) == (0.61, 4)
    assert chosen.high == pytest.approx(0.0204, abs=5e-5)
    assert propose(counted, 0.037).min_probability == 0.31  # type: ignore[union-attr]
    assert propose(counted, 0.007) is None  # even none of 500 may be up to 0.76 %


def test_groups_by_fisher_and_holm() -> None:
    groups = compare(
        "software",
        {"1.0": finds(4, 400), "2.0": finds(30, 300), "3.0": finds(3, 300)},
        0.5,
        0.03,
        0.0,
    )
    alone = [
        stats.fisher_exact([[4, 396], [33, 567]]).pvalue,
        stats.fisher_exact([[30, 270], [7, 693]]).pvalue,
        stats.fisher_exact([[3, 297], [34, 666]]).pvalue,
    ]
    smallest, middle, largest = sorted(alone)
    by_hand = {
        smallest: 3 * smallest,
        middle: max(3 * smallest, 2 * middle),
        largest: max(2 * middle, largest),
    }
    assert [group.p_value for group in groups] == pytest.approx([by_hand[value] for value in alone])
    assert [group.differs for group in groups] == [True, True, True]
    # 30 of 300 at up to 0.6: alone it would take the next hundredth.
    assert groups[1].own is not None
    assert groups[1].own.min_probability == 0.61
    assert compare("device", {"one": finds(4, 400)}, 0.5, 0.03, 0.0) == []


def test_a_group_that_is_alike_has_no_point_of_its_own() -> None:
    groups = compare("device", {"a": finds(4, 400), "b": finds(5, 400)}, 0.5, 0.03, 0.0)
    assert [(group.differs, group.own) for group in groups] == [(False, None)] * 2


def test_known_costs_are_those_of_the_model_card() -> None:
    card = json.loads((ROOT / "model_repository/bac_segment/1/model_card.json").read_text())
    assert card["sha256"] == WEIGHTS, "new weights: take the figures of docs/model-card.md over"
    page = (ROOT / "docs" / "model-card.md").read_text()
    table = re.findall(
        r"\| ([a-z -]+) \| ([\d.]+) \| \d+ of \d+, \d+ % \| [\d.]+ \| (\d+) of (\d+), \d+ % \| ([\d.]+) \|",
        page,
    )
    assert [
        (cost.source, cost.min_probability, cost.found, cost.positives, cost.line_recall) for cost in COSTS
    ] == [(source, float(p), int(n), int(of), float(recall)) for source, p, n, of, recall in table]
    assert {cost.min_probability for cost in costs(WEIGHTS, 0.6)} == {0.0, 0.5, 0.7}
    assert {cost.min_probability for cost in costs(WEIGHTS, 0.95)} == {0.0, 0.7}
    assert costs("ab" * 32, 0.6) == ()


@pytest.fixture
def site(rows: Rows, tmp_path: Path) -> Path:
    """140 women; of every 20th an image shows a find of 0.4, and two have BAC."""
    for number in range(140):
        told = found(2.0, 0.4) if number % 20 == 0 else {}
        for name in VIEWS:
            rows.add(name, f"1.{number}", patient_key=f"w{number}", **(told if name == "LCC" else {}))
    rows.woman("2.1", (30.0,) * 4, patient_key="bac1")
    rows.woman("2.2", (30.0,) * 4, patient_key="bac2")
    rows.add("LCC", "3.1", patient_key="half")  # one breast alone: no answer
    return rows.write(tmp_path / "part.parquet")


def test_of_listed_women_the_point_is_proposed_and_can_be_read_back(
    site: Path,
    call: Call,
    tmp_path: Path,
) -> None:
    listed = [*(f"w{number}" for number in range(140)), "half", "stranger"]
    (tmp_path / "women.csv").write_text("\n".join(["patient_key", *listed]))
    arguments = ("calibrate", site, "--women", "women.csv", "--out", "proposal.json")
    code, out, err = call(*arguments)
    assert code == 0, err
    # 7 of 140 have a find of 0.4; beyond it none: Wilson 0 to 2.7 %.
    assert "Proposed: 0.41. It flags 0 of 140 women, 0.0 % [0.0, 2.7]; the upper end is at most 3 %." in out
    assert "Women without an answer, who are left out: 1." in out
    assert "On the list and in no row: 1." in out
    assert "PMC10245180" in out
    assert "research use only" in out
    document = json.loads((tmp_path / "proposal.json").read_text())
    assert document["schema"] == "bacctl.archive-calibration/1"
    assert document["proposed"]["min_probability"] == 0.41
    assert document["points"][0] == {
        "min_probability": 0.0,
        "women": 140,
        "flagged": 7,
        "share": 0.05,
        # Wilson: (7 + 1.9207 -+ 1.95996 sqrt(7 * 133 / 140 + 0.9604)) / 143.8415
        "low": pytest.approx(0.02443, abs=1e-5),
        "high": pytest.approx(0.09961, abs=1e-5),
    }
    assert document["women"] == {
        "counted": 140,
        "without_answer": 1,
        "listed_and_not_found": 1,
        "listed": True,
        "needed_if_none_is_flagged": 125,
        "needed_if_half_as_many_are_flagged": 497,
    }
    # What is printed is what the settings file takes.
    (tmp_path / "bacctl.toml").write_text(document["bacctl_toml"])
    import typer

    settings = read_settings(tmp_path / "bacctl.toml", typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert settings.defaults["analyze"]["min_probability"] == "0.41"
    assert settings.defaults["archive"]["run"]["min_probability"] == "0.41"


def test_studies_and_images_can_be_listed_too(site: Path, call: Call, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("study_instance_uid\n" + "\n".join(f"1.{n}" for n in range(140)))
    assert "Proposed: 0.41" in call("calibrate", site, "--women", "s.csv")[1]


def test_women_with_bac_among_them_drive_the_point_up(site: Path, call: Call) -> None:
    code, out, err = call("calibrate", site, "--all-without-bac", "--json")
    document = json.loads(out)
    # Two of 142 still have a find of 0.9 at 0.41: Wilson up to 5.0 %, and up to 2.6 % without them.
    assert (code, document["proposed"]["min_probability"]) == (0, 0.91), err


def test_one_release_that_finds_too_much_is_named_where_no_point_will_do(
    rows: Rows, call: Call, tmp_path: Path
) -> None:
    for number in range(160):
        told = found(2.0, 1.0) if number >= 130 else {}
        rows.woman(f"1.{number}", software_versions="2" if number >= 130 else "1", **told)
    code, out, err = call("calibrate", rows.write(tmp_path / "p.parquet"), "--all-without-bac", "--json")
    document = json.loads(out)
    assert (code, err) == (1, "no operating point is proposed\n")
    assert document["proposed"] is None
    assert document["bacctl_toml"] == ""
    groups = {group["name"]: group for group in document["groups"] if group["by"] == "software"}
    assert groups["unknown, 2"]["at"]["flagged"] == 30
    # 130 women of the first release, none flagged: up to 2.9 %.
    assert groups["unknown, 1"]["own"]["min_probability"] == 0.0
    assert groups["unknown, 2"]["own"] is None
    assert all(group["differs"] for group in groups.values())


def test_too_few_women_are_refused_with_how_many_it_takes(
    rows: Rows,
    call: Call,
    tmp_path: Path,
) -> None:
    for number in range(20):
        rows.woman(f"1.{number}", patient_key=f"w{number}")
    path = rows.write(tmp_path / "part.parquet")
    code, out, err = call("calibrate", path, "--all-without-bac")
    assert (code, out) == (1, "")
    assert err == (
        "BAC-ARCHIVE-SAMPLE: 20 women with an answer cannot show a specificity of 0.97, even if none is"
        " flagged; give at least 125, better 497\n"
    )


def test_finds_without_a_probability_are_refused(rows: Rows, call: Call, tmp_path: Path) -> None:
    told = found(3.0)
    told["vessels"] = [{**told["vessels"][0], "probability": None}]
    rows.add("LCC", "1.1", patient_key="w", **told)
    for name in VIEWS[1:]:
        rows.add(name, "1.1", patient_key="w")
    code, _, err = call("calibrate", rows.write(tmp_path / "p.parquet"), "--all-without-bac")
    assert code == 1
    assert "finds of 1 woman have no probability" in err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "say who has no BAC"),
        (("--women", "w.csv", "--all-without-bac"), 2, "say who has no BAC"),
        (("--women", "w.csv"), 1, "w.csv: has no column of women"),
        (("--women", "e.csv"), 1, "e.csv: names nobody"),
        (("--women", "b.csv"), 1, "b.csv: names nobody in line 3"),
        (("--women", "gone.csv"), 1, "gone.csv: No such file"),
        (("--all-without-bac", "--specificity", "1"), 2, "give a number from 0.5 to below 1"),
    ],
)
def test_wrong_lists_are_named(
    rows: Rows,
    call: Call,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    rows.woman("1.1")
    (tmp_path / "w.csv").write_text("name\nAda\n")
    (tmp_path / "e.csv").write_text("patient_key\n")
    (tmp_path / "b.csv").write_text("patient_key,note\na,x\n,y\n")
    ended, out, err = call("calibrate", rows.write(tmp_path / "p.parquet"), *arguments)
    assert (ended, out) == (code, "")
    assert said in err
    assert len(err.splitlines()) == 1
