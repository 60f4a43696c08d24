"""The operating point on its way: to the server, into results, exams and comparisons, and what is refused."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bacctl import ImageResult, IncompatibleServerError, RefusedError
from bacctl.cli.show.comparison_table import print_comparison
from bacctl.cli.show.table import print_results
from bacctl.cli.sink import Sink
from bacctl.exam.build import build_exam
from bacctl.exam.comparison import compare_exams
from bacctl.outputs.document import CSV_COLUMNS, analysis_csv, analysis_document
from bacctl.results.exam import ExamResult
from bacctl.results.saved import read_saved_exam
from bacctl.testing import FakeServer, make_report

NO_PROBABILITY = [-0.01, 1.01, float("nan"), float("inf"), "0.5", b"1", True, [0.5], object(), 10**400]
SERVER = {"model": "ab" * 32, "triton": "2.51.0", "probability_map": "cd" * 32}
VIEWS = ("LCC", "LMLO", "RCC", "RMLO")


def exam(point: float | None, study: str = "1.2.3", of_map: str | None = None) -> ExamResult:
    images = [
        ImageResult.from_report(
            make_report(
                laterality=view[0],
                view=view[1:],
                study_instance_uid=study,
                calcium_mass_mg=5.0,
                calcium_mass_interval_mg=[4.0, 6.0],
                weights_sha256="ab" * 32,
                map_sha256=of_map,
                **({} if point is None else {"min_probability": point}),
            )
        )
        for view in VIEWS
    ]
    return build_exam(images, study)


def test_what_is_asked_for_reaches_the_server_and_comes_back():
    fake = FakeServer(lambda request: make_report(study_instance_uid="2" if request.data == b"y" else "1"))
    with fake.client() as client:
        images = [
            client.analyze(b"x", 0.1, min_probability=0.5),
            *client.analyze_many([b"x"], min_probability=1),
        ]
        images.append(client.analyze_exam([b"x"], min_probability=np.float64(0.25)).images[0])
        images += [client.analyze(b"x", min_probability=point) for point in (0, 0.0, None)]
        change = client.compare([b"x"], [b"y"], min_probability=0.5)
    sent = [request.options for request in fake.requests]
    assert sent[:3] == [
        {"pixel_spacing_mm": [0.1, 0.1], "min_probability": 0.5},
        {"min_probability": 1.0},
        {"min_probability": 0.25},
    ]
    assert sent[3:6] == [None] * 3  # which servers of every release understand
    assert sent[6:] == [{"min_probability": 0.5}] * 2
    assert [image.min_probability for image in images] == [0.5, 1.0, 0.25, 0.0, 0.0, 0.0]
    assert (change.prior.min_probability, change.to_dict()["current"]["min_probability"]) == (0.5, 0.5)


def test_the_client_of_an_event_loop_does_the_same():
    async def main():
        fake = FakeServer()
        async with fake.async_client() as client:
            one = await client.analyze(b"x", min_probability=0.5)
            more = [image async for image in client.analyze_many([b"x"], min_probability=0.5)]
            whole = await client.analyze_exam([b"x"], min_probability=0.5)
            with pytest.raises(RefusedError, match="BAC-OPTIONS-INVALID: min_probability is not"):
                await client.analyze(b"x", min_probability=2.0)
        return [one.min_probability, more[0].min_probability, whole.min_probability]

    assert asyncio.run(main()) == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("given", NO_PROBABILITY)
def test_what_is_no_probability_is_refused_before_anything_is_sent(given):
    fake = FakeServer()
    with fake.client() as client:
        for call in (client.analyze, client.analyze_many, client.analyze_exam):
            with pytest.raises(RefusedError, match="min_probability is not a number from 0 to 1") as refusal:
                call([b"x"] if call != client.analyze else b"x", min_probability=given)
            assert refusal.value.code == "BAC-OPTIONS-INVALID"
            assert "\n" not in str(refusal.value)
    assert not fake.requests


def test_a_server_that_measures_at_another_point_is_not_believed():
    fake = FakeServer(lambda request: make_report(min_probability=0.0))
    with fake.client() as client, pytest.raises(IncompatibleServerError, match="operating point"):
        client.analyze(b"x", min_probability=0.5)


def test_an_exam_of_several_points_has_no_sum():
    whole = exam(0.5)
    assert (whole.min_probability, whole.calcium_mass_mg, whole.alarms) == (0.5, 10.0, ())
    mixed = build_exam([*exam(0.5).images[:2], *exam(0.0).images[2:]], "1.2.3")
    assert [alarm.code for alarm in mixed.alarms] == ["BAC-W-EXAM-POINTS"]
    assert (mixed.calcium_mass_mg, mixed.area_mm2, mixed.complete, mixed.min_probability) == (
        None,
        None,
        False,
        None,
    )
    # The same point by two maps leaves out different finds; where nothing is left out the map is no matter.
    for point, codes in ((0.5, ["BAC-W-EXAM-POINTS"]), (0.0, [])):
        maps = [*exam(point, of_map="aa" * 32).images[:2], *exam(point, of_map="bb" * 32).images[2:]]
        assert [alarm.code for alarm in build_exam(maps, "1.2.3").alarms] == codes


def test_results_of_older_releases_are_those_of_point_0():
    older = [replace(image, min_probability=None) for image in exam(0.0).images]
    assert build_exam([*older[:2], *exam(0.0).images[2:]], "1.2.3").alarms == ()


@pytest.mark.parametrize(
    ("prior", "current"),
    [
        (exam(0.0, "1"), exam(0.5, "2")),
        (exam(0.5, "1"), exam(0.4, "2")),
        (exam(None, "1"), exam(0.5, "2")),
        (exam(0.5, "1", "aa" * 32), exam(0.5, "2", "bb" * 32)),
    ],
)
def test_exams_of_other_points_are_not_compared(prior, current):
    with pytest.raises(RefusedError, match="BAC-COMPARE-POINT"):
        compare_exams(prior, current)


def test_exams_of_one_point_are_compared():
    compare_exams(exam(0.5, "1", "aa" * 32), exam(0.5, "2", "aa" * 32))
    compare_exams(exam(0.0, "1", "aa" * 32), exam(None, "2", "bb" * 32))


def test_saved_exams_keep_their_point(tmp_path: Path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    for path, whole in ((first, exam(0.5, "1", SERVER["probability_map"])), (second, exam(0.0, "2"))):
        document = analysis_document(whole.images, [whole], skipped=0, server=SERVER)
        path.write_text(json.dumps(document))
    prior, current = read_saved_exam(first), read_saved_exam(second)
    assert (prior.min_probability, current.min_probability) == (0.5, 0.0)
    with pytest.raises(RefusedError, match="BAC-COMPARE-POINT"):
        compare_exams(prior, current)
    # As a release wrote it that had no operating point.
    older = json.loads(second.read_text())
    del older["exams"][0]["min_probability"], older["software"]["probability_map"]
    for image in older["images"]:
        del image["min_probability"], image["probability_prevalence"]
    second.write_text(json.dumps(older))
    assert read_saved_exam(second).min_probability == 0.0
    for wrong in (1.5, "0.5", float("nan")):
        older["exams"][0]["min_probability"] = wrong
        second.write_text(json.dumps(older))
        with pytest.raises(RefusedError, match="BAC-COMPARE-EXAM"):
            read_saved_exam(second)


def test_the_rows_of_a_run_say_the_point():
    assert {"min_probability", "probability_prevalence"} <= set(CSV_COLUMNS)
    head, row, *_ = analysis_csv(exam(0.5).images).splitlines()
    assert dict(zip(head.split(","), row.split(","), strict=True))["min_probability"] == "0.5"


@pytest.mark.parametrize("point", [0.25, 0.0])
def test_people_are_told_the_point(point: float, capfd: pytest.CaptureFixture[str]):
    said = "operating point 0.25: finds of a lower probability are left out"
    with Sink() as sink:
        print_results(sink, exam(point).images, [])
    assert (said in capfd.readouterr().out) == (point > 0)
    with Sink() as sink:
        print_comparison(sink, compare_exams(exam(point, "1"), exam(point, "2")))
    assert (said in capfd.readouterr().out) == (point > 0)
