"""An earlier exam beside this one, once it is held against it."""

from __future__ import annotations

from dataclasses import replace

from bacctl.exam.comparison import compare_exams
from bacctl.results import ExamComparison, ExamResult


def compared(exam: ExamResult, prior: ExamResult | None) -> ExamComparison | None:
    """Compare an exam with the one that is to stand beside it.

    Parameters
    ----------
    exam : ExamResult
        The current one.
    prior : ExamResult or None
        The earlier one.

    Returns
    -------
    ExamComparison or None
        None without a prior exam.

    Raises
    ------
    RefusedError
        BAC-COMPARE-*: it is not one of the same woman, or cannot be compared.
    """
    if prior is None:
        return None
    # What failed now is missing from the sums and told in the outputs; that is no reason to have none.
    measured = tuple(image for image in exam.images if image.status != "failed")
    return compare_exams(prior, replace(exam, images=measured))
