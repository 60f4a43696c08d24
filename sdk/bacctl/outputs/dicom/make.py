"""All objects of an exam, made together so that they refer to each other."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from bacctl._discreet import discreet
from bacctl.outputs.deidentify import this_run
from bacctl.outputs.exam_files import Choices, ExamFile
from bacctl.outputs.prior import compared
from bacctl.results import ExamResult

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from bacctl.outputs.dicom.run import Run
    from bacctl.outputs.dicom.source import Source

Kind = Literal["sr", "seg", "pm", "sc", "pr"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# The report comes last, since it names the others.
_ORDER: tuple[Kind, ...] = ("seg", "pm", "sc", "pr", "sr")
_SHOW_PRIOR: tuple[Kind, ...] = ("sc", "pr")

# What highdicom reads of a segmentation that a report names as evidence, and refers to.
_EVIDENCE = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SegmentSequence",
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
)


@dataclass(frozen=True)
class DicomObject:
    """One object.

    Attributes
    ----------
    kind : {"sr", "seg", "pm", "sc", "pr"}
        Structured report, segmentation, parametric map, secondary capture, presentation state.
    dataset : pydicom.Dataset
        With file meta information and preamble, ready to be written or sent.
    image : int or None
        Which image of the exam it is of; None for the report.
    source_uid : str
        SOP Instance UID of that image, or Study Instance UID for the report, as the object itself names it.
    """

    kind: Kind
    dataset: Dataset
    image: int | None
    source_uid: str

    @property
    def sop_instance_uid(self) -> str:
        """UID of the object."""
        return str(self.dataset.SOPInstanceUID)

    def to_bytes(self) -> bytes:
        """Return the object as the bytes of a DICOM file."""
        from pydicom import dcmwrite

        stream = io.BytesIO()
        dcmwrite(stream, self.dataset, enforce_file_format=True)
        return stream.getvalue()


def make_objects(
    exam: ExamResult,
    kinds: Sequence[Kind] = KINDS,
    *,
    files: Sequence[bytes | Path | None] | None = None,
    prior: ExamResult | None = None,
    pixel_spacing_mm: tuple[float, float] | None = None,
    labelmap: bool = False,
    deidentify: bool = False,
) -> list[DicomObject]:
    """Make DICOM objects of an exam, in the study of its images.

    Parameters
    ----------
    exam : ExamResult
        Its ``images`` have their masks and, where they were weighed, densities: as `bacctl.Client` gives them
        back, and `bacctl.exam.build.build_exam` puts them together.
    kinds : sequence of {"sr", "seg", "pm", "sc", "pr"}, optional
        Which objects. Default: all. ``pm`` needs a density, and ``seg``, ``pm`` and ``pr`` something that was
        found: of images without it there is none.
    files : sequence of (bytes, Path or None), optional
        The files of the images in their order. Default: ``image.path`` of each.
    prior : ExamResult, optional
        An earlier exam of the same woman, whose mass stands beside the current one on ``sc`` and ``pr``.
    pixel_spacing_mm : tuple of float, optional
        What the images were analysed with.
    labelmap : bool, optional
        Write ``seg`` as one map of numbers (Label Map Segmentation) in place of one binary frame a vessel.
    deidentify : bool, optional
        Take out what names a woman, a place or a day, and change UIDs: `bacctl.outputs.deidentify`.

    Returns
    -------
    list of DicomObject
        UIDs of series and instances are new at every call. Empty where no image was measured.

    Raises
    ------
    RefusedError
        ``BAC-OUTPUT-NOT-DICOM``, ``BAC-OUTPUT-HEADER``, ``BAC-OUTPUT-MIXED`` or ``BAC-OUTPUT-BURNED-IN``;
        ``BAC-COMPARE-*`` where the prior exam is not one of the same woman.
    FailedError
        ``BAC-FILE-UNREADABLE``, ``BAC-FILE-CHANGED``, ``BAC-OUTPUT-NO-MASK``.
    ModuleNotFoundError
        The extra ``dicom`` is not installed.
    """
    choices = Choices(pixel_spacing_mm, labelmap=labelmap, deidentify=deidentify, prior=prior)
    return list(_objects(exam, kinds, choices, files))


def dicom_files(exam: ExamResult, kinds: Sequence[str], choices: Choices) -> Iterator[ExamFile]:
    """Make the files of an exam; see `bacctl.outputs.exam_files.Maker`."""
    wanted = [kind for kind in KINDS if kind in kinds]
    for made in _objects(exam, wanted, choices, None):
        stem = made.source_uid if choices.deidentify else None
        yield ExamFile(made.kind, f".{made.kind}.dcm", made.to_bytes(), made.image, stem)


def _objects(
    exam: ExamResult, kinds: Sequence[Kind], choices: Choices, files: Sequence[bytes | Path | None] | None
) -> Iterator[DicomObject]:
    from bacctl.outputs.dicom.run import Run
    from bacctl.outputs.dicom.source import read_sources, refuse_burned_in

    sources = read_sources(exam, files)
    if not sources:
        return
    run = Run(exam, compared(exam, choices.prior) if set(_SHOW_PRIOR) & set(kinds) else None)
    segmentations: dict[int, Dataset] = {}
    if choices.deidentify and "sc" in kinds:
        refuse_burned_in(sources)
    for kind in _ORDER:
        if kind not in kinds or kind == "sr":
            continue
        for source in sources:
            dataset = _of_image(kind, run, source, choices)
            if dataset is None:
                continue
            if kind == "seg":
                # Before it is finished: a report refers to it by the UIDs that it is made with.
                segmentations[source.number] = _as_evidence(dataset)
            yield _finished(kind, dataset, source, choices)
    if "sr" in kinds:
        from bacctl.outputs.dicom.report import structured_report

        report = structured_report(run, sources, segmentations)
        yield _finished("sr", report, sources[0], choices)


def _as_evidence(segmentation: Dataset) -> Dataset:
    """Return what a report needs of a segmentation, so that its pixels need not be kept."""
    from pydicom import Dataset

    kept = Dataset()
    for about in _EVIDENCE:
        kept[about] = copy.deepcopy(segmentation[about])  # which de-identification changes later
    return kept


def _of_image(kind: Kind, run: Run, source: Source, choices: Choices) -> Dataset | None:
    if kind == "sc":
        from bacctl.outputs.dicom.secondary_capture import secondary_capture

        return secondary_capture(run, source, choices.pixel_spacing_mm)
    if kind == "seg":
        from bacctl.outputs.dicom.segmentation import segmentation

        return segmentation(run, source, labelmap=choices.labelmap)
    if kind == "pm":
        from bacctl.outputs.dicom.parametric_map import parametric_map

        return parametric_map(run, source)
    from bacctl.outputs.dicom.presentation import presentation_state

    return presentation_state(run, source)


def _finished(kind: Kind, dataset: Dataset, source: Source, choices: Choices) -> DicomObject:
    from pydicom.datadict import dictionary_VR, tag_for_keyword
    from pydicom.dataelem import DataElement

    of_exam = kind == "sr"
    named = str(source.header.StudyInstanceUID if of_exam else source.header.SOPInstanceUID)
    with discreet():
        for about, words in source.words.items():
            # A new element: highdicom's objects share theirs with the header that they were made of.
            tag = tag_for_keyword(about) or 0
            dataset[tag] = DataElement(tag, dictionary_VR(tag), words)
        if choices.deidentify:
            this_run().apply(dataset)
            named = this_run().uid(named)
    return DicomObject(kind, dataset, None if of_exam else source.number, named)
