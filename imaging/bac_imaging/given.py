"""An outline that a reader drew or corrected: taken from the options of a request, and weighed as it is."""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from bac_imaging.context import Context
from bac_imaging.grid.working_grid import resample_area
from bac_imaging.mask_bits import pack_mask, unpack_mask
from bac_imaging.report import make_report
from bac_imaging.vessels.demands import PostProcessing
from bac_imaging.vessels.find import Segmentation, find_vessels
from bac_imaging.vessels.probability import Probabilities
from bac_imaging.vessels.stored import StoredVessels
from bac_imaging.weighing import Weighed, weigh
from bac_terms.errors import RefusedError
from bac_terms.notices import Notice
from bac_terms.report import ImageReport

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
_Scalar = TypeVar("_Scalar", bound=np.generic)

_INSIDE = 0.5  # of the outline's area that lies in the breast, at the least
_CUT = 0.02  # of it that lies outside and is worth a word
# What a reader marked is a vessel, however small: no demand is made on a piece.
_AS_GIVEN = PostProcessing(
    outline=0.5, core=0.5, seed=0.5, min_area_mm2=0.0, min_length_mm=0.0, min_elongation=0.0
)


def packed(mask: BoolArray) -> str:
    """Return a mask as text: its bits, compressed, in base 64."""
    return base64.b64encode(zlib.compress(pack_mask(mask).tobytes(), 6)).decode("ascii")


def unpacked(text: str, shape: tuple[int, int]) -> BoolArray:
    """Read what `packed` wrote, of a caller who may have sent anything.

    Raises
    ------
    RefusedError
        BAC-MASK-SIZE: it is no mask of this shape.
    """
    wanted = -(-shape[0] * shape[1] // 8)
    try:
        # No more is inflated than a mask of this shape has.
        inflater = zlib.decompressobj()
        bits = inflater.decompress(base64.b64decode(text, validate=True), wanted + 1)
    except (binascii.Error, ValueError, zlib.error):
        raise RefusedError("BAC-MASK-UNREADABLE") from None
    if len(bits) != wanted:
        raise RefusedError("BAC-MASK-SIZE")
    return unpack_mask(bits, shape)


@dataclass(frozen=True)
class Given:
    """An outline, checked against its image.

    Attributes
    ----------
    stored : ndarray of bool, shape (rows, columns)
        What of it lies in the breast, on the stored matrix.
    segmentation : Segmentation
        Its pieces on the working grid.
    notices : tuple of Notice
        What was cut off.
    """

    stored: BoolArray
    segmentation: Segmentation
    notices: tuple[Notice, ...] = ()


def take(mask: BoolArray, context: Context) -> Given:
    """Take an outline for what shall be weighed.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)
        On the stored matrix.
    context : Context
        Of the image.

    Returns
    -------
    Given

    Raises
    ------
    RefusedError
        BAC-MASK-SIZE, BAC-MASK-EMPTY, BAC-MASK-OFF-BREAST.
    """
    if mask.shape != context.shape:
        found = f"the mask has {mask.shape[0]} x {mask.shape[1]} pixels, the image {context.rows} x "
        raise RefusedError("BAC-MASK-SIZE", f"{found}{context.columns}")
    if not mask.any():
        raise RefusedError("BAC-MASK-EMPTY")
    inside = _at_stored(context.breast_mask, context)
    stored = mask & inside
    share = float(stored.sum()) / float(mask.sum())
    if share < _INSIDE:
        raise RefusedError("BAC-MASK-OFF-BREAST")
    covered = resample_area(stored, context.grid) * context.breast_mask
    found_vessels = find_vessels(covered.astype(np.float32), context.working_spacing_mm, _AS_GIVEN)
    if not found_vessels.lengths_mm:
        raise RefusedError("BAC-MASK-EMPTY", "the mask is nowhere as wide as half of 0.1 mm")
    pixel = float(np.sqrt(np.prod(context.working_spacing_mm)))
    lengths = tuple(max(length, pixel) for length in found_vessels.lengths_mm)
    notices = (Notice.of("BAC-W-MASK-CUT"),) if share < 1.0 - _CUT else ()
    return Given(stored, replace(found_vessels, lengths_mm=lengths), notices)


def _at_stored(working: npt.NDArray[_Scalar], context: Context) -> npt.NDArray[_Scalar]:
    """Look up, for each pixel of the stored matrix, the working pixel that it lies in."""
    rows, columns = (
        (np.arange(n) * m + m // 2) // n for n, m in zip(context.shape, context.grid, strict=True)
    )
    stored: npt.NDArray[_Scalar] = working[np.ix_(rows, columns)]
    return stored


def weigh_given(
    given: Given,
    probability: FloatArray,
    signal: FloatArray,
    context: Context,
    *,
    with_density: bool = True,
) -> tuple[Weighed, StoredVessels]:
    """Weigh an outline as it was given.

    Parameters
    ----------
    given : Given
        From `take`.
    probability, signal : ndarray of float32, shape (h, w)
        Of the network, and from `prepare`: what else looks calcified is kept out of the background.
    context : Context
        Of the image.
    with_density : bool, optional
        As of `bac_imaging.weighing.weigh`.

    Returns
    -------
    Weighed
        As `bac_imaging.weighing.weigh` gives it.
    StoredVessels
        Number of the piece, from 1, of each stored pixel.
    """
    marked = np.maximum(probability, given.segmentation.mask.astype(np.float32))
    weighed = weigh(given.segmentation, marked, signal, context, with_density=with_density)
    zones = _at_stored(weighed.segmentation.zones, context)
    labels = np.where(given.stored, zones, 0).astype(np.int32)
    return weighed, StoredVessels(labels, (slice(0, context.rows), slice(0, context.columns)))


def report_given(
    given: Given, weighed: Weighed, stored: StoredVessels, certainty: Probabilities, context: Context
) -> ImageReport:
    """Write the report of an image whose outline was given, and say so in it.

    Parameters
    ----------
    given, weighed, stored
        From `take` and `weigh_given`.
    certainty : Probabilities
        What the network says of the image; its word on each vessel is not used.
    context : Context
        Of the image.

    Returns
    -------
    ImageReport
    """
    lengths = weighed.segmentation.lengths_mm
    own = replace(certainty, vessels=(0.0,) * len(lengths), point=0.0)
    mass = replace(weighed.mass, notices=(*given.notices, *weighed.mass.notices))
    # An estimate from the area is fitted to areas as the network draws them.
    written = make_report(context, stored, lengths, own, mass)
    vessels = tuple(replace(vessel, probability=None) for vessel in written.vessels)
    return replace(written, vessels=vessels, outline_source="given")
