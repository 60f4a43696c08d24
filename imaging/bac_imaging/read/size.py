"""What an image will cost, from the size that its header names, before anything is done for it."""

from __future__ import annotations

import warnings

from bac_imaging.read.reader import is_dicom

_HEADER_BYTES = 1 << 20  # rows and columns stand near the start
# A file that says of itself more than this is refused, and costs nothing.
_MOST_PIXELS = 1 << 31


BYTES_A_PIXEL = 8
"""What a pixel takes of the memory of a server, between its steps and on the way out: its file, its share of
the signal, of the tiles or of their probabilities, and its density."""


def work_bytes(data: bytes) -> int:
    """Estimate the memory that an image takes of a server while it is under way.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    int
        Bytes; of a file whose header cannot be read, its own size.
    """
    return max(len(data), BYTES_A_PIXEL * (stored_pixels(data) or 0))


def stored_pixels(data: bytes) -> int | None:
    """Read rows times columns from the header of a file.

    Parameters
    ----------
    data : bytes
        The whole file, or its beginning.

    Returns
    -------
    int or None
        None where the header cannot be read; whoever reads the file says why.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows, columns = _dicom_shape(data) if is_dicom(data) else _plain_shape(data)
        pixels = rows * columns
    except Exception:  # pydicom and Pillow raise whatever their parsers stumble over
        return None
    return pixels if 0 < pixels < _MOST_PIXELS else None


def _dicom_shape(data: bytes) -> tuple[int, int]:
    from bac_imaging.read.dataset import parse_header

    dataset = parse_header(data, ["Rows", "Columns"], _HEADER_BYTES).dataset
    return int(dataset.Rows), int(dataset.Columns)


def _plain_shape(data: bytes) -> tuple[int, int]:
    from bac_imaging.read.plain_header import open_image

    image = open_image(data, decode=False)
    if image is None:
        raise ValueError
    return image.height, image.width
