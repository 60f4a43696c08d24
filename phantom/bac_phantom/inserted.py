"""Calcified arteries put into real images without any: real tissue, known mask, nominal mass."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from scipy import ndimage

from bac_phantom.beams import Beam, calcium_factor
from bac_phantom.body.anatomy import Anatomy
from bac_phantom.body.curves import FloatArray
from bac_phantom.calcium.arteries import plan_arteries
from bac_phantom.calcium.courses import Projection, lay_course
from bac_phantom.calcium.walls import draw_artery
from bac_phantom.config import PhantomConfig

# The technique and breast that the calcium is thought to be imaged with; display pixels do not tell.
NOMINAL_BEAM = Beam("Mo", "Mo", 0.030, 26, "CsI")
NOMINAL_THICKNESS_MM = 50.0
NOMINAL_SID_MM = 650.0
NOMINAL_GAP_MM = 20.0
# Brightness a unit of log attenuation at medium grey: a film gradient of 3 (density a decade of exposure)
# over a density range of 3.5, so 3 / ln(10) / 3.5.
DISPLAY_GAIN = 0.37
SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")


class BackgroundError(ValueError):
    """A background that cannot be used; the message names it and says what to do."""


@dataclass(frozen=True)
class Inserted:
    """An image with arteries put in, in the matrix of its background.

    Attributes
    ----------
    pixels
        uint8 or uint16 (rows, columns), white attenuates.
    mask
        bool (rows, columns): BAC.
    calcium_mass_mg
        Calcium put in.
    """

    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    mask: npt.NDArray[np.bool_]
    calcium_mass_mg: float


Insert = Callable[
    [npt.NDArray[np.uint8] | npt.NDArray[np.uint16], float, float, np.random.Generator], Inserted
]
"""(pixels, spacing in mm, mass in mg, source of chance) to an image with arteries."""


def find_backgrounds(folder: Path) -> list[Path]:
    """Return the image files of a folder, in order.

    Raises
    ------
    BackgroundError
        When there is none.
    """
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not paths:
        raise BackgroundError(f"{folder}: no {', '.join(SUFFIXES)} file; give a folder of images without BAC")
    return paths


def read_background(path: Path) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """Read a greyscale image; colour with equal channels counts as grey.

    Raises
    ------
    BackgroundError
        When it cannot be read, is coloured or holds neither 8 nor 16 bits.
    """
    try:
        with Image.open(path) as image:
            palette = image.mode == "P"
            pixels = np.asarray(image)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise BackgroundError(f"{path}: cannot be read ({error}); remove it from the folder") from None
    if pixels.ndim == 3 and (pixels[..., :3] == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    # The indices of a palette are 8-bit numbers too, and no brightness.
    if palette or pixels.ndim != 2 or pixels.dtype not in (np.uint8, np.uint16):
        raise BackgroundError(f"{path}: not an 8- or 16-bit greyscale image; convert it")
    return pixels


def insert_arteries(
    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
    pitch_mm: float,
    mass_mg: float,
    rng: np.random.Generator,
    width_range_mm: tuple[float, float] = (0.8, 3.0),
) -> Inserted:
    """Put calcified arteries into a display image.

    Parameters
    ----------
    pixels
        (rows, columns), white attenuates, breast at the left or right border.
    pitch_mm
        Pixel spacing.
    mass_mg
        Calcium to put in.
    rng
        Source of chance.
    width_range_mm
        Range of the outer widths.

    Returns
    -------
    Inserted
        The log attenuation of the calcium (nominal beam) moves the logit of the brightness, as a
        characteristic curve with toe and shoulder would. The mass is what was put in under that beam;
        nothing in the pixels lets it be measured back.

    Raises
    ------
    BackgroundError
        When no artery finds room in what looks like the breast.
    """
    top = float(np.iinfo(pixels.dtype).max)
    brightness = pixels.astype(np.float32) / np.float32(top)
    inside = find_breast(brightness, pitch_mm)
    flipped = inside[:, inside.shape[1] // 2 :].sum() > inside[:, : inside.shape[1] // 2].sum()
    if flipped:
        brightness, inside = brightness[:, ::-1], inside[:, ::-1]
    depth = ndimage.distance_transform_edt(np.pad(inside, ((0, 0), (1, 0)), mode="edge"))[:, 1:]
    depth = depth.astype(np.float32)
    rows, columns = np.nonzero(inside)
    tip = int(columns.argmax())
    nipple = (float(rows[tip]) * pitch_mm, float(columns[tip]) * pitch_mm)
    tissue = np.full((1, 1), NOMINAL_THICKNESS_MM, dtype=np.float32)
    anatomy = Anatomy(tissue, tissue, inside, depth, nipple)
    shape = (inside.shape[0], inside.shape[1])
    half_height = 0.5 * float(np.ptp(rows)) * pitch_mm
    projection = Projection(
        "CC",
        nipple,
        0.5 * shape[0] * pitch_mm,
        NOMINAL_SID_MM,
        NOMINAL_GAP_MM,
        NOMINAL_THICKNESS_MM,
        max(0.7 * half_height, 1.0),
        1,
    )
    calcium = np.zeros(shape, dtype=np.float32)
    mask = np.zeros(shape, dtype=bool)
    put_in = 0.0
    for artery in plan_arteries(rng, mass_mg, width_range_mm):
        size = (max(nipple[1], 10.0), half_height)
        course = lay_course(rng, artery, [(anatomy, projection)], pitch_mm, size, None)
        drawn = None if course is None else draw_artery(artery, course, projection, pitch_mm, shape)
        if drawn is not None:
            calcium[drawn.box] += drawn.calcium_mg_mm2
            mask[drawn.box] |= drawn.truth
            put_in += artery.mass_mg
    if put_in == 0:
        raise BackgroundError("no artery fits into the breast; check that the pixel spacing is right")
    shown = _add(brightness, calcium, pitch_mm)
    # Untouched pixels keep their value to the bit.
    result = np.where(
        calcium > 0, np.rint(shown * top), (pixels[:, ::-1] if flipped else pixels).astype(np.float32)
    )
    if flipped:
        result, mask = result[:, ::-1], mask[:, ::-1]
    mask = np.ascontiguousarray(mask)
    if pixels.dtype == np.uint8:
        return Inserted(result.astype(np.uint8, order="C"), mask, put_in)
    return Inserted(result.astype(np.uint16, order="C"), mask, put_in)


def find_breast(brightness: FloatArray, pitch_mm: float) -> npt.NDArray[np.bool_]:
    """Find the largest bright region away from white borders, roughly: arteries stay well inside it.

    Parameters
    ----------
    brightness
        (rows, columns), 0 to 1, white attenuates.
    pitch_mm
        Pixel spacing.

    Returns
    -------
    ndarray of bool, shape (rows, columns)
        True inside.

    Raises
    ------
    BackgroundError
        When nothing is bright enough.
    """
    step = max(int(1.0 / pitch_mm), 1)
    coarse = ndimage.uniform_filter(brightness, step)[::step, ::step]
    # Film borders and labels are white; tissue seldom is.
    tissue = coarse[coarse < 0.95]
    level = 0.5 * (float(np.quantile(tissue, 0.05)) + float(np.quantile(tissue, 0.9))) if tissue.size else 1.0
    region = ndimage.binary_opening((coarse > 0.6 * level) & (coarse < 0.98), iterations=3)
    labels, count = ndimage.label(region)
    if count == 0:
        raise BackgroundError("no breast found; give a mammogram whose background is dark")
    largest = ndimage.binary_fill_holes(labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:])))
    grown = np.kron(largest, np.ones((step, step), dtype=bool))
    inside = np.zeros(brightness.shape, dtype=bool)
    rows, columns = min(grown.shape[0], inside.shape[0]), min(grown.shape[1], inside.shape[1])
    inside[:rows, :columns] = grown[:rows, :columns]
    return inside


def _add(brightness: FloatArray, calcium_mg_mm2: FloatArray, pitch_mm: float) -> FloatArray:
    # Screen and scanner blur what is put in as they blurred the rest.
    calcium = ndimage.gaussian_filter(calcium_mg_mm2, 0.08 / pitch_mm)
    half = np.full(calcium.size, NOMINAL_THICKNESS_MM / 2, dtype=np.float32)
    log_attenuation = -np.log(calcium_factor(NOMINAL_BEAM, half, half, calcium.ravel())).reshape(
        calcium.shape
    )
    odds = np.clip(brightness, 0.004, 0.996)
    # The slope of the logistic curve is a quarter of the logit's at medium grey.
    logit = np.log(odds / (1 - odds)) + np.float32(4 * DISPLAY_GAIN) * log_attenuation
    return np.asarray(1 / (1 + np.exp(-logit)), dtype=np.float32)


def write_inserted(
    out: Path,
    backgrounds: Path,
    images: int,
    seed: int,
    pitch_mm: float,
    config: PhantomConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
    insert: Insert | None = None,
) -> Path:
    """Write a training folder of ``images`` made from real backgrounds: TIFF, masks and ``images.csv``.

    Parameters
    ----------
    out, backgrounds
        Folder to write into, and folder of images without BAC, which are used in turn.
    images, seed
        How many, and the seed of the first.
    pitch_mm
        Pixel spacing of the backgrounds.
    config
        Share of images with arteries (the others stay as they are), masses and widths are taken from it; a
        mass is that of one view here.
    progress
        Called with (done, images).
    insert
        Another generator's arteries, in place of `insert_arteries`.

    Returns
    -------
    Path
        ``out/images.csv``.

    Raises
    ------
    BackgroundError
        For backgrounds that cannot be used.
    """
    config = config or PhantomConfig()
    paths = find_backgrounds(backgrounds)
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, image in enumerate(
        _images(paths, images, seed, pitch_mm, config, insert or _insert_of(config))
    ):
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


def _insert_of(config: PhantomConfig) -> Insert:
    return functools.partial(insert_arteries, width_range_mm=config.outer_width_range_mm)


def _images(
    paths: list[Path], images: int, seed: int, pitch_mm: float, config: PhantomConfig, insert: Insert
) -> Iterator[Inserted]:
    low, high = config.mass_range_mg
    for number in range(images):
        path = paths[number % len(paths)]
        rng = np.random.default_rng(seed + number)
        pixels = read_background(path)
        if rng.random() >= config.positive_share:
            yield Inserted(pixels, np.zeros(pixels.shape, dtype=bool), 0.0)
            continue
        # Four views share a woman's calcium; each of her breasts shows half of it.
        mass_mg = 0.5 * float(np.exp(rng.uniform(np.log(low), np.log(high))))
        try:
            yield insert(pixels, pitch_mm, mass_mg, rng)
        except BackgroundError as error:
            raise BackgroundError(f"{path}: {error}") from None
