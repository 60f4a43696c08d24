"""`bacctl bench` with the real server, and beside another checkout."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).parents[2]
BENCH = (sys.executable, "-m", "bacctl", "bench")


@pytest.mark.full
def test_this_checkout_beside_itself(tmp_path: Path, raw_mammogram: bytes) -> None:
    image, out = tmp_path / "view.dcm", tmp_path / "out"
    image.write_bytes(raw_mammogram)
    parts = "served,arrivals,cost,memory"
    done = subprocess.run(
        [*BENCH, image, "--quick", "--part", parts, "--json", "--out", out, "--against", ROOT],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    schema = json.loads(files("bacctl").joinpath("schema/bench-1.json").read_text())
    jsonschema.validate(document, schema)
    assert document == json.loads((out / "bench.json").read_text())
    assert "Served, against the bare network" in (out / "bench.md").read_text()
    this, other = document["subjects"]
    assert this["weights_sha256"] == other["weights_sha256"]
    values = {
        (figure["part"], figure["name"], figure["at"], figure["subject"]): figure["values"]
        for figure in document["figures"]
    }
    for subject in ("this", ROOT.name):
        # A round trip takes longer than the network in it, and each step of the ensemble took part.
        assert values["served", "a view, in bare networks", "1 in flight", subject][0] > 1.0
        for step in ("bac_preprocess", "bac_segment", "bac_quantify"):
            assert values["steps", step, "working", subject][0] > 0.0
            assert values["memory", step, "after 4 images", subject][0] > 20.0
        assert values["arrivals", "p99 from when it was due", "full load", subject][0] > 0.0
        assert ("cost", "one breast", "detector of 2 times the area", subject) in values


def test_an_image_that_is_refused_ends_it_with_one_line(tmp_path: Path) -> None:
    image = tmp_path / "note.png"
    image.write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    done = subprocess.run(
        [*BENCH, image, "--quick", "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "note.png" in done.stderr
    assert "Traceback" not in done.stderr
