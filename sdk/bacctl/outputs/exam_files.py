"""What is written of a whole exam: what its makers are given, and what they give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bacctl.results import ExamResult


@dataclass(frozen=True)
class Choices:
    """What a caller wants of all files.

    Attributes
    ----------
    pixel_spacing_mm : tuple of float or None
        What the images were analysed with; to read them once more.
    labelmap : bool
        Whether vessels are written as one map of numbers in place of a binary frame each.
    deidentify : bool
        Whether what names a woman, a place or a day is taken out.
    prior : ExamResult or None
        An earlier exam of the same woman.
    """

    pixel_spacing_mm: tuple[float, float] | None = None
    labelmap: bool = False
    deidentify: bool = False
    prior: ExamResult | None = None


@dataclass(frozen=True)
class ExamFile:
    """One file, made and not yet written.

    Attributes
    ----------
    kind : str
        As ``--save`` names it.
    suffix : str
        What its name ends with, such as ``".seg.dcm"``.
    data : bytes
        All of it.
    image : int or None
        Which image of the exam it is of; None where it is of the exam.
    stem : str or None
        What its name begins with, where that may not be the UID of the image or of the study.
    """

    kind: str
    suffix: str
    data: bytes
    image: int | None = None
    stem: str | None = None


Maker = Callable[[ExamResult, Sequence[str], Choices], Iterable[ExamFile]]
"""Makes the files of some kinds for one exam whose ``images`` have their masks and densities.

It raises `bac_terms.errors.RefusedError` or `FailedError` where it cannot; nothing of what it made is kept
then.
"""
