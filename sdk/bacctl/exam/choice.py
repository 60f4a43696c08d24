"""Which images count for a view, and which are one image that came twice; see ``docs/exam.md``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bac_terms.identifiers import is_uid
from bac_terms.measured import Laterality, MassBasis
from bac_terms.notices import Notice
from bacctl._origin import latest, taken_after
from bacctl.results.exam import SIDES, VIEWS
from bacctl.results.image import ImageResult

STRENGTH: dict[MassBasis, int] = {"calibrated": 2, "estimated": 1, "none": 0}
_REPEATED = "BAC-W-UID-REPEATED"
# What one image may differ by that two servers measured: the last digits depend on the processor.
_NOISE = 1e-3


@dataclass(frozen=True)
class Choice:
    """What counts for one view.

    Attributes
    ----------
    counted : list of ImageResult
        One image, or several of which none is known to be the latest.
    equals : list of ImageResult
        All of equal standing, of which these are.
    superseded : bool
        Whether one of a weaker basis was taken later.
    """

    counted: list[ImageResult]
    equals: list[ImageResult]
    superseded: bool

    @property
    def tied(self) -> bool:
        """Whether something says that all of equal standing are of one woman's exam.

        A study's UID is made once in the world; what else stands in its place may not be. Without one it
        takes the patient's identifier, and no word of another study.
        """
        studies = {study_of(image) for image in self.equals}
        if len(self.equals) < 2 or (len(studies) == 1 and is_uid(self.equals[0].study_instance_uid or "")):
            return True
        patients = {None if image.origin is None else image.origin.patient for image in self.equals}
        return len(studies - {None}) < 2 and len(patients) == 1 and None not in patients


def study_of(image: ImageResult) -> str | bytes | None:
    """Return what stands for the study's UID in a header: the text, or a digest of what is not shown."""
    if image.study_instance_uid is not None or image.origin is None:
        return image.study_instance_uid
    return image.origin.study


def view_of(image: ImageResult) -> str | None:
    """Return side and view of an image that counts for a sum, such as "LCC"; None for all others."""
    whole = not warns(image, "BAC-W-PARTIAL-VIEW")
    counts = image.status == "ok" and image.laterality in SIDES and image.view in VIEWS and whole
    return f"{image.laterality}{image.view}" if counts else None


def choose(images: Sequence[ImageResult], side: Laterality, view: str) -> Choice:
    """Choose what counts for one view of one breast.

    Parameters
    ----------
    images : sequence of ImageResult
        All of the exam, in any order.
    side : {"L", "R"}
        Which breast.
    view : {"CC", "MLO"}
        Which view.

    Returns
    -------
    Choice
    """
    fitting = distinct([image for image in images if view_of(image) == side + view])
    best = max(map(_rank, fitting), default=None)
    equals = [image for image in fitting if _rank(image) == best]
    counted = [equals[place] for place in latest([image.origin for image in equals])]
    # An implant is imaged twice on purpose, once displaced: such a pair is no repetition.
    weaker = [image for image in fitting if _rank(image)[0] < _rank(counted[0])[0]] if counted else []
    later = [image for image in weaker if _rank(image)[1] == _rank(counted[0])[1]]
    superseded = any(taken_after(image.origin, [each.origin for each in counted]) for image in later)
    return Choice(counted, equals, superseded)


def distinct(images: Sequence[ImageResult]) -> list[ImageResult]:
    """Leave out all copies of an image but the first.

    Parameters
    ----------
    images : sequence of ImageResult
        With status "ok".

    Returns
    -------
    list of ImageResult
        Of images that share an identifier, those that are known to have other pixels, or were measured
        otherwise, are images of their own.
    """
    kept: dict[object, list[ImageResult]] = {}
    for number, image in enumerate(images):
        pixels = None if image.origin is None else image.origin.pixels
        same = kept.setdefault(image.sop_instance_uid or pixels or number, [])
        if not any(_is_copy(image, other) for other in same):
            same.append(image)
    return [image for same in kept.values() for image in same]


def with_repeated_uids(images: Sequence[ImageResult]) -> list[ImageResult]:
    """Add a warning to each image whose SOP Instance UID is also that of an image of other content.

    Parameters
    ----------
    images : sequence of ImageResult
        Of any number of exams. May have the warning already.

    Returns
    -------
    list of ImageResult
        In the same order.
    """
    by_uid: dict[str, list[ImageResult]] = {}
    for image in images:
        if image.status == "ok" and image.sop_instance_uid is not None:
            by_uid.setdefault(image.sop_instance_uid, []).append(image)
    repeated = {uid for uid, same in by_uid.items() if len(same) > 1 and len(distinct(same)) > 1}
    notice = Notice.of(_REPEATED)
    return [
        replace(image, warnings=(*image.warnings, notice))
        if image.status == "ok" and image.sop_instance_uid in repeated and not warns(image, _REPEATED)
        else image
        for image in images
    ]


def warns(image: ImageResult, code: str) -> bool:
    """Tell whether an image carries a warning."""
    return any(notice.code == code for notice in image.warnings)


def _rank(image: ImageResult) -> tuple[int, bool]:
    return STRENGTH[image.mass_basis], not warns(image, "BAC-W-IMPLANT")


def _is_copy(one: ImageResult, other: ImageResult) -> bool:
    (encoding, pixels), (other_encoding, other_pixels) = (
        (None, None) if image.origin is None else image.origin.pixels or (None, None)
        for image in (one, other)
    )
    # Of pixels in two encodings the digests say nothing: a copy may have been compressed on its way.
    if encoding is not None and encoding == other_encoding and pixels != other_pixels:
        return False
    measured = [
        (image.laterality, image.view, image.rows, image.columns, image.mass_basis, _codes(image))
        for image in (one, other)
    ]
    amounts = (
        (image.calcium_mass_mg, image.area_mm2, image.length_mm, image.bac_probability)
        for image in (one, other)
    )
    return measured[0] == measured[1] and all(_close(*pair) for pair in zip(*amounts, strict=True))


def _codes(image: ImageResult) -> set[str]:
    return {notice.code for notice in image.warnings} - {_REPEATED}


def _close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=_NOISE, abs_tol=_NOISE)
