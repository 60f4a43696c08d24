"""The sink, the pace of a run, and how paths and tables fit a narrow terminal."""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from bacctl.cli.guard import UsageError
from bacctl.cli.pace import PlainLines, duration, pace
from bacctl.cli.show import table as tables
from bacctl.cli.show.summary import Summary
from bacctl.cli.sink import Sink, form_of, shortened
from bacctl.exam.build import build_exams
from bacctl.results import ImageResult, Notice


def test_stdout_is_data_and_nothing_else(capfd: pytest.CaptureFixture[str]) -> None:
    with Sink("json") as sink:
        os.write(1, b"a library\n")
        sink.text("for people")
        sink.line({"a": 0})
        sink.document({"a": 1})
    os.write(1, b"afterwards\n")
    out, err = capfd.readouterr()
    assert out == json.dumps({"a": 1}, indent=2) + "\nafterwards\n"
    assert err == "a library\n"


def test_lines_are_there_when_they_are_written(capfd: pytest.CaptureFixture[str]) -> None:
    with Sink("jsonl") as sink:
        sink.line({"a": "ä"})
        assert capfd.readouterr().out == '{"a": "\\u00e4"}\n'
        sink.document({"a": 1})
        sink.text("for people")
    assert capfd.readouterr().out == ""


def test_without_a_descriptor_the_stream_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    with Sink() as sink:
        sink.text("for people")
    assert stream.getvalue() == "for people\n"


def test_quiet_leaves_talk_out(capfd: pytest.CaptureFixture[str]) -> None:
    with Sink(quiet=True) as sink, sink.progress("analysing", "image") as show, sink.waiting("x"):
        show(1, 2)
        sink.talk("talk")
        sink.text("result")
    assert capfd.readouterr() == ("result\n", "")


def test_only_one_form() -> None:
    assert (form_of(False), form_of(True), form_of(False, True)) == ("human", "json", "jsonl")
    with pytest.raises(UsageError, match="choose one"):
        form_of(True, True)


@pytest.mark.parametrize(
    ("done", "total", "elapsed", "text"),
    [
        (0, 10, 5.0, ""),
        (4, 10, 8.0, "2.0 s/image, 12 s left"),
        (100, 10_000, 210.0, "2.1 s/image, 5 h 46 min left"),  # 9900 x 2.1 s = 20790 s
        (10, 100, 2.0, "5.0 images/s, 18 s left"),
        (10, 10, 20.0, "2.0 s/image"),
        (10, None, 20.0, "2.0 s/image"),
    ],
)
def test_pace(done: int, total: int | None, elapsed: float, text: str) -> None:
    assert pace(done, total, elapsed, "image") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (61, "1 min 1 s"), (3600, "1 h 0 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_log_gets_one_line_a_minute(capfd: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    show = PlainLines("analysing", "image", clock=lambda: now)
    for done in range(1, 301):
        now = done * 0.5
        show(done, 300)
    lines = capfd.readouterr().err.splitlines()
    assert lines == [
        "analysing: 120 of 300 images, 2.0 images/s, 1 min 30 s left",
        "analysing: 240 of 300 images, 2.0 images/s, 30 s left",
    ]


UID = "1.2.826.0.1.3680043.8.498.10020030040050060070080090010020030040"


@pytest.mark.parametrize(
    ("path", "width", "text"),
    [
        ("a.dcm", 10, "a.dcm"),
        ("exam/left/a.dcm", 15, "exam/left/a.dcm"),
        ("archive/2019/left/a.dcm", 15, "archive/…/a.dcm"),
        ("archive/2019/left/a.dcm", 7, "…/a.dcm"),
        # What a UID begins with says little; what it ends with tells it from its neighbours.
        ("1.2.826.0.1.3680043.20030040.dcm", 20, "1.2.826…20030040.dcm"),
        ("far/away/1.2.826.0.1.3680043.20030040.dcm", 20, "1.2.826…20030040.dcm"),
        ("line\nbreak", 20, "line\\nbreak"),
    ],
)
def test_paths_lose_their_middle(path: str, width: int, text: str) -> None:
    assert shortened(path, width) == text


def rendered(images: list[ImageResult], width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    folder, table = tables._images(images, width, cut=True)
    assert isinstance(table, Table)
    console.print(folder)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def images_of(folder: str) -> list[ImageResult]:
    good = ImageResult(
        "ok",
        laterality="L",
        view="MLO",
        bac_detected=True,
        calcium_mass_mg=112.3,
        calcium_mass_interval_mg=(101.5, 123.1),
        mass_basis="calibrated",
        area_mm2=1234.5,
        length_mm=100.0,
        path=Path(folder) / f"{UID}.dcm",
    )
    refused = ImageResult("refused", "BAC-VIEW-MAGNIFICATION", "no", path=Path(folder) / "LCC.dcm")
    return [good, refused]


def test_the_table_fits_eighty_columns() -> None:
    text = rendered(images_of("/data/archive/of/many/women/exam-1"), 80)
    lines = text.splitlines()
    assert lines[0] == "/data/archive/of/many/women/exam-1"
    assert max(map(len, lines)) <= 80
    # One line a row: nothing is folded, no number and no code is cut.
    (row,) = [line for line in lines if "calibrated" in line]
    assert "112.3 [101.5, 123.1]" in row
    assert "1234.5" in row
    assert "030040.dcm" in row
    (row,) = [line for line in lines if "LCC.dcm" in line]
    assert "BAC-VIEW-MAGNIFICATION" in row
    assert "refused" in row
    assert "length mm" not in text
    assert "length mm" in rendered(images_of("exam"), 120)
    assert "…" not in rendered(images_of("exam"), 200)


def test_warnings_are_told_once_with_their_number() -> None:
    notices = (Notice("BAC-W-LOSSY", "compressed 12:1"),)
    others = (Notice("BAC-W-LOSSY", "compressed 10:1"), Notice("BAC-W-CLIPPED", "cut off"))
    images = [ImageResult("ok", warnings=notices)] * 3 + [ImageResult("ok", warnings=others)]
    assert tables._notices(images) == [
        "BAC-W-LOSSY (4x): compressed 12:1",
        "BAC-W-CLIPPED (1x): cut off",
    ]


def test_one_breast_is_no_woman_and_its_mass_is_measured_all_the_same() -> None:
    measured = replace(images_of("exam")[0], study_instance_uid="1.2")
    (exam,) = build_exams([measured])
    assert str(tables._exam("woman: ", exam)) == (
        "woman: no mass without the right breast; missing: LCC, RCC, RMLO"
    )
    # A film has no mass in any view.
    film = replace(measured, calcium_mass_mg=None, calcium_mass_interval_mg=None, mass_basis="none")
    (exam,) = build_exams([film])
    assert str(tables._exam("woman: ", exam)) == "woman: mass not measured; without LCC, RCC, RMLO"
    (exam,) = build_exams([measured, replace(measured, laterality="R")])
    assert str(tables._exam("woman: ", exam)).startswith("woman: 224.6 [")
    assert str(tables._exam("woman: ", exam)).endswith("; without LCC, RCC")


def test_summary_in_words_and_numbers() -> None:
    images = [
        *[ImageResult("ok")] * 7,
        *[ImageResult("refused", "BAC-CONTRAST", "x")] * 2,
        ImageResult("refused", "BAC-VIEW-SPOT", "x"),
        ImageResult("failed", "BAC-SERVER-TIMEOUT", "x"),
    ]
    summary = Summary.of(images, skipped=3, seconds=22.0, interrupted=False)
    assert summary.text() == (
        "7 of 11 images analysed; refused 3 (BAC-CONTRAST 2, BAC-VIEW-SPOT 1); "
        "failed 1 (BAC-SERVER-TIMEOUT 1); skipped, since no image: 3 files; 2 s an image, 22 s in all"
    )
    assert summary.to_dict()["seconds_per_image"] == 2.0
    # The start and the stop of the server are in the time that it took, not in that of an image.
    whole = replace(summary, total_seconds=27.4)
    assert whole.text().endswith("2 s an image, 27 s in all")
    assert (whole.to_dict()["seconds"], whole.to_dict()["total_seconds"]) == (22.0, 27.4)
    stopped = Summary.of(images[:5], skipped=0, seconds=0.0, interrupted=True, unreached=7)
    assert stopped.text() == "5 of 12 images analysed, stopped"
    nothing = Summary.of([], skipped=0, seconds=0.0, interrupted=True).to_dict()
    assert (nothing["images"], nothing["seconds_per_image"], nothing["interrupted"]) == (0, None, True)


def test_a_table_for_a_reader_who_has_gone() -> None:
    reader, writer = os.pipe()
    kept = os.dup(1)
    os.dup2(writer, 1)
    os.close(writer)
    os.close(reader)
    try:
        with pytest.raises(BrokenPipeError), Sink() as sink:
            sink.render(lambda _: Table("title"))
    finally:
        os.dup2(kept, 1)
        os.close(kept)
