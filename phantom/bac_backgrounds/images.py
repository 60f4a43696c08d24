"""The images: found in a folder, read, and searched for the breast."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from scipy import ndimage

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")


class BackgroundError(ValueError):
    """A background that cannot be used; the message names it and says what to do."""


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


def read_background(path: Path) -> Pixels:
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


def find_breast(brightness: FloatArray, pitch_mm: float) -> BoolArray:
    """Find the largest bright region away from white borders, roughly: arteries stay well inside it.

    `brightness` is 0 to 1, white attenuates.

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
