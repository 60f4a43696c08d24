"""From the real server to DICOM objects and back."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from bacctl import Client
from bacctl.outputs.dicom import make_objects

pytest.importorskip("highdicom", reason="the extra dicom is not installed, or has no highdicom here")


@pytest.mark.parametrize("side", ["L", "R"])
def test_what_the_server_found_is_what_the_objects_hold(
    side: str, client: Client, mammogram: Callable[..., bytes], tmp_path: Path
) -> None:
    data = mammogram(
        ImageLaterality=side, PatientID="A-1", SeriesInstanceUID="1.2.3.4", PatientOrientation=["A", "R"]
    )
    path = tmp_path / "a.dcm"
    path.write_bytes(data)
    exam = client.analyze_exam([path])
    (image,) = exam.images
    assert image.mask is not None
    assert image.mask.any()
    read = {made.kind: pydicom.dcmread(io.BytesIO(made.to_bytes())) for made in make_objects(exam)}
    frames = read["seg"].pixel_array.reshape(-1, *image.mask.shape)
    assert np.array_equal(frames.any(axis=0), image.mask)
    spacing = image.pixel_spacing_mm
    assert spacing is not None
    pixel_mm2 = spacing[0] * spacing[1] / (image.magnification or 1.0) ** 2
    for frame, vessel in zip(frames, image.vessels, strict=True):
        assert frame.sum() * pixel_mm2 == pytest.approx(vessel.area_mm2, abs=1e-3)
    density = np.frombuffer(read["pm"].FloatPixelData, "<f4")
    # The sum of the map is the sum of the vessels, but for what lies beside the outline.
    assert density.sum() * pixel_mm2 == pytest.approx(image.calcium_mass_mg, rel=0.02)
    masses = [
        item.MeasuredValueSequence[0].FloatingPointValue
        for group in read["sr"].ContentSequence[-1].ContentSequence
        for item in group.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeValue == "112199" and item.MeasuredValueSequence
    ]
    # Of the breast, the image and each vessel; the woman has none, since a breast is missing.
    assert masses == [image.calcium_mass_mg] * 2 + [vessel.calcium_mass_mg for vessel in image.vessels]
