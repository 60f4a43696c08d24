"""The images that are sent: phantoms by seed, made once, or a folder of one's own."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError

from bac_imaging.files import write_whole
from bac_phantom import PhantomConfig, make_woman
from bacctl.bench.errors import BenchError

SEED = 630_000
VIEWS_A_WOMAN = 4
# One detector, so that views differ by the breast alone; 2394 x 1800 pixels of 0.1 mm, as many systems have.
_CONFIG = PhantomConfig(look="raw", detectors=("csi-100",))


def phantom_views(folder: Path, count: int) -> list[Path]:
    """Return so many raw phantom views; what is there already is not made again.

    Parameters
    ----------
    folder : Path
        Where they are kept.
    count : int
        How many.

    Returns
    -------
    list of Path
        The first of them are the same whatever the count.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    for woman in range(-(-count // VIEWS_A_WOMAN)):
        paths = [folder / f"{SEED + woman}-{number}.dcm" for number in range(VIEWS_A_WOMAN)]
        if not all(path.exists() for path in paths):
            for path, view in zip(paths, make_woman(SEED + woman, _CONFIG).views, strict=True):
                write_whole(path, view.encode())
        made += paths
    return made[:count]


def on_larger_detector(path: Path, factor: float) -> bytes:
    """Put an image onto a detector of so many times the area, with air where it was not.

    The breast stays as it is. The matrix grows away from the breast's wall and to both sides of it, by
    repeating the outermost pixels.

    Raises
    ------
    BenchError
        It is no DICOM file, or compressed.
    """
    try:
        dataset = pydicom.dcmread(path)
        compressed = dataset.file_meta.TransferSyntaxUID.is_compressed
    except (InvalidDicomError, AttributeError):
        raise BenchError(f"{path}: is no DICOM file, and cannot be enlarged") from None
    if compressed:
        raise BenchError(f"{path}: is compressed, and cannot be enlarged")
    pixels = dataset.pixel_array
    rows, columns = (round(size * (factor**0.5 - 1.0)) for size in pixels.shape)
    away = (columns, 0) if dataset.get("ImageLaterality") == "R" else (0, columns)
    larger = np.pad(pixels, ((rows // 2, rows - rows // 2), away), mode="edge")
    dataset.Rows, dataset.Columns = larger.shape
    dataset.PixelData = larger.tobytes()
    stream = io.BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


def repeated(paths: Sequence[Path], count: int) -> list[Path]:
    """Return so many paths, taken in turn."""
    return [paths[number % len(paths)] for number in range(count)]
