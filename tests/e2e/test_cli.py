"""The command line as users run it: a process of its own, the real Triton, and nothing left afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pydicom
import pytest
from PIL import Image
from tests.e2e.process_tree import command_line, descendants, is_alive

from bac_phantom import PhantomConfig, Woman, make_woman
from bac_phantom.config import DETECTORS
from bacctl.client.canary import canary_image

BACCTL = str(Path(sys.executable).with_name("bacctl"))
SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture(autouse=True)
def hang_up_is_heard() -> Iterator[None]:
    """Undo nohup, under which tests may run: what it ignores, every process that they start ignores too."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="module")
def woman() -> Woman:
    """A woman on pixels of 0.2 mm: her arteries are as clear, at a third of the cost."""
    fine = DETECTORS["csi-100"]
    coarse = replace(fine, pitch_mm=0.2, rows=fine.rows // 2, columns=fine.columns // 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DETECTORS, "coarse", coarse)
        return make_woman(78, PhantomConfig(detectors=("coarse",)), mass_mg=40.0)


@pytest.fixture(scope="module")
def exam(woman: Woman, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exam")
    for view in woman.views:
        (folder / f"{view.laterality}{view.view}.dcm").write_bytes(view.encode())
    return folder


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Small images that pass for mammograms at 0.2 mm, enough of them to be caught at work."""
    folder = tmp_path / "films"
    folder.mkdir()
    for index in range(40):
        (folder / f"{index:02}.png").write_bytes(canary_image())
    return folder


def bacctl(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BACCTL, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
    )


def test_an_exam_with_bad_files_among_it(exam: Path, woman: Woman, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "text.dcm").write_text("no image at all")
    (bad / "empty.dcm").write_bytes(b"")
    (bad / "cut.dcm").write_bytes((exam / "LCC.dcm").read_bytes()[:100_000])
    (bad / "film.png").write_bytes(canary_image())
    named = [bad / name for name in ("text.dcm", "empty.dcm", "cut.dcm", "film.png")]
    done = bacctl("analyze", exam, *named, "--json", "--save", "mask,overlay,json,csv", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    document = json.loads(done.stdout)
    schema = json.loads(files("bacctl").joinpath("schema/analysis-1.json").read_text())
    jsonschema.validate(document, schema)
    images = {Path(image["path"]).name: image for image in document["images"]}
    codes = {name: image["code"] for name, image in images.items() if image["status"] != "ok"}
    assert codes == {
        "text.dcm": "BAC-FILE-NOT-IMAGE",
        "empty.dcm": "BAC-FILE-EMPTY",
        "cut.dcm": "BAC-FILE-TRUNCATED",
        "film.png": "BAC-SPACING-MISSING",
    }
    told = [line for line in done.stderr.splitlines() if "BAC-" in line]
    assert len(told) == len(codes)
    for view in woman.views:
        image = images[f"{view.laterality}{view.view}.dcm"]
        assert (image["laterality"], image["view"]) == (view.laterality, view.view)
        assert (image["rows"], image["columns"]) == view.mask.shape
        with Image.open(tmp_path / image["files"]["mask"]) as png:
            mask = np.asarray(png) == 255
        assert mask.shape == view.mask.shape
        # The mask lies on the artery, not on its mirror image or its transpose.
        assert mask[view.mask].mean() > 0.3
        with Image.open(tmp_path / image["files"]["overlay"]) as overlay:
            assert overlay.mode == "RGB"
    (whole,) = document["exams"]
    assert whole["complete"]
    assert whole["missing_views"] == []
    assert len(document["software"]["model"]) == 64


def test_a_folder_without_a_bad_file_leaves_with_zero(films: Path, tmp_path: Path) -> None:
    for film in sorted(films.iterdir())[1:]:
        film.unlink()
    done = bacctl("analyze", films, "--pixel-spacing", "0.2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "00.png" in done.stdout
    assert "esearch use only" in done.stdout
    assert os.listdir(tmp_path) == ["films"]


@pytest.mark.parametrize(
    ("sent", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)],
)
def test_nothing_is_left_when_it_is_stopped_at_work(
    sent: signal.Signals, code: int, films: Path, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [BACCTL, "analyze", films, "--pixel-spacing", "0.2", "--save", "mask,json,csv", "--json"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _wait_for(lambda: any((tmp_path / "bacctl-out").glob("*.mask.png")), 120)
    started = descendants(process.pid)
    assert any("tritonserver" in command_line(pid) for pid in started)
    process.send_signal(sent)
    out, talk = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in talk
    _wait_for(lambda: not any(is_alive(pid) for pid in started), 30)
    assert not list(SHARED_MEMORY.glob(f"bacctl_{process.pid}_*"))
    if sent == signal.SIGKILL:
        return
    # What was done so far is kept, in every form, and tells one story.
    kept = {image["files"]["mask"] for image in json.loads(out)["images"]}
    left = {f"bacctl-out/{name}" for name in os.listdir(tmp_path / "bacctl-out")}
    assert left == kept | {"bacctl-out/analysis.json", "bacctl-out/analysis.csv"}
    assert 0 < len(kept) < 40
    assert json.loads((tmp_path / "bacctl-out" / "analysis.json").read_text()) == json.loads(out)
    assert len((tmp_path / "bacctl-out" / "analysis.csv").read_text().splitlines()) == 1 + len(kept)
    assert talk.splitlines()[-1] == "stopped"


def test_a_terminal_that_is_closed_keeps_what_is_done(films: Path, tmp_path: Path) -> None:
    arguments = ["analyze", str(films), "--pixel-spacing", "0.2", "--out", "kept", "--save", "mask,json"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execv(BACCTL, [BACCTL, *arguments])
    os.set_blocking(terminal, False)

    def at_work() -> bool:
        with contextlib.suppress(BlockingIOError):
            os.read(terminal, 1 << 16)
        return any((tmp_path / "kept").glob("*.mask.png"))

    _wait_for(at_work, 120)
    os.close(terminal)  # the kernel sends SIGHUP
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 129
    document = json.loads((tmp_path / "kept" / "analysis.json").read_text())
    assert len(document["images"]) == len(list((tmp_path / "kept").glob("*.mask.png"))) > 0


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_serve_is_called_and_stops_cleanly(
    sent: signal.Signals, code: int, films: Path, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [BACCTL, "serve", "--port", "0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith("serving on 127.0.0.1:"), process.stderr.read() if process.stderr else first
        assert "research use only" in first
        url = first.split()[2]
        done = bacctl("analyze", films / "00.png", "--pixel-spacing", "0.2", "--url", url, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        started = descendants(process.pid)
        process.send_signal(sent)
        _, talk = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code
    assert "Traceback" not in talk
    _wait_for(lambda: not any(is_alive(pid) for pid in started), 30)
    assert not list(SHARED_MEMORY.glob(f"bacctl_{process.pid}_*"))


def test_doctor_finds_this_machine_well(tmp_path: Path) -> None:
    done = bacctl("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout


def test_the_demo_compares_with_the_truth(tmp_path: Path) -> None:
    done = bacctl("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out" / "demo"
    truth = json.loads((out / "truth.json").read_text())
    assert f"{truth['calcium_mass_mg']:.1f}" in done.stdout
    assert len(list(out.glob("*.mask.png"))) == len(list(out.glob("*.overlay.png"))) == 4
    assert len(list((out / "exam").glob("*.dcm"))) == 4
    (exam,) = json.loads((out / "analysis.json").read_text())["exams"]
    assert exam["complete"]
    # Every place that is told of exists.
    told = [line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if " out/demo/" in line]
    assert len(told) == 5
    assert all(list(tmp_path.glob(place)) for place in told)


def _wait_for(condition: object, seconds: float) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_objects_of_an_exam_hold_what_the_document_says(exam: Path, tmp_path: Path) -> None:
    pytest.importorskip("highdicom", reason="the extra dicom is not installed, or has no highdicom here")
    kinds = "sr,seg,pm,sc,pr,mask"
    done = bacctl("analyze", exam, "--save", kinds, "--out", "res", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (study,) = document["exams"]
    report = pydicom.dcmread(tmp_path / study["files"]["sr"])
    masses = [
        item.MeasuredValueSequence[0].FloatingPointValue
        for group in report.ContentSequence[-1].ContentSequence
        for item in group.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeValue == "112199"
    ]
    expected = [study["calcium_mass_mg"], *(study["breasts"][side]["calcium_mass_mg"] for side in "LR")]
    for image in document["images"]:
        expected += [image["calcium_mass_mg"], *(vessel["calcium_mass_mg"] for vessel in image["vessels"])]
        files = {kind: tmp_path / path for kind, path in image["files"].items()}
        assert set(files) == {"seg", "pm", "sc", "pr", "mask"}
        with Image.open(files["mask"]) as picture:
            mask = np.asarray(picture) > 0
        frames = pydicom.dcmread(files["seg"]).pixel_array.reshape(-1, *mask.shape) > 0
        assert np.array_equal(frames.any(axis=0), mask)
        by = image["magnification"]
        pixel_mm2 = image["pixel_spacing_mm"][0] * image["pixel_spacing_mm"][1] / by**2
        for frame, vessel in zip(frames, image["vessels"], strict=True):
            assert frame.sum() * pixel_mm2 == pytest.approx(vessel["area_mm2"], abs=1e-3)
        density = np.frombuffer(pydicom.dcmread(files["pm"]).FloatPixelData, "<f4")
        assert density.sum(dtype=float) * pixel_mm2 == pytest.approx(image["calcium_mass_mg"], rel=0.02)
        assert pydicom.dcmread(files["sc"]).pixel_array.shape == (*mask.shape, 3)
    assert masses == expected
