"""Real images without BAC, shown as other systems would have processed them, some with arteries put in.

``python -m bac_training.variants CACHE FOLDER --variants 6`` prepares renderings of each negative image of a
folder of labelled images (`bac_training.data.labelled`). They differ in tone, sharpness, rim, scale,
side and bits, for there are few real images and many ways to process one. Part of them get calcified
arteries, so that neither a look nor a real background stands for "no BAC". With ``--folds`` and
``--leave-out`` the images of a fold are kept for judging.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from bac_training.cache import build
from bac_training.data.digital import as_presentation
from bac_training.data.folds import read_folds
from bac_training.data.labelled import LabelledImage, read_labelled
from bac_training.data.sources import BoolArray, Sample
from bac_training.errors import TrainingError

__all__ = ["VariantSource", "process_again", "visible"]

FloatArray = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

_SCALE = 0.15  # logarithm of the factor by which the spacing is changed, at most
_MASS_RANGE_MG = (1.0, 40.0)
_GAIN_RANGE = (1.0, 2.2)  # digital systems show calcium in more contrast than the film it is put in as
_LEAST_VISIBLE = 1.5  # local standard deviations by which a piece must stand out of its tissue
_WALLS = 0.75  # quantile over the piece: most of a tram-track is lumen
_TISSUE_MM = 1.0  # what varies over more is no noise that hides a wall
_AROUND_MM = 4.0
_TOGETHER_PX = 5  # gaps that do not part a piece
_BLACK = 2 / 255
_COARSE_PX = 8  # a Gaussian wider than this is computed on a coarse grid
_DETAILS = ((0.15, 1.2), (0.4, 1.0), (1.2, 0.8), (3.0, 0.6))  # mm; greatest gain


@dataclass(frozen=True)
class VariantSource:
    """Renderings of real images.

    Parameters
    ----------
    folder : Path
        Where the images lie.
    images : sequence of LabelledImage
        Images without BAC, each with its spacing.
    variants : int
        Renderings of each; the first is the image as it is.
    inserted : float
        Part of the other renderings that get arteries.
    seed : int, default 0
        Of everything that is drawn.
    """

    folder: Path
    images: Sequence[LabelledImage]
    variants: int
    inserted: float
    seed: int = 0

    def describe(self) -> dict[str, Any]:
        """Return how many images there are, which, by a digest of their names, and how they are varied."""
        names = "\n".join(sorted(Path(image.view.path).name for image in self.images))
        return {
            "kind": "variants of real images",
            "images": len(self.images),
            "names_sha256": hashlib.sha256(names.encode()).hexdigest(),
            "variants": self.variants,
            "inserted": self.inserted,
            "seed": self.seed,
        }

    def units(self) -> Sequence[str]:
        """Return one unit a rendering."""
        return [
            f"{number}-{variant}" for number in range(len(self.images)) for variant in range(self.variants)
        ]

    def load(self, unit: str) -> Iterator[Sample]:
        """Make one rendering."""
        number, variant = (int(part) for part in unit.split("-"))
        image = self.images[number]
        spacing = image.view.spacing_mm
        if spacing is None:
            raise TrainingError(f"{image.view.path}: has no pixel_spacing_mm; add it to the list")
        pixels = _read(self.folder / image.view.path)
        mask: BoolArray = np.zeros(pixels.shape, dtype=np.bool_)
        if variant:
            rng = np.random.default_rng([self.seed, number, variant])
            factor = float(np.exp(rng.uniform(-_SCALE, _SCALE)))
            spacing = (spacing[0] * factor, spacing[1] * factor)
            if rng.random() < self.inserted:
                pixels, mask = _insert(pixels, spacing[0], rng)
            brightness = pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
            pixels = _stored(process_again(brightness, spacing[0], rng), rng)
            if rng.random() < 0.5:
                pixels, mask = pixels[:, ::-1], mask[:, ::-1]
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", compress_level=1)
        name = f"{Path(image.view.path).stem}-v{variant}"
        if image.group == "digital":
            # A mirrored view is one of the other side.
            view = replace(image.view, spacing_mm=spacing, laterality=None)
            yield Sample(name, as_presentation(file.getvalue(), view), None, mask)
        else:
            yield Sample(name, file.getvalue(), {"pixel_spacing_mm": list(spacing)}, mask)


def process_again(brightness: FloatArray, spacing_mm: float, rng: np.random.Generator) -> FloatArray:
    """Process a display image once more, as another system might have.

    Parameters
    ----------
    brightness : ndarray of float32, shape (rows, columns)
        0 to 1, white attenuates.
    spacing_mm : float
        Pixel spacing.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        Brightness, 0 to 1; black stays as it is.
    """
    shown = brightness > np.float32(_BLACK)
    if not shown.any():
        return brightness
    result = brightness
    if rng.random() < 0.6:
        # Peripheral equalisation: what the breast's fall to the skin takes away is given back, and more.
        slow = _smooth(result, shown, rng.uniform(2.0, 9.0) / spacing_mm)
        typical = (
            np.float32(np.median(slow[::8, ::8][shown[::8, ::8]])) if shown[::8, ::8].any() else np.float32(0)
        )
        result = result + np.float32(rng.uniform(0.2, 1.1)) * np.clip(typical - slow, 0, None) * shown
    # Detail, from a wall's width to a vessel's. Overshoots at the skin line are wanted.
    for width_mm, most in _DETAILS:
        if rng.random() < 0.5:
            smooth = _smooth(result, shown, width_mm * rng.uniform(0.7, 1.4) / spacing_mm)
            result = result + np.float32(rng.uniform(-0.3, most)) * (result - smooth)
    if rng.random() < 0.3:
        result = ndimage.gaussian_filter(result, rng.uniform(0.04, 0.14) / spacing_mm, truncate=3.0)
    result = np.clip(result, 0, None)
    top = max(float(np.quantile(result[::8, ::8], 0.999)), 1e-3) * rng.uniform(0.95, 1.3)
    result = np.clip(result / np.float32(top), 0, 1) ** np.float32(np.exp(rng.uniform(-0.45, 0.45)))
    if rng.random() < 0.5:
        result = _sigmoid(result, rng.uniform(2.0, 7.0), rng.uniform(0.3, 0.65))
    if rng.random() < 0.5:
        noise = rng.standard_normal(result.shape, dtype=np.float32)
        result = result + np.float32(rng.uniform(0.002, 0.02)) * noise
    return np.asarray(np.where(shown, np.clip(result, 0.004, 1), brightness), dtype=np.float32)


def _smooth(image: FloatArray, shown: BoolArray, sigma_px: float) -> FloatArray:
    from bac_phantom.looks.enhance import masked_mean

    if sigma_px > _COARSE_PX:
        return masked_mean(image, shown, sigma_px)
    return np.asarray(ndimage.gaussian_filter(image, sigma_px, truncate=3.0), dtype=np.float32)


def _sigmoid(image: FloatArray, slope: float, middle: float) -> FloatArray:
    low, high = 1 / (1 + np.exp(slope * middle)), 1 / (1 + np.exp(-slope * (1 - middle)))
    curve = 1 / (1 + np.exp(np.float32(-slope) * (image - np.float32(middle))))
    return np.asarray((curve - np.float32(low)) / np.float32(high - low), dtype=np.float32)


def _stored(brightness: FloatArray, rng: np.random.Generator) -> Pixels:
    """Store with 12 or 8 bits, the latter in part by way of a JPEG file."""
    if rng.random() < 0.5:
        return np.rint(brightness * np.float32(4095)).astype(np.uint16)
    pixels = np.rint(brightness * np.float32(255)).astype(np.uint8)
    if rng.random() < 0.5:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=int(rng.integers(70, 97)))
        with Image.open(file) as copy:
            pixels = np.asarray(copy)
    return pixels


def _insert(pixels: Pixels, spacing_mm: float, rng: np.random.Generator) -> tuple[Pixels, BoolArray]:
    from bac_backgrounds import BackgroundError, insert
    from bac_phantom import inserted as phantom
    from bac_randfield import inserted as randfield

    low, high = np.log(_MASS_RANGE_MG)
    mass_mg = float(np.exp(rng.uniform(low, high)))
    # By turns from both generators, whose arteries look nothing alike.
    draw = phantom.draw_arteries if rng.random() < 0.5 else randfield.draw_arteries
    try:
        made = insert(pixels, spacing_mm, mass_mg, rng, draw)
    except BackgroundError:
        # A small breast has no room for the artery that was drawn.
        return pixels, np.zeros(pixels.shape, dtype=np.bool_)
    before = pixels.astype(np.float32)
    added = np.float32(rng.uniform(*_GAIN_RANGE)) * (made.pixels - before)
    mask = visible(added, before, made.mask, spacing_mm)
    # What cannot be seen is taken out of both, for it would teach that a faint tube is BAC.
    near = ndimage.binary_dilation(mask, iterations=_TOGETHER_PX)
    limited = np.rint(np.clip(before + np.where(near, added, 0), 0, np.iinfo(pixels.dtype).max))
    return (limited.astype(np.uint8) if pixels.dtype == np.uint8 else limited.astype(np.uint16)), mask


def visible(added: FloatArray, before: FloatArray, mask: BoolArray, spacing_mm: float) -> BoolArray:
    """Return the pieces of a mask that stand out of their tissue over a quarter of their area.

    That is, whose upper quartile of what is `added` to the pixels `before` is 1.5 or more standard deviations
    of the detail around them (what varies within 1 mm, over 4 mm).
    """
    detail = before - ndimage.gaussian_filter(before, _TISSUE_MM / spacing_mm, truncate=3.0)
    side = max(int(_AROUND_MM / spacing_mm), 3)
    spread = np.sqrt(np.maximum(ndimage.uniform_filter(detail * detail, side), 1.0))
    pieces, count = ndimage.label(ndimage.binary_dilation(mask, iterations=_TOGETHER_PX), np.ones((3, 3)))
    seen = np.zeros(count + 1, dtype=np.bool_)
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        inside = mask[box] & (pieces[box] == number)
        seen[number] = float(np.quantile(added[box][inside] / spread[box][inside], _WALLS)) >= _LEAST_VISIBLE
    return np.asarray(mask & seen[pieces], dtype=np.bool_)


def _read(path: Path) -> Pixels:
    from bac_backgrounds import BackgroundError, read_background

    try:
        return read_background(path)
    except BackgroundError as error:
        raise TrainingError(str(error)) from None


def _negatives(options: argparse.Namespace) -> list[LabelledImage]:
    images: Sequence[LabelledImage] = read_labelled(options.folder, options.labels).images
    folds: dict[str, str] = {}
    if options.folds is not None:
        folds, images = read_folds(options.folds, images)
        if options.leave_out not in folds.values():
            raise TrainingError(f"{options.folds} has no fold {options.leave_out}; give one of its folds")
    chosen = [
        image
        for image in images
        if image.label == "negative"
        and options.kind in (None, image.group)
        and (not folds or folds[image.view.path] != options.leave_out)
    ]
    if not chosen:
        raise TrainingError(f"{options.folder}: no image without BAC is left; look at its labels and folds")
    return chosen


def _main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bac_training.variants", description=__doc__.splitlines()[0]
    )
    parser.add_argument("cache", type=Path)
    parser.add_argument("folder", type=Path, help="labelled images")
    parser.add_argument("--labels", type=Path, help="corrected readings, as bacctl evaluate takes them")
    parser.add_argument("--kind", choices=("digital", "film", "simulated", "other"), help="only such images")
    parser.add_argument("--variants", type=int, default=6, help="renderings of each image (6)")
    parser.add_argument("--inserted", type=float, default=0.4, help="part of them with arteries put in (0.4)")
    parser.add_argument("--folds", type=Path, help="table of folds, as bacctl evaluate takes it")
    parser.add_argument("--leave-out", metavar="FOLD", help="fold to keep for judging")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if (options.folds is None) != (options.leave_out is None):
        parser.error("--folds and --leave-out: give both or none")
    if options.variants < 1 or not 0 <= options.inserted <= 1:
        parser.error("--variants is at least 1, --inserted from 0 to 1")

    def progress(done: int, total: int) -> None:
        if done == total or done % 20 == 0:
            print(f"{done}/{total} renderings", file=sys.stderr, flush=True)

    try:
        source = VariantSource(
            options.folder, _negatives(options), options.variants, options.inserted, options.seed
        )
        build(source, options.cache, progress=progress)
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
