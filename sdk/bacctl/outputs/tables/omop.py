"""Results in the shape of OMOP's imaging extension (MI-CDM, Park et al. 2024), as CSV.

Columns are those of its published tables for CDM 5.4, and of the CDM's own ``measurement``. Who the person
is, when the image was taken and which procedure it belongs to are not in a result: these cells are empty, for
the site to fill in by the study's UID. Concepts are 0, "no matching concept", with the code of DICOM or
SNOMED CT beside it: which concept stands for it depends on the site's vocabulary. There is no column for an
interval: ``range_low`` and ``range_high`` are of what is normal.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from bacctl._version import __version__
from bacctl.outputs import codes
from bacctl.outputs.exam_files import Choices
from bacctl.outputs.uids import Shown, shown_uids
from bacctl.results import ImageResult

OCCURRENCE = (
    "image_occurrence_id",
    "person_id",
    "procedure_occurrence_id",
    "visit_occurrence_id",
    "anatomic_site_concept_id",
    "wadors_uri",
    "local_path",
    "image_occurrence_date",
    "image_study_uid",
    "image_series_uid",
    "modality_concept_id",
)
FEATURE = (
    "image_feature_id",
    "person_id",
    "image_occurrence_id",
    "image_feature_event_field_concept_id",
    "image_feature_event_id",
    "image_feature_concept_id",
    "image_feature_type_concept_id",
    "image_finding_concept_id",
    "image_finding_id",
    "anatomic_site_concept_id",
    "alg_system",
    "alg_datetime",
)
MEASUREMENT = (
    "measurement_id",
    "person_id",
    "measurement_concept_id",
    "measurement_date",
    "measurement_type_concept_id",
    "value_as_number",
    "unit_concept_id",
    "measurement_source_value",
    "unit_source_value",
    "value_source_value",
)
NO_CONCEPT = 0
_AMOUNTS = (
    ("calcium_mass_mg", codes.MASS, "mg"),
    ("area_mm2", codes.AREA, "mm2"),
    ("length_mm", codes.LENGTH, "mm"),
)


def omop_tables(images: Sequence[ImageResult], choices: Choices) -> dict[str, bytes]:
    """Write the tables of a run.

    Parameters
    ----------
    images : sequence of ImageResult
        Those that were measured have rows; what was not assessed has none, rather than a zero.
    choices : Choices
        Whether UIDs are changed.

    Returns
    -------
    dict
        From the names of files to their bytes.
    """
    shown = shown_uids(choices)
    measured = [image for image in images if image.status == "ok"]
    occurrences = [
        _row(
            OCCURRENCE,
            image_occurrence_id=number,
            anatomic_site_concept_id=NO_CONCEPT,
            image_study_uid=shown(image.study_instance_uid),
            modality_concept_id=NO_CONCEPT,
        )
        for number, image in enumerate(measured, start=1)
    ]
    features, measurements = [], []
    for number, (occurrence, finding, amount) in enumerate(_amounts(measured, shown), start=1):
        measurements.append(
            _row(
                MEASUREMENT,
                measurement_id=number,
                measurement_concept_id=NO_CONCEPT,
                measurement_type_concept_id=NO_CONCEPT,
                unit_concept_id=NO_CONCEPT,
                **amount,
            )
        )
        features.append(
            _row(
                FEATURE,
                image_feature_id=number,
                image_occurrence_id=occurrence,
                image_feature_event_field_concept_id=NO_CONCEPT,
                image_feature_event_id=number,
                image_feature_concept_id=NO_CONCEPT,
                image_feature_type_concept_id=NO_CONCEPT,
                image_finding_concept_id=NO_CONCEPT,
                image_finding_id=finding,
                anatomic_site_concept_id=NO_CONCEPT,
                alg_system=f"bacctl {__version__}",
            )
        )
    return {
        "omop-image_occurrence.csv": _csv(OCCURRENCE, occurrences),
        "omop-image_feature.csv": _csv(FEATURE, features),
        "omop-measurement.csv": _csv(MEASUREMENT, measurements),
    }


def _amounts(images: Sequence[ImageResult], shown: Shown) -> Iterator[tuple[int, int | None, dict[str, Any]]]:
    """Give every amount with its image and, of a vessel, its number in the image."""
    for occurrence, image in enumerate(images, start=1):
        # An image has no column of its own: its UID is what the value was made from.
        source = shown(image.sop_instance_uid)
        for finding, record in enumerate((image, *image.vessels)):
            for name, code, unit in _AMOUNTS:
                value = getattr(record, name)
                if value is not None:
                    yield (
                        occurrence,
                        finding or None,
                        {
                            "value_as_number": value,
                            "measurement_source_value": f"{code.scheme}:{code.value}",
                            "unit_source_value": unit,
                            "value_source_value": source,
                        },
                    )


def _row(columns: Sequence[str], **values: Any) -> list[Any]:
    return [values.get(column) for column in columns]


def _csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return stream.getvalue().encode()
