"""The earlier exam that stands beside this one in a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bacctl.results import ExamResult, ImageResult


def read_prior(path: Path) -> ExamResult:
    """Read a saved exam, and of whom its images are where they still lie where they lay.

    A document names no patient. Without its images it cannot be told whether both exams are of one woman, and
    the comparison warns of that (``BAC-W-COMPARE-UNCHECKED``).

    Parameters
    ----------
    path : Path
        Document of one exam.

    Returns
    -------
    ExamResult

    Raises
    ------
    RefusedError
        BAC-COMPARE-EXAM: it is no document of one exam.
    """
    from bacctl.results.saved import read_saved_exam

    exam = read_saved_exam(path)
    return replace(exam, images=tuple(_with_origin(image) for image in exam.images))


def _with_origin(image: ImageResult) -> ImageResult:
    from bac_imaging.read.attributes.header import Header
    from bac_imaging.read.dataset import parse_header
    from bacctl._discreet import discreet
    from bacctl._origin import read_origin

    if image.path is None or image.sop_instance_uid is None:
        return image
    try:
        with discreet():
            header = Header(parse_header(image.path.read_bytes()).dataset)
            if header.identifier("SOPInstanceUID") != image.sop_instance_uid:
                return image
            return replace(image, origin=read_origin(header))
    except Exception:  # the file is gone, or is none any more: the document is all there is
        return image
