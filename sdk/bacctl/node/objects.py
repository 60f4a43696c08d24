"""What a node makes of a result: the DICOM objects that go to archives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bacctl.node.records import Made
from bacctl.results import ExamResult


def make_objects(exam: ExamResult, files: Mapping[str, Path]) -> Sequence[Made]:
    """Make the objects of an exam.

    Parameters
    ----------
    exam : ExamResult
        Its images have masks.
    files : mapping of str to Path
        The images by SOP Instance UID.

    Returns
    -------
    sequence of Made
    """
    return []
