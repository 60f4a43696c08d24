"""The measurement groups of a report: the woman, each breast, each image and each vessel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from highdicom.sr import (
    AlgorithmIdentification,
    FindingSite,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    ReferencedSegmentationFrame,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceImageForSegmentation,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from bac_terms.report import Vessel
from bacctl.outputs.dicom import codes
from bacctl.outputs.dicom.amounts import amount, amounts
from bacctl.outputs.dicom.run import ALGORITHM, MANUFACTURER, RESEARCH, Run, find_name
from bacctl.outputs.dicom.source import Source
from bacctl.results import BreastResult

Group = MeasurementsAndQualitativeEvaluations | PlanarROIMeasurementsAndQualitativeEvaluations
Said = Iterable[tuple[Code, Code | None]]
Texts = Iterable[tuple[Code, str]]


class Groups:
    """The groups of one report.

    Parameters
    ----------
    run : Run
        Of the exam.
    sources : sequence of Source
        Its measured images.
    segmentations : mapping of int to pydicom.Dataset
        By the number of the image.
    """

    def __init__(self, run: Run, sources: Sequence[Source], segmentations: Mapping[int, Dataset]) -> None:
        self._run = run
        self._sources = sources
        self._segmentations = segmentations

    def all(self) -> list[Group]:
        """Return the woman's, then the breasts', the images' and the vessels' groups."""
        groups: list[Group] = [self._woman()]
        for side in sorted(self._run.exam.breasts):
            breast = self._run.exam.breasts[side]
            shown = [source for source in self._sources if source.image.laterality == side]
            if shown:
                groups.append(self._breast(breast, shown))
        for source in self._sources:
            groups.append(self._view(source))
            for number, vessel in enumerate(source.image.vessels, 1):
                groups.append(self._vessel(source, number, vessel))
        return groups

    def _woman(self) -> Group:
        exam = self._run.exam
        measured = [
            *amounts(exam),
            *(
                amount(codes.CATEGORY_PROBABILITY[name], share, codes.NO_UNITS)
                for name, share in (exam.category_probabilities or {}).items()
            ),
        ]
        said = [
            (codes.LEVEL, codes.LEVELS["woman"]),
            (codes.DETECTED, _presence(exam.bac_detected)),
            (codes.CATEGORY, codes.CATEGORIES.get(exam.mass_category or "")),
            (codes.CATEGORY_BASIS, codes.CATEGORY_BASES.get(exam.category_basis or "")),
            (codes.AREA_CLASS, codes.AREA_CLASSES.get(exam.area_class or "")),
            (codes.CSBI, None if exam.csbi_grade is None else codes.CSBI_GRADES[exam.csbi_grade]),
        ]
        texts = [
            (codes.INTENDED, RESEARCH),
            *((codes.MISSING_VIEW, view) for view in exam.missing_views),
            *((codes.WARNING, f"{alarm.code}: {alarm.text}") for alarm in exam.alarms),
            *(
                (codes.NOT_MEASURED, f"{image.code}: {image.reason}")
                for image in exam.images
                if image.status != "ok"
            ),
        ]
        site = FindingSite(codes.BREAST, laterality=codes.BOTH_SIDES)
        return self._group("exam", ("exam",), site, measured, said, texts, self._sources)

    def _breast(self, breast: BreastResult, shown: Sequence[Source]) -> Group:
        measured = amounts(breast)
        if breast.vessel_count is not None:
            measured.append(amount(codes.VESSEL_COUNT, breast.vessel_count, codes.NO_UNITS))
        said = [
            (codes.LEVEL, codes.LEVELS["breast"]),
            (codes.DETECTED, _presence(breast.bac_detected)),
            (codes.BASIS, codes.BASES[breast.mass_basis]),
        ]
        side = breast.laterality
        return self._group(f"{side} breast", ("breast", side), _site(side), measured, said, [], shown)

    def _view(self, source: Source) -> Group:
        image = source.image
        measured = amounts(image)
        measured.append(amount(codes.LENGTH, image.length_mm, codes.MM))
        if image.bac_probability is not None:
            measured.append(amount(codes.PROBABILITY, image.bac_probability, codes.NO_UNITS))
        if image.vessel_count is not None:
            measured.append(amount(codes.VESSEL_COUNT, image.vessel_count, codes.NO_UNITS))
        said = [
            (codes.LEVEL, codes.LEVELS["view"]),
            (codes.IMAGE_VIEW, codes.VIEWS.get(image.view or "")),
            (codes.DETECTED, _presence(image.bac_detected)),
            (codes.BASIS, codes.BASES[image.mass_basis]),
        ]
        texts = [(codes.WARNING, f"{notice.code}: {notice.text}") for notice in image.warnings]
        find = ("view", source.number)
        site = _site(image.laterality)
        return self._group(find_name(source), find, site, measured, said, texts, [source])

    def _vessel(self, source: Source, number: int, vessel: Vessel) -> Group:
        measured = [
            amount(codes.MASS, vessel.calcium_mass_mg, codes.MG),
            amount(codes.AREA, vessel.area_mm2, codes.MM2),
            amount(codes.LENGTH, vessel.length_mm, codes.MM),
        ]
        if vessel.mean_width_mm is not None:
            measured.append(amount(codes.WIDTH, vessel.mean_width_mm, codes.MM))
        if vessel.probability is not None:
            measured.append(amount(codes.PROBABILITY, vessel.probability, codes.NO_UNITS))
        said = [
            (codes.LEVEL, codes.LEVELS["vessel"]),
            (codes.IMAGE_VIEW, codes.VIEWS.get(source.image.view or "")),
        ]
        find = (source.number, number)
        site = _site(source.image.laterality)
        segment = self._segment(source, number)
        return self._group(find_name(source, number), find, site, measured, said, [], [source], segment)

    def _segment(self, source: Source, number: int) -> ReferencedSegmentationFrame | None:
        """Refer to a vessel in the segmentation of its image; None where there is none."""
        dataset = self._segmentations.get(source.number)
        if dataset is None:
            return None
        tracking = str(self._run.tracking_uid(source.number, number))
        segments = [
            int(segment.SegmentNumber)
            for segment in dataset.SegmentSequence
            if segment.get("TrackingUID") == tracking
        ]
        if not segments:
            return None
        return ReferencedSegmentationFrame(
            dataset.SOPClassUID,
            dataset.SOPInstanceUID,
            frame_number=1,  # asked for, and left out in the end
            segment_number=segments[0],
            # Without a frame number: the image has but one, and says so by having none.
            source_image=SourceImageForSegmentation(source.header.SOPClassUID, source.header.SOPInstanceUID),
        )

    def _group(
        self,
        name: str,
        find: tuple[object, ...],
        site: FindingSite,
        measured: Sequence[Measurement],
        said: Said,
        texts: Texts,
        sources: Sequence[Source],
        segment: ReferencedSegmentationFrame | None = None,
    ) -> Group:
        weights = self._run.weights_of(sources[0]) if len(sources) == 1 else self._run.weights
        common: dict[str, Any] = {
            "tracking_identifier": TrackingIdentifier(self._run.tracking_uid(*find), name),
            "finding_type": codes.VASCULAR_CALCIFICATION,
            "finding_category": codes.ABNORMAL_STRUCTURE,
            "finding_sites": [site],
            "algorithm_id": AlgorithmIdentification(
                ALGORITHM,
                self._run.version,
                parameters=[f"weights_sha256={weights}", RESEARCH],
                manufacturer=MANUFACTURER,
                family=codes.ARTIFICIAL_INTELLIGENCE,
            ),
            "measurements": measured,
            "qualitative_evaluations": [
                QualitativeEvaluation(name, value) for name, value in said if value is not None
            ],
        }
        group: Group
        if segment is not None:
            group = PlanarROIMeasurementsAndQualitativeEvaluations(referenced_segment=segment, **common)
        else:
            images = [
                SourceImageForMeasurementGroup(source.header.SOPClassUID, source.header.SOPInstanceUID)
                for source in sources
            ]
            group = MeasurementsAndQualitativeEvaluations(source_images=images, **common)
        for about, text in texts:
            group[0].ContentSequence.append(
                TextContentItem(about, text, relationship_type=RelationshipTypeValues.CONTAINS)
            )
        return group


def _site(side: str | None) -> FindingSite:
    return FindingSite(codes.BREAST, laterality=codes.SIDES.get(side or ""))


def _presence(detected: bool | None) -> Code | None:
    return None if detected is None else codes.PRESENT if detected else codes.ABSENT
