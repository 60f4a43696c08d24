"""The few real mammograms beside the checkout."""

from __future__ import annotations

import numpy as np
import pytest

from bac_imaging.read.reader import read_mammogram
from bac_terms.errors import RefusedError


def test_ge_essential(mammograms):
    image = read_mammogram((mammograms / "ge_essential_rmlo.dcm").read_bytes())
    assert image.signal.shape == (3062, 2394)
    assert (image.laterality, image.view) == ("R", "MLO")
    assert image.presentation_intent == "FOR PRESENTATION"
    assert image.signal_kind == "display"
    assert image.geometry.pixel_spacing_mm == pytest.approx((0.09409, 0.09409), abs=1e-5)
    assert image.geometry.spacing_source == "ImagerPixelSpacing"
    # 0.1 mm elements, SID 660 mm, 73 mm thick, gap not told: the pixel in the breast.
    in_breast = image.geometry.pixel_spacing_mm[0] / image.geometry.magnification
    assert in_breast == pytest.approx(0.1 * (660 - 20 - 36.5) / 660, rel=1e-3)
    assert image.geometry.magnification_source == ("mid-breast, support gap assumed, spacing already reduced")
    assert (image.beam.anode, image.beam.filter_material, image.beam.kvp) == ("RHODIUM", "RHODIUM", 30)
    assert (image.beam.thickness_mm, image.beam.grid) == (73, True)
    # Stored 0 to 30 is padding: everything outside the breast.
    assert 0.25 < image.valid.mean() < 0.4
    # The breast of a right view lies at the right edge, and its tissue within the first window.
    assert image.valid[1500, -200:].all()
    assert not image.valid[:, :400].any()
    assert 0 < np.median(image.signal[image.valid]) < 1
    assert image.warnings == ()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("siemens_stereo_biopsy.dcm", "BAC-VIEW-BIOPSY"),
        ("tomosynthesis_tiny.dcm", "BAC-TOMOSYNTHESIS"),
        ("README.md", "BAC-FILE-NOT-IMAGE"),
        ("cbis_p00646_left_cc.png", "BAC-SPACING-MISSING"),
        ("film_negative_1.jpg", "BAC-SPACING-MISSING"),
    ],
)
def test_refused(name, code, mammograms):
    with pytest.raises(RefusedError) as caught:
        read_mammogram((mammograms / name).read_bytes())
    assert caught.value.code == code


def test_rendered_film(mammograms):
    image = read_mammogram((mammograms / "cbis_p00646_left_cc.png").read_bytes(), (0.1, 0.1))
    assert image.signal.shape == (1878, 1359)
    assert image.signal_kind == "display"
    assert image.beam is None


def test_scanned_film(mammograms):
    image = read_mammogram((mammograms / "film_negative_1.jpg").read_bytes(), (0.05, 0.05))
    assert image.signal.shape == (4616, 3016)
    # Air is dark, tissue bright.
    assert np.median(image.signal) < 0.05
