from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from bac_imaging.grid.breast import _near, find_breast
from bac_terms.errors import RefusedError

SHAPE = (1600, 1200)
ALL = np.ones(SHAPE, dtype=bool)


def _thickness(height: float = 600.0, depth: float = 700.0, *, right: bool = False) -> np.ndarray:
    """Half an ellipsoid on the left or right border, 0 in air and 1 at its thickest."""
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    if right:
        x = SHAPE[1] - 1 - x
    inside = 1.0 - ((y - SHAPE[0] / 2) / height) ** 2 - (x / depth) ** 2
    return np.sqrt(np.maximum(inside, 0.0))


def _texture(scale: float) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(4).normal(size=SHAPE), 4.0)
    return scale * noise / noise.std()


def _raw(thickness: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(5).normal(0, 0.03, SHAPE)
    return (-9.0 + 3.5 * thickness**0.4 + (thickness > 0) * _texture(0.05) + noise).astype(np.float32)


def _display(thickness: np.ndarray) -> np.ndarray:
    return np.where(thickness > 0, 0.45 * np.minimum(1.0, 3 * thickness) + _texture(0.06), 0.0).astype(
        np.float32
    )


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * float((first & second).sum()) / float(first.sum() + second.sum())


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("look", [_raw, _display])
def test_breast_on_either_side(look, right: bool) -> None:
    thickness = _thickness(right=right)
    breast = find_breast(look(thickness), ALL, is_digital=True)
    skin = thickness > 0
    assert _overlap(breast, skin) > 0.93
    assert not (breast & ~ndimage.binary_erosion(skin, iterations=8, border_value=1)).any()
    assert not breast[:, [0, -1]].any()


def test_breast_that_touches_three_borders() -> None:
    thickness = _thickness(height=1300.0, depth=900.0)
    breast = find_breast(_raw(thickness), ALL, is_digital=True)
    assert _overlap(breast, thickness > 0) > 0.93


def test_labels_markers_and_paddles_are_left_out() -> None:
    thickness = _thickness(depth=500.0)
    image = _display(thickness)
    canvas = Image.fromarray(np.zeros(SHAPE, np.uint8))
    draw = ImageDraw.Draw(canvas)
    draw.text((800, 150), "L CC", fill=255, font_size=150)
    draw.rectangle((700, 0, 704, 1599), fill=255)
    draw.ellipse((900, 1200, 930, 1230), fill=255)
    image = np.maximum(image, np.asarray(canvas, dtype=np.float32) / 255)
    breast = find_breast(image, ALL)
    assert not breast[:, 560:].any()
    assert _overlap(breast, thickness > 0) > 0.9


def test_white_frame_and_film_edges_are_left_out() -> None:
    thickness = _thickness()
    image = _display(thickness)
    image[:40] = 0.7 + _texture(0.02)[:40]  # a strip of unexposed film along the top
    framed = np.pad(image, 110, constant_values=1.0).astype(np.float32)
    breast = find_breast(framed, np.ones(framed.shape, dtype=bool))
    assert not breast[:155].any()
    assert not breast[:, :115].any()
    assert _overlap(breast[110:-110, 110:-110], thickness > 0) > 0.92


def test_padding_is_not_breast() -> None:
    image, valid = _raw(_thickness()), ALL.copy()
    image[:, 1000:] = 50.0
    valid[:, 1000:] = False
    breast = find_breast(image, valid, is_digital=True)
    assert _overlap(breast, _thickness() > 0) > 0.93


@pytest.mark.parametrize("look", [_raw, _display])
def test_air_that_was_replaced_by_padding(look) -> None:
    thickness = _thickness()
    valid = ndimage.binary_dilation(thickness > 0, iterations=4)
    image = np.where(valid, look(thickness), np.float32(0)).astype(np.float32)
    image[1500:, :60], valid[1500:, :60] = image[800, 60], True  # the belly, apart from the breast
    breast = find_breast(image, valid, is_digital=True)
    assert _overlap(breast, thickness > 0) > 0.92
    assert not breast[1450:].any()
    assert not (breast & ~ndimage.binary_erosion(thickness > 0, iterations=8, border_value=1)).any()


def test_fat_that_is_nearer_to_air_than_to_the_pectoral_muscle() -> None:
    # A steep look-up table: muscle at 0.8, noisy fat at 0.14, air at 0.
    thickness = _thickness(depth=600.0)
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    noise = np.random.default_rng(8).normal(0, 0.04, SHAPE)
    image = (thickness > 0) * (0.14 + _texture(0.02) + noise) + (y + 3 * x < 900) * (thickness > 0) * 0.7
    breast = find_breast(image.astype(np.float32), ALL, is_digital=True)
    assert _overlap(breast, thickness > 0) > 0.9


def _page(*, inverted: bool) -> np.ndarray:
    canvas = Image.new("L", SHAPE[::-1], 255)
    draw = ImageDraw.Draw(canvas)
    for row in range(60, SHAPE[0] - 60, 34):
        draw.text((60, row), "a page of text and no breast at all " * 4, fill=0, font_size=22)
    page = np.asarray(canvas, dtype=np.float32) / 255
    return 1 - page if inverted else page


NOT_A_BREAST = {
    "constant": np.full(SHAPE, 0.5, np.float32),
    "noise": np.random.default_rng(6).normal(size=SHAPE).astype(np.float32),
    "ramp": np.tile(np.linspace(0, 1, SHAPE[1], dtype=np.float32), (SHAPE[0], 1)),
    "page": _page(inverted=False),
    "inverted page": _page(inverted=True),
    "disc": (_thickness()[:, ::-1] * 0 + (np.hypot(*np.ogrid[-800:800, -600:600]) < 350)).astype(np.float32),
    "texture": _texture(1.0).astype(np.float32),
}


@pytest.mark.parametrize("name", NOT_A_BREAST)
def test_what_is_no_breast_is_refused(name: str) -> None:
    with pytest.raises(RefusedError) as refused:
        find_breast(NOT_A_BREAST[name], ALL)
    assert refused.value.code == "BAC-BREAST-NOT-FOUND"


@pytest.mark.parametrize("name", ["constant", "noise", "disc"])
def test_a_header_does_not_make_a_breast_of_nothing(name: str) -> None:
    with pytest.raises(RefusedError):
        find_breast(NOT_A_BREAST[name], ALL, is_digital=True)


def test_everything_invalid_is_refused() -> None:
    with pytest.raises(RefusedError):
        find_breast(_raw(_thickness()), ~ALL)


SHARED = Path(__file__).parents[4] / "shared" / "mammograms"


@pytest.mark.parametrize("name", ["film_negative_1.jpg", "film_negative_2.jpg", "film_negative_3.jpg"])
def test_real_films(name: str) -> None:
    path = SHARED / name
    if not path.exists():
        pytest.skip("no real films here")
    image = np.asarray(Image.open(path).convert("L").reduce(2), dtype=np.float32) / 255
    breast = find_breast(image, np.ones(image.shape, dtype=bool))
    assert 60e2 < breast.sum() * 0.01 < 250e2  # mm2
    assert ndimage.label(breast)[1] == 1
    assert image[breast].mean() > 2 * image[~breast].mean()


@pytest.mark.parametrize("radius", [2.375, 3.0, 3.125, 6.25, 9.375])
@pytest.mark.parametrize("shape", [(8, 9), (9, 8), (60, 71)])
def test_a_disc_reaches_what_is_nearer_than_its_radius(radius: float, shape: tuple[int, int]) -> None:
    mask = np.random.default_rng(7).random(shape) > 0.97
    mask[shape[0] // 2, 1] = True
    assert np.array_equal(_near(mask, radius), ndimage.distance_transform_edt(~mask) < radius)
    assert not _near(np.zeros(shape, dtype=bool), radius).any()
