"""An exam read back from the document that ``bacctl analyze --json`` printed or ``--save json`` wrote.

A document may have been edited or damaged on its way, and what is read goes into verdicts and outputs:
nothing is taken that ``schema/analysis-1.json`` would not allow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bac_terms.errors import RefusedError
from bac_terms.json_text import parse_json
from bacctl.results import SCHEMA
from bacctl.results.exam import ExamResult
from bacctl.results.image import ImageResult


def read_saved_exam(path: Path) -> ExamResult:
    """Read the one exam of a saved document.

    Parameters
    ----------
    path : Path
        The document.

    Returns
    -------
    ExamResult
        Its ``images`` are all of the document; ``software`` is the document's.

    Raises
    ------
    RefusedError
        BAC-COMPARE-EXAM: the file is no such document, or holds no exam or several.
    OSError
        The file cannot be read.
    """
    try:
        document = parse_json(path.read_bytes())
        ours = isinstance(document, Mapping) and document.get("schema") == SCHEMA
    except ValueError:  # neither text nor JSON
        ours = False
    if not ours:
        raise _not_one_exam(path, "is no result of `bacctl analyze`")
    try:
        exams = [ExamResult.from_dict(exam, document["software"]) for exam in document["exams"]]
        images = [ImageResult.from_dict(image) for image in document["images"]]
    except (KeyError, TypeError, ValueError):
        raise RefusedError(
            "BAC-COMPARE-EXAM", f"{path}: is damaged or of another release", "analyse its images again"
        ) from None
    return only_exam(exams, images, path)


def only_exam(exams: Sequence[ExamResult], images: Sequence[ImageResult], path: Path) -> ExamResult:
    """Return the exam where there is exactly one.

    Parameters
    ----------
    exams : sequence of ExamResult
        What was found.
    images : sequence of ImageResult
        All images, those included that name no study and so are in no exam.
    path : Path
        Where.

    Returns
    -------
    ExamResult
        With all these images.

    Raises
    ------
    RefusedError
        BAC-COMPARE-EXAM, which names the studies.
    """
    if len(exams) == 1:
        return replace(exams[0], images=tuple(images))
    if not exams:
        raise _not_one_exam(path, "no image in it names a study")
    names = (exam.study_instance_uid or exam.folder for exam in exams)
    studies = ", ".join(name for name in names if name is not None)
    raise _not_one_exam(path, f"holds {len(exams)} studies{f' ({studies})' if studies else ''}")


def _not_one_exam(path: Path, found: str) -> RefusedError:
    return RefusedError("BAC-COMPARE-EXAM", f"{path}: {found}")
