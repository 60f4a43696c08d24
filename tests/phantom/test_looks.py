"""The looks: what is stored still rises with attenuation, and the header says how to read it."""

import io
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from PIL import Image
from pydicom.pixels import apply_voi_lut

from bac_imaging.read.reader import read_mammogram
from bac_phantom import looks
from bac_phantom.beams import Beam
from bac_phantom.config import PRESENTATION_STYLES
from bac_phantom.dicom import encode_dicom, encode_film
from bac_phantom.looks.enhance import pyramid_enhance
from bac_phantom.render import Exposure, _blur

SHAPE, PITCH = (600, 480), 0.2
# Columns of the discs and what they attenuate more than their surroundings, natural logarithm.
DISCS = {60: 0.1, 110: 0.25, 160: 0.45, 210: 0.7}
FACTS: dict[str, Any] = {
    "woman_seed": 1,
    "sop_instance_uid": "2.25.1",
    "series_instance_uid": "2.25.2",
    "study_instance_uid": "2.25.3",
    "instance_number": 1,
    "laterality": "L",
    "view": "CC",
    "flipped": False,
    "raw": False,
    "log": False,
    "pitch_mm": PITCH,
    "sid_mm": 660.0,
    "gap_mm": 20.0,
    "thickness_mm": 50.0,
    "anode": "W",
    "filter_material": "Rh",
    "filter_thickness_mm": 0.05,
    "kvp": 28.0,
    "detector": "a-Se",
    "grid": True,
}


def scene() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Half a disc of tissue at the left, thinner towards its rim, with discs of more and more attenuation."""
    rows, columns = np.indices(SHAPE)
    radius = np.hypot((rows - 300) / 270, columns / 330)
    inside = radius < 1
    s = 3.0 * np.sqrt(np.clip(1 - radius**8, 0, 1))
    # Bands of tissue, alike for all discs.
    s = s + np.where(inside, 0.3 * np.sin(2 * np.pi * rows / 120), 0)
    s = s + 0.01 * np.random.default_rng(0).standard_normal(SHAPE)
    for column, more in DISCS.items():
        s += more * (np.hypot(rows - 300, columns - column) < 4)
    return (9000 * np.exp(-s)).astype(np.float32), inside


def contrasts(image: npt.NDArray[Any]) -> list[float]:
    """Brightness of each disc above a ring around it."""
    rows, columns = np.indices(SHAPE)
    out = []
    for column in DISCS:
        far = np.hypot(rows - 300, columns - column)
        out.append(float(image[far < 3].mean() - np.median(image[(far > 8) & (far < 14)])))
    return out


@pytest.mark.parametrize("style", PRESENTATION_STYLES)
@pytest.mark.parametrize("seed", range(4))
def test_more_attenuation_reads_brighter_in_every_style(style: str, seed: int) -> None:
    signal, inside = scene()
    stored = looks.presentation(np.random.default_rng(seed), signal, inside, PITCH, style)
    data = encode_dicom(stored, FACTS)
    read = read_mammogram(data)
    assert read.signal_kind == "display"
    found = contrasts(read.signal)
    assert found[0] > 0
    # Compressed, but never turned round: a step down of the noise is allowed near white.
    assert all(b > 0.9 * a for a, b in itertools.pairwise(found)), found
    assert found[-1] > 1.2 * found[0]
    # Air is darker than tissue.
    assert np.median(read.signal[:, -40:]) < np.median(read.signal[280:320, 20:200])


def test_styles_differ_and_images_of_a_style_differ_in_depth_and_background() -> None:
    signal, inside = scene()
    images = [
        looks.presentation(np.random.default_rng(seed), signal, inside, PITCH, "multiscale")
        for seed in range(20)
    ]
    assert {image.bits for image in images} == {10, 12, 14}
    assert {image.padding for image in images} == {0, None}
    for image in images:
        assert int(image.pixels.max()) < 2**image.bits
        if image.padding == 0:
            assert (image.pixels[:, -40:] == 0).all()
            assert (image.pixels[inside] > 0).all()
    assert all(
        looks.presentation(np.random.default_rng(s), signal, inside, PITCH, "inverted").inverted
        for s in (0, 1)
    )


def test_tables_and_windows_of_the_header_show_the_breast_as_pydicom_applies_them() -> None:
    signal, inside = scene()
    kinds = set()
    for seed in range(10):
        stored = looks.presentation(np.random.default_rng(seed), signal, inside, PITCH, "table")
        ds = pydicom.dcmread(io.BytesIO(encode_dicom(stored, FACTS)))
        kinds.add(("VOILUTSequence" in ds, "WindowCenter" in ds))
        shown = apply_voi_lut(ds.pixel_array, ds)
        bits = ds.VOILUTSequence[0].LUTDescriptor[2] if "VOILUTSequence" in ds else ds.BitsStored
        share = shown / (2.0**bits - 1)
        # The middle of the breast is grey, neither black nor white.
        assert 0.05 < np.median(share[inside]) < 0.95
        assert min(contrasts(share)) > 0
    assert kinds == {(True, True), (True, False), (False, True)}


@pytest.mark.parametrize(("slope", "bits"), [(434.0, 12), (445.0, 12), (1000.0, 14), (1779.0, 14)])
def test_the_raw_logarithm_has_the_slope_it_was_given(slope: float, bits: int) -> None:
    signal = np.array([[4000.0, 4000.0 / np.e, 4000.0 / np.e**2, 1.0]], dtype=np.float32)
    stored = looks.raw_log(signal, slope)
    assert stored.bits == bits
    assert np.diff(stored.pixels[0, :3].astype(int)) == pytest.approx([slope, slope], abs=1)
    assert stored.pixels.max() < 2**bits


def test_a_pyramid_that_lifts_nothing_gives_the_image_back() -> None:
    image = np.random.default_rng(1).normal(size=(61, 50)).astype(np.float32)
    same = pyramid_enhance(image, [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], 1e-9, 1.0)
    np.testing.assert_allclose(same, image, atol=1e-5)


def film(seed: int, hard_negatives: tuple[str, ...]) -> looks.Stored:
    signal, inside = scene()
    return looks.film(np.random.default_rng(seed), signal, inside, PITCH, "LCC", hard_negatives)


def test_film_reads_brighter_where_more_is_attenuated_in_either_depth() -> None:
    depths = set()
    for seed in range(8):
        stored = film(seed, ())
        depths.add(stored.bits)
        data = encode_film(stored)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), stored.pixels)
        read = read_mammogram(data, (PITCH, PITCH))
        clear = np.ones(SHAPE, dtype=bool) if stored.covered is None else ~stored.covered
        assert clear[290:310, 40:230].all()
        found = contrasts(read.signal)
        assert found[-1] > 0
        assert found[-1] >= found[0]
    assert depths == {8, 16}


def test_switches_of_film_leave_everything_else_as_it_was() -> None:
    drawn: set[str] = set()
    for seed in range(4):
        plain, both = film(seed, ()), film(seed, ("scratches", "text"))
        scratched = film(seed, ("scratches",))
        assert plain.kinds == ()
        assert "text" not in scratched.kinds
        drawn |= set(both.kinds)
        assert plain.bits == both.bits == scratched.bits
        # Scratches and letters cover little: the noise, the border and the curve are the same beside them.
        assert (plain.pixels == both.pixels).mean() > 0.6
        assert (plain.pixels == scratched.pixels).mean() > 0.6
    assert drawn == {"scratches", "text"}


def test_the_detectors_blur_keeps_all_that_is_in_the_picture() -> None:
    point = np.zeros((101, 101), dtype=np.float32)
    point[50, 50] = 1
    for beam in (Beam("W", "Rh", 0.05, 28, "a-Se"), Beam("W", "Rh", 0.05, 28, "CsI")):
        spread = _blur(point, Exposure(beam, True, 0.1, 0.08, 3e5, 0.0), 0.1)
        assert spread.sum() == pytest.approx(1, abs=1e-5)
        rows, _ = np.indices(point.shape)
        variance = float((spread * (rows - 50.0) ** 2).sum()) * 0.1**2
        # Variances add by share: the scintillator has a fifth of its light three times wider.
        expected = 0.08**2 * (0.8 + 0.2 * 9 if beam.detector == "CsI" else 1)
        assert variance == pytest.approx(expected, rel=0.1)
