"""What validators that are not ours say; what they go on complaining of is explained in docs/outputs.md."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("highdicom", reason="the extra dicom is not installed, or has no highdicom here")

from tests.sdk.outputs.dicom.women import FOR_PRESENTATION, exam, mammogram

from bacctl.outputs.dicom import make_objects

EXPLAINED = re.compile(
    r"^(SCImage|Segmentation|ParametricMap|GrayscaleSoftcopyPresentationState|Comprehensive3DSR)$"
    r"|Unrecognized defined term <QUANTITY> for value 4"
    r"|Unrecognized defined term <99BACCTL>"
    r"|^$"
)


def _dciodvfy(path: Path) -> list[str]:
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if not EXPLAINED.search(line)]


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
@pytest.mark.parametrize("deidentify", [False, True])
@pytest.mark.parametrize("weighed", [True, False])
def test_dciodvfy(weighed: bool, deidentify: bool, tmp_path: Path) -> None:
    presented = {"SOPClassUID": FOR_PRESENTATION, "PresentationIntentType": "FOR PRESENTATION"}
    data = mammogram("R", "MLO", WindowCenter=2000, WindowWidth=900, **({} if weighed else presented))
    given = exam(tmp_path / "in", data, weighed=weighed)
    for made in make_objects(given, deidentify=deidentify):
        path = tmp_path / f"{made.kind}.dcm"
        path.write_bytes(made.to_bytes())
        said = _dciodvfy(path)
        if deidentify:  # without dates and names there is nothing to build a DICOMDIR from
            said = [line for line in said if "DICOMDIR" not in line]
        assert said == [], made.kind


@pytest.mark.skipif(shutil.which("dcmpschk") is None, reason="dcmtk is not installed")
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("deidentify", [False, True])
def test_dcmpschk_and_dcmdump(photometric: str, deidentify: bool, tmp_path: Path) -> None:
    given = exam(tmp_path / "in", mammogram(PhotometricInterpretation=photometric))
    for made in make_objects(given, deidentify=deidentify):
        path = tmp_path / f"{made.kind}.dcm"
        path.write_bytes(made.to_bytes())
        subprocess.run(["dcmdump", "-q", str(path)], check=True, capture_output=True)
        if made.kind == "pr":
            # It ends with 0 also where it fails.
            done = subprocess.run(["dcmpschk", str(path)], capture_output=True, text=True, check=False)
            said = done.stdout + done.stderr
            assert "Test passed" in said
            assert "E: " not in said
