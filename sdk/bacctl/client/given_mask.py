"""An outline that a reader drew: from a DICOM SEG, a PNG or an array to what is sent with the image."""

from __future__ import annotations

import io
from os import PathLike
from typing import TYPE_CHECKING, Any

from bac_terms.errors import RefusedError
from bacctl._discreet import discreet
from bacctl.client.payload import read_source

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from pydicom.dataset import Dataset

    Outline = str | PathLike[str] | bytes | npt.NDArray[np.bool_]

# Segmentation Storage and Label Map Segmentation Storage, by number: pydicom is not imported yet.
_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_MOST_PIXELS = 1 << 29  # of all frames of a segmentation
_GREY = ("1", "L", "I", "I;16")


def outline_option(mask: Outline, image: bytes) -> dict[str, Any]:
    """Return an outline as the option ``mask`` of a request.

    Parameters
    ----------
    mask : path, bytes or ndarray of bool, shape (rows, columns)
        A DICOM SEG of the image, of which all segments are taken together; a PNG of one channel, 0 outside;
        or the mask itself.
    image : bytes
        The image's file, to see that the segmentation is of it.

    Returns
    -------
    dict
        ``rows``, ``columns`` and ``bits``.

    Raises
    ------
    RefusedError
        BAC-MASK-UNREADABLE, BAC-MASK-OTHER-IMAGE, BAC-MASK-EMPTY.
    FailedError
        BAC-FILE-UNREADABLE: the file cannot be read.
    """
    import numpy as np

    from bac_imaging.given import packed
    from bac_imaging.read.reader import is_dicom

    if isinstance(mask, np.ndarray):
        drawn = mask
        if drawn.ndim != 2 or drawn.dtype != bool:
            raise RefusedError("BAC-MASK-UNREADABLE", "the array is not of bool and of two dimensions")
    else:
        data = read_source(mask)
        drawn = _from_seg(data, image) if is_dicom(data) else _from_picture(data)
    if not drawn.any():
        raise RefusedError("BAC-MASK-EMPTY")
    return {"rows": int(drawn.shape[0]), "columns": int(drawn.shape[1]), "bits": packed(drawn)}


def _from_picture(data: bytes) -> npt.NDArray[np.bool_]:
    import numpy as np
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            if picture.mode not in _GREY:
                raise RefusedError("BAC-MASK-UNREADABLE", "the PNG has colours, a palette or transparency")
            drawn: npt.NDArray[np.bool_] = np.asarray(picture) != 0
            return drawn
    except RefusedError:
        raise
    except Exception:  # Pillow raises many kinds for what is damaged or no PNG
        raise RefusedError("BAC-MASK-UNREADABLE") from None


def _from_seg(data: bytes, image: bytes) -> npt.NDArray[np.bool_]:
    """Take the frames of a segmentation that name the image, all segments together."""
    import numpy as np

    from bac_imaging.read.dataset import parse

    uid = _uid_of(image)
    with discreet():
        try:
            seg = parse(data)
            known = str(seg.get("SOPClassUID", "")) in _SEGMENTATIONS
        except Exception:
            known = False
        if not known:
            raise RefusedError("BAC-MASK-UNREADABLE", "the DICOM object is no segmentation")
        try:
            named = _named_by(seg)
            if int(seg.Rows) * int(seg.Columns) * int(seg.get("NumberOfFrames", 1)) > _MOST_PIXELS:
                raise ValueError("more pixels than frames of a mammogram have")
            frames = seg.pixel_array
            frames = frames[np.newaxis] if frames.ndim == 2 else frames
            of_frames = _of_frames(seg, len(frames), named)
        except Exception:  # whatever a damaged object makes of it
            raise RefusedError("BAC-MASK-UNREADABLE") from None
        if uid is None or uid not in named.union(*of_frames):
            raise RefusedError("BAC-MASK-OTHER-IMAGE")
        floor = 0
        if str(seg.get("SegmentationType", "")) == "FRACTIONAL":
            floor = int(seg.get("MaximumFractionalValue", 255)) // 2
        own = [frame > floor for frame, uids in zip(frames, of_frames, strict=True) if uid in uids]
    if not own:
        raise RefusedError("BAC-MASK-OTHER-IMAGE")
    return np.asarray(np.any(own, axis=0))


def _uid_of(image: bytes) -> str | None:
    from bac_imaging.read.dataset import parse_header

    with discreet():
        try:
            head = parse_header(image, ["SOPInstanceUID"]).dataset
            return str(head.get("SOPInstanceUID", "")) or None
        except Exception:  # no DICOM file: no segmentation can be of it
            return None


def _named_by(seg: Dataset) -> set[str]:
    """Return the images that a segmentation refers to as a whole."""
    return {
        str(item.ReferencedSOPInstanceUID)
        for series in seg.get("ReferencedSeriesSequence", [])
        for item in series.get("ReferencedInstanceSequence", [])
    }


def _of_frames(seg: Dataset, count: int, named: set[str]) -> list[set[str]]:
    """Return the images that each frame was drawn on; those of the whole where a frame does not say."""
    groups = list(seg.get("PerFrameFunctionalGroupsSequence", []))
    shared = [_sources(item) for item in seg.get("SharedFunctionalGroupsSequence", [])]
    common = set().union(*shared) or named
    own = [_sources(group) or common for group in groups[:count]]
    return own + [common] * (count - len(own))


def _sources(group: Dataset) -> set[str]:
    return {
        str(source.ReferencedSOPInstanceUID)
        for derivation in group.get("DerivationImageSequence", [])
        for source in derivation.get("SourceImageSequence", [])
    }
