"""PNG, TIFF and JPEG files: digitised films and research sets."""

from __future__ import annotations

import warnings
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from bac_imaging.read.attributes.acceptance import check_dimensions
from bac_imaging.read.attributes.geometry import given_geometry
from bac_imaging.read.attributes.spacing import Spacing
from bac_imaging.read.mammogram import Mammogram
from bac_imaging.read.pixels.check_sums import check_png, check_tiff
from bac_imaging.read.pixels.intensity import Intensity, upright, with_clipping
from bac_imaging.read.pixels.native_stderr import native_stderr
from bac_imaging.read.pixels.streams.jpeg import check_jpeg
from bac_imaging.read.plain_header import PHOTOMETRIC, open_image
from bac_terms.errors import FailedError, RefusedError
from bac_terms.notices import Notice

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
_Scalar = TypeVar("_Scalar", bound=np.generic)

_WITH_ALPHA = ("LA", "RGBA")
_JPEG_ROUNDING = 2
"""Difference of channels up to which a JPEG counts as grey: its colour conversion rounds."""
_ORIENTATION, _MIN_IS_WHITE = 274, 0


def read_plain(data: bytes, given: Spacing | None) -> Mammogram:
    """Read a plain image that holds one mammogram, calcium bright; an inverted one is turned round.

    Resolution tags are not believed (they say 72 dpi of everything): the caller gives the spacing. A tag
    that asks for turning the image is not followed: results lie on the pixels as stored.

    Parameters
    ----------
    data : bytes
        The whole file.
    given : (float, float) or None
        Spacing at the film or detector, (between rows, between columns), in mm.

    Returns
    -------
    Mammogram
        Signal and geometry; nothing else is known.

    Raises
    ------
    RefusedError
        If the file can never be measured as it is.
    FailedError
        If it could not be decoded here.
    """
    # What no spacing can mend is told first: nobody should look one up for a photograph.
    grey, opaque, is_lossy = read_grey(data)
    geometry, notices = given_geometry(given, *grey.shape)
    signal, valid = _scaled(grey, opaque)
    signal, turned = upright(signal, valid)
    intensity = with_clipping(Intensity(signal, valid, False, (*notices, *turned)))
    return Mammogram(
        signal=intensity.signal,
        valid=intensity.valid,
        signal_kind="display",
        exposure_scale_known=False,
        presentation_intent=None,
        geometry=geometry,
        beam=None,
        sop_instance_uid=None,
        study_instance_uid=None,
        laterality=None,
        view=None,
        warnings=(*intensity.notices, *((Notice.of("BAC-W-LOSSY"),) if is_lossy else ())),
    )


def read_grey(data: bytes) -> tuple[FloatArray, BoolArray, bool]:
    """Decode a plain image.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    numpy.ndarray
        float32, (rows, columns), grey values as stored, larger = brighter.
    numpy.ndarray
        bool, (rows, columns), False on transparent pixels.
    bool
        Whether the file was compressed with loss.

    Raises
    ------
    RefusedError
        If it is no grey image of a size that a mammogram can have.
    FailedError
        If it could not be decoded here.
    """
    with warnings.catch_warnings():
        # Pillow warns of images that are larger than photographs; sizes are checked here.
        warnings.simplefilter("ignore")
        image = open_image(data)
        check_dimensions(image.height, image.width)
        _check(data, image)
        is_lossy = image.format == "JPEG" or "jpeg" in str(image.info.get("compression"))
        return *_pixels(image), is_lossy


def _check(data: bytes, image: Image.Image) -> None:
    """See whether a file is damaged in a way that Pillow passes over."""
    if image.format == "PNG":
        check_png(data)
    elif image.format == "JPEG":
        check_jpeg(data)
    elif image.format == "TIFF":
        check_tiff(data, image)


def _turn(image: Image.Image) -> int:
    """Give the orientation that Pillow applies by itself when it loads a TIFF, 1 where it applies none."""
    tags = getattr(image, "tag_v2", None)
    orientation = tags.get(_ORIENTATION, 1) if tags is not None else 1
    return orientation if orientation in range(1, 9) else 1


def _pixels(image: Image.Image) -> tuple[FloatArray, BoolArray]:
    """Decode to grey values in the stored matrix and a mask of opaque pixels."""
    turn = _turn(image)
    tags = getattr(image, "tag_v2", {})
    # Pillow inverts 8-bit images of this kind itself.
    inverted = image.mode.startswith(("I", "F")) and tags.get(PHOTOMETRIC) == _MIN_IS_WHITE
    try:
        _load(image)
    except FailedError:
        raise
    except OSError as error:
        if "truncated" in str(error) or "end of file" in str(error):
            raise RefusedError("BAC-FILE-TRUNCATED") from None
        raise FailedError("BAC-DECODE-FAILED") from None
    except MemoryError:
        raise
    except Exception:  # damaged streams
        raise FailedError("BAC-DECODE-FAILED") from None
    tolerance = _JPEG_ROUNDING if image.format == "JPEG" else 0
    if image.mode in ("P", "PA"):
        has_alpha = image.mode == "PA" or "transparency" in image.info
        image = image.convert("RGBA" if has_alpha else "RGB")
    elif image.mode == "YCbCr":
        image = image.convert("RGB")
    array = np.asarray(image)
    opaque = np.ones(array.shape[:2], dtype=np.bool_)
    if image.mode in _WITH_ALPHA:
        opaque, array = array[..., -1] > 0, array[..., :-1]
    if array.ndim == 3:
        spread = array.max(axis=2).astype(np.int16) - array.min(axis=2)
        if spread[opaque].max(initial=0) > tolerance:
            raise RefusedError("BAC-COLOUR")
        array = array[..., array.shape[2] // 2]
    grey = _unturned(array, turn).astype(np.float32)
    return (-grey if inverted else grey), _unturned(opaque, turn)


def _load(image: Image.Image) -> None:
    if image.format != "TIFF":
        image.load()
        return
    with native_stderr() as messages:
        image.load()
        messages.seek(0)
        # libtiff fills up what a strip lacks and only prints a line.
        if b"Decode" in messages.read():
            raise FailedError("BAC-DECODE-FAILED", "the compressed pixels are damaged")


def _unturned(array: npt.NDArray[_Scalar], turn: int) -> npt.NDArray[_Scalar]:
    if turn in (2, 3):
        array = array[:, ::-1]
    if turn in (3, 4):
        array = array[::-1]
    if turn == 5:
        array = array.T
    if turn == 6:
        array = np.rot90(array)
    if turn == 7:
        array = array.T[::-1, ::-1]
    if turn == 8:
        array = np.rot90(array, -1)
    return array


def _scaled(grey: FloatArray, opaque: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Bring grey values to 0 to 1 over the valid ones."""
    valid = opaque & np.isfinite(grey)
    seen = grey[valid]
    if seen.size == 0 or seen.min() == seen.max():
        raise RefusedError("BAC-PIXELS-CONSTANT")
    low, high = seen.min(), seen.max()
    return np.where(valid, (grey - low) / (high - low), np.float32(0)).astype(np.float32), valid
