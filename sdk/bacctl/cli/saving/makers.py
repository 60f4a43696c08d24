"""Which kinds of files are made of an exam or of a run, and who makes them; nothing is imported too early."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from bacctl.outputs.exam_files import Choices, ExamFile, Maker
from bacctl.results import ExamResult, ImageResult


def _dicom(exam: ExamResult, kinds: Sequence[str], choices: Choices) -> Iterable[ExamFile]:
    from bacctl.outputs.dicom import dicom_files

    return dicom_files(exam, kinds, choices)


def _html(exam: ExamResult, kinds: Sequence[str], choices: Choices) -> Iterable[ExamFile]:
    from bacctl.outputs.html import html_files

    return html_files(exam, kinds, choices)


def _fhir(exam: ExamResult, kinds: Sequence[str], choices: Choices) -> Iterable[ExamFile]:
    from bacctl.outputs.fhir import fhir_files

    return fhir_files(exam, kinds, choices)


MAKERS: tuple[tuple[tuple[str, ...], Maker], ...] = (
    (("sr", "seg", "pm", "sc", "pr"), _dicom),
    # By themselves, since a page is there where no browser is that prints it.
    (("html",), _html),
    (("pdf",), _html),
    (("fhir",), _fhir),
)
"""Kinds that are made together, with their maker. Those of one maker are all written or none is."""

EXAM_KINDS = tuple(kind for kinds, _ in MAKERS for kind in kinds)

WHY_NONE = {"pm": "nothing was weighed", "seg": "nothing was found", "pr": "nothing was found"}
"""Why a kind has no file where an exam was measured and nothing went wrong."""


def _parquet(
    images: Sequence[ImageResult], exams: Sequence[ExamResult], choices: Choices
) -> Mapping[str, bytes]:
    from bacctl.outputs.tables import parquet_tables

    return parquet_tables(images, exams, choices)


def _omop(
    images: Sequence[ImageResult], exams: Sequence[ExamResult], choices: Choices
) -> Mapping[str, bytes]:
    from bacctl.outputs.tables import omop_tables

    return omop_tables(images, choices)


RUN_MAKERS: Mapping[
    str, Callable[[Sequence[ImageResult], Sequence[ExamResult], Choices], Mapping[str, bytes]]
] = {"parquet": _parquet, "omop": _omop}
"""Kinds that are made of all images and exams of a run, with their maker: from names of files to bytes."""
