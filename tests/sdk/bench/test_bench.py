"""The benchmark's own arithmetic and borders; that it runs is tested with the real server in tests/e2e."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from bac_phantom.qa import make_qa_phantom, qa_specs
from bacctl.bench.drive import Driven
from bacctl.bench.errors import BenchError
from bacctl.bench.figures import (
    SCHEMA_FILE,
    Checkout,
    Document,
    Machine,
    Notebook,
    Spread,
    bench_schema,
    read_document,
)
from bacctl.bench.inputs import on_larger_detector
from bacctl.bench.parts.arrivals import arrival_times, percentile
from bacctl.bench.processes import CLIENT, family, memory_mb, processor_s
from bacctl.bench.subjects import other, this_installation
from bacctl.bench.tables import as_markdown, part_table
from bacctl.cli.app import app


def document() -> Document:
    notes = Notebook(["this", "old"])
    for this, old in ((2.0, 4.0), (3.0, 4.0), (4.0, 4.0)):
        notes.note(("served", "a view", "1 in flight"), "s", "this", this)
        notes.note(("served", "a view", "1 in flight"), "s", "old", old)
    notes.note(("cold", "first answer", ""), "s", "this", 5.0)
    machine = Machine("a processor", 2, 0.1, "3.11.7", "1.26.4")
    checkouts = (Checkout("this", "1.0", "abc+", "0" * 64), Checkout("old", "0.9", None, "1" * 64))
    return Document("2026-01-02T03:04:05Z", machine, ("2" * 64,), "bacctl bench", checkouts, notes.figures())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([7.0], (7.0, 7.0, 7.0)),
        ([1.0, 3.0], (1.0, 2.0, 3.0)),
        ([5.0, 1.0, 4.0, 2.0, 3.0], (2.0, 3.0, 4.0)),
        # numpy.percentile's default interpolates the same way.
        ([1.0, 2.0, 4.0, 8.0], tuple(np.percentile([1.0, 2.0, 4.0, 8.0], (25, 50, 75)))),
    ],
)
def test_a_spread_is_median_and_quartiles(values: list[float], expected: tuple[float, ...]) -> None:
    spread = Spread.of(values)
    assert (spread.low, spread.median, spread.high) == pytest.approx(expected)


def test_subjects_are_compared_round_by_round() -> None:
    this, old, cold = document().figures
    assert this.to_this is None
    assert cold.to_this is None
    # 0.5, 0.75 and 1: the quotient of each round, and not of the medians.
    assert old.to_this == Spread(0.625, 0.75, 0.875)


def test_a_subject_that_was_measured_less_often_is_not_compared() -> None:
    notes = Notebook(["this", "old"])
    for subject in ("this", "this", "old"):
        notes.note(("served", "a view", ""), "s", subject, 1.0)
    assert [figure.to_this for figure in notes.figures()] == [None, None]


def test_the_document_follows_its_schema_and_reads_back() -> None:
    written = json.dumps(document().to_json(), allow_nan=False)
    jsonschema.validate(
        json.loads(written), json.loads(files("bacctl").joinpath("schema/bench-1.json").read_text())
    )
    assert read_document(written) == document()
    assert json.loads(SCHEMA_FILE.read_text()) == bench_schema(), "run python -m bacctl.bench.figures"


@pytest.mark.parametrize("text", ["[]", "{}", '{"schema": "bacctl.bench/2"}'])
def test_another_document_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="bench/1"):
        read_document(text)


def test_tables_have_a_column_a_subject_and_the_quotient() -> None:
    table = part_table(document(), "served").splitlines()
    assert table[0] == "|  | unit | this | old | this / old |"
    assert table[2] == "| a view, 1 in flight | s | 3.00 (2.50, 3.50) | 4.00 | 0.750 (0.625, 0.875) |"
    page = as_markdown(document())
    assert "Research use only" in page
    assert page.index("Served") < page.index("Started cold")


def test_arrivals_are_those_of_a_fixed_poisson_process() -> None:
    times = arrival_times(4000, 2.0)
    assert times == arrival_times(4000, 2.0)
    gaps = np.diff(times)
    # Exponential: mean and standard deviation are both 1 / rate.
    assert gaps.mean() == pytest.approx(0.5, rel=0.05)
    assert gaps.std() == pytest.approx(0.5, rel=0.05)
    assert (gaps > 0).all()


@pytest.mark.parametrize(("share", "expected"), [(50, 50), (95, 95), (99, 99)])
def test_percentiles_are_of_the_nearest_rank(share: int, expected: int) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], share) == expected
    assert percentile([3.0], share) == 3.0


def test_processes_are_named_and_their_time_and_memory_read() -> None:
    program = (
        "import sys; block = bytearray(64 << 20); sys.stdout.write('.'); sys.stdout.flush(); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.read(1)
        found = family(os.getpid())
        assert found[os.getpid()] == CLIENT
        assert child.pid in found
        one = {child.pid: "child"}
        assert 60 < memory_mb(one)["child"] < 120
        assert 0 < processor_s(one)["child"] < 60
        child.stdin.close()
    assert sum(memory_mb(one).values()) == 0.0  # it is gone


def test_own_processor_time_is_what_the_system_says() -> None:
    began = sum(os.times()[:2])
    while sum(os.times()[:2]) - began < 0.1:
        time.sleep(0)
    assert processor_s({os.getpid(): "me"})["me"] == pytest.approx(sum(os.times()[:2]), abs=0.05)


def checkout(folder: Path, version: str, client: str = "") -> Path:
    package = folder / "sdk" / "bacctl"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"__version__ = {version!r}\n{client}")
    model = folder / "model_repository" / "bac_segment" / "1"
    model.mkdir(parents=True)
    (model / "model.onnx").write_bytes(b"")
    return folder


def test_another_checkout_comes_before_what_is_installed(tmp_path: Path) -> None:
    subject = other(checkout(tmp_path / "old", "0.0.1"), tmp_path / "out")
    said = subprocess.run(
        [subject.python, "-I", "-c", "import bacctl, numpy; print(bacctl.__version__, numpy.__version__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert said.stdout.split() == ["0.0.1", np.__version__]
    assert (subject.name, subject.revision) == ("old", None)
    assert subject.model.exists()


# Measures one image at a time, each in a twentieth of a second, and refuses what begins with "no".
SLOW_CLIENT = """
import threading, time

class Client:
    def __init__(self):
        self.lock = threading.Lock()

    @classmethod
    def embedded(cls):
        return cls()

    def analyze(self, data):
        with self.lock:
            time.sleep(0.05)
        if data.startswith(b"no"):
            raise ValueError("refused")

    def close(self):
        print("closed")
"""


def test_images_that_wait_for_others_have_waited_since_they_were_due(tmp_path: Path) -> None:
    image = tmp_path / "view.dcm"
    image.write_bytes(b"yes")
    subject = other(checkout(tmp_path / "old", "0.1", SLOW_CLIENT), tmp_path / "out")
    with Driven(subject, tmp_path / "log") as one:
        assert one.version == "0.1"
        latencies = one.open([image] * 4, [0.0] * 4)["latencies_s"]
        # All were due at once and are measured one after the other: 1, 2, 3 and 4 twentieths, in some order.
        for number, waited in enumerate(sorted(latencies), start=1):
            assert waited >= 0.05 * number
        closed = one.closed([image] * 3, 2)
        assert closed["s"] >= 0.15
        assert all(seconds >= 0.05 for seconds in closed["images_s"])
    # Closed in order, and what it printed did not get between the answers.
    assert "closed" in (tmp_path / "log").read_text()


def test_a_fault_of_a_subject_names_subject_and_file(tmp_path: Path) -> None:
    image = tmp_path / "view.dcm"
    image.write_bytes(b"no")
    subject = other(checkout(tmp_path / "old", "0.1", SLOW_CLIENT), tmp_path / "out")
    with (
        Driven(subject, tmp_path / "log") as one,
        pytest.raises(BenchError, match=r"^old: view.dcm: refused$"),
    ):
        one.closed([image], 1)


def test_a_subject_that_does_not_start_is_told(tmp_path: Path) -> None:
    subject = other(checkout(tmp_path / "old", "0.1", "import nowhere_to_be_found\n"), tmp_path / "out")
    with (
        pytest.raises(BenchError, match=r"^old: No module named 'nowhere_to_be_found'$"),
        Driven(subject, tmp_path / "log"),
    ):
        pass


def test_a_wheel_is_a_subject_too(tmp_path: Path) -> None:
    wheel = tmp_path / "bacctl-9.8.7-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("bacctl/__init__.py", "__version__ = '9.8.7'\n")
        packed.writestr("bacctl/_model_repository/bac_segment/1/model.onnx", "")
    subject = other(wheel, tmp_path / "out")
    said = subprocess.check_output([subject.python, "-I", "-c", "import bacctl; print(bacctl.__version__)"])
    assert said.decode().strip() == "9.8.7"
    assert subject.name == "bacctl-9.8.7"


def test_a_damaged_wheel_is_told(tmp_path: Path) -> None:
    (tmp_path / "bacctl-1-py3-none-any.whl").write_bytes(b"half a whe")
    with pytest.raises(BenchError, match="damaged"):
        other(tmp_path / "bacctl-1-py3-none-any.whl", tmp_path / "out")


def test_what_cannot_be_enlarged_is_told(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    with pytest.raises(BenchError, match="no DICOM"):
        on_larger_detector(tmp_path / "picture.png", 2.0)


@pytest.mark.parametrize("name", ["empty", "nowhere", "packed.whl"])
def test_what_is_no_checkout_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with zipfile.ZipFile(tmp_path / "packed.whl", "w") as packed:
        packed.writestr("other/__init__.py", "")
    with pytest.raises(BenchError, match="neither a checkout of bacctl nor a wheel"):
        other(tmp_path / name, tmp_path / "out")


def test_this_installation_has_a_model() -> None:
    assert this_installation().model.exists()


def test_a_larger_detector_leaves_the_breast_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "view.dcm"
    path.write_bytes(make_qa_phantom(qa_specs()[0]))
    large = tmp_path / "large.dcm"
    large.write_bytes(on_larger_detector(path, 2.0))
    before, after = (pydicom.dcmread(one) for one in (path, large))
    ratio = after.Rows * after.Columns / (before.Rows * before.Columns)
    assert ratio == pytest.approx(2.0, rel=0.01)
    top = (after.Rows - before.Rows) // 2
    left = after.Columns - before.Columns if before.ImageLaterality == "R" else 0
    inner = after.pixel_array[top : top + before.Rows, left : left + before.Columns]
    np.testing.assert_array_equal(inner, before.pixel_array)


def bench(*arguments: Any) -> Any:
    return CliRunner().invoke(app, ["bench", *map(str, arguments)])


def test_wrong_usage_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    done = bench("--part", "served,fast", "--out", tmp_path / "out")
    assert (done.exit_code, "--part fast: unknown" in done.output) == (2, True)
    (tmp_path / "file").write_text("")
    assert bench("--out", tmp_path / "file").exit_code == 2
    assert bench(tmp_path / "none.dcm", "--out", tmp_path / "out").exit_code == 2
    (tmp_path / "folder").mkdir()
    assert bench(tmp_path / "folder", "--out", tmp_path / "out").exit_code == 2
    done = bench("--against", tmp_path / "folder", "--out", tmp_path / "out")
    assert (done.exit_code, "neither a checkout" in done.output) == (1, True)
