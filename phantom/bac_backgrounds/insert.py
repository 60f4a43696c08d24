"""Arteries of any generator put into the images, and a folder of them to train on."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from bac_backgrounds.images import (
    BackgroundError,
    BoolArray,
    FloatArray,
    Pixels,
    find_backgrounds,
    find_breast,
    read_background,
)


@dataclass(frozen=True)
class Drawn:
    """An image with arteries put in."""

    brightness: FloatArray  # float32 (rows, columns): 0 to 1, white attenuates
    mask: BoolArray  # bool (rows, columns): BAC
    calcium_mass_mg: float  # calcium put in


Draw = Callable[[FloatArray, BoolArray, float, float, np.random.Generator], Drawn | None]
"""(brightness, breast at the left border, spacing in mm, mass in mg, source of chance) to arteries drawn.

None where no artery finds room.
"""


@dataclass(frozen=True)
class Inserted:
    """The same in the pixels of its background."""

    pixels: Pixels  # white attenuates
    mask: BoolArray  # bool (rows, columns): BAC
    calcium_mass_mg: float  # calcium put in. Nothing in the pixels lets it be measured back.


def insert(pixels: Pixels, pitch_mm: float, mass_mg: float, rng: np.random.Generator, draw: Draw) -> Inserted:
    """Put calcified arteries into a display image.

    White attenuates; the breast lies at the left or right border. `draw` is of a generator.

    Raises
    ------
    BackgroundError
        When no breast is found, or no artery finds room in it.
    """
    top = np.float32(np.iinfo(pixels.dtype).max)
    brightness = pixels.astype(np.float32) / top
    breast = find_breast(brightness, pitch_mm)
    drawn = draw_at_left(brightness, breast, pitch_mm, mass_mg, rng, draw)
    if drawn is None:
        raise BackgroundError("no artery fits into the breast; check that the pixel spacing is right")
    shown = np.rint(np.clip(drawn.brightness, 0, 1) * top)
    stored = shown.astype(np.uint8) if pixels.dtype == np.uint8 else shown.astype(np.uint16)
    return Inserted(stored, drawn.mask, drawn.calcium_mass_mg)


def draw_at_left(
    brightness: FloatArray,
    breast: BoolArray,
    pitch_mm: float,
    mass_mg: float,
    rng: np.random.Generator,
    draw: Draw,
) -> Drawn | None:
    """Turn a breast at the right border to the left, draw, and turn the image back."""
    middle = breast.shape[1] // 2
    if breast[:, middle:].sum() <= breast[:, :middle].sum():
        return draw(brightness, breast, pitch_mm, mass_mg, rng)
    drawn = draw(brightness[:, ::-1], breast[:, ::-1], pitch_mm, mass_mg, rng)
    if drawn is None:
        return None
    shown, mask = (np.ascontiguousarray(array[:, ::-1]) for array in (drawn.brightness, drawn.mask))
    return Drawn(shown, mask, drawn.calcium_mass_mg)


def write_inserted(
    out: Path,
    backgrounds: Path,
    images: int,
    seed: int,
    pitch_mm: float,
    draw: Draw,
    positive_share: float,
    mass_range_mg: tuple[float, float],
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a training folder of ``images`` made from real backgrounds: TIFF, masks and ``images.csv``.

    Parameters
    ----------
    out, backgrounds : Path
        Folder to write into, and folder of images without BAC, which are used in turn.
    images, seed : int
        How many, and the seed of the first.
    pitch_mm : float
        Pixel spacing of the backgrounds.
    draw : callable
        Of a generator.
    positive_share, mass_range_mg
        Share of images with arteries (the others stay as they are), and range of a woman's calcium mass.
    progress : callable, optional
        Called with (done, images).

    Raises
    ------
    BackgroundError
        For backgrounds that cannot be used.
    """
    paths = find_backgrounds(backgrounds)
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    made = _images(paths, images, seed, pitch_mm, draw, positive_share, mass_range_mg)
    for number, image in enumerate(made):
        name = f"inserted-{seed + number}"
        Image.fromarray(image.pixels).save(out / f"{name}.tif")
        Image.fromarray(image.mask.astype(np.uint8) * 255).save(out / f"{name}.mask.png")
        rows.append([f"{name}.tif", f"{name}.mask.png", f"{pitch_mm:g}"])
        if progress is not None:
            progress(number + 1, images)
    table = out / "images.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([["image", "mask", "pixel_spacing_mm"], *rows])
    return table


def _images(
    paths: list[Path],
    images: int,
    seed: int,
    pitch_mm: float,
    draw: Draw,
    positive_share: float,
    mass_range_mg: tuple[float, float],
) -> Iterator[Inserted]:
    low, high = mass_range_mg
    for number in range(images):
        path = paths[number % len(paths)]
        rng = np.random.default_rng(seed + number)
        pixels = read_background(path)
        if rng.random() >= positive_share:
            yield Inserted(pixels, np.zeros(pixels.shape, dtype=bool), 0.0)
            continue
        # Four views share a woman's calcium; each of her breasts shows half of it.
        mass_mg = 0.5 * float(np.exp(rng.uniform(np.log(low), np.log(high))))
        try:
            yield insert(pixels, pitch_mm, mass_mg, rng, draw)
        except BackgroundError as error:
            raise BackgroundError(f"{path}: {error}") from None
