"""From the rows of a study to the exam of a woman, by the exam rules that hold everywhere (`bacctl.exam`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from bac_terms.catalogue import CATALOGUE
from bac_terms.notices import Notice
from bacctl._origin import Origin
from bacctl.archive.manifest import AGE_BANDS
from bacctl.archive.report.rows import UNKNOWN, Rows
from bacctl.exam.alarms import NO_SUM
from bacctl.exam.build import build_exam
from bacctl.exam.choice import distinct, warns
from bacctl.results import ExamResult, ImageResult

SEVERAL = "several"
"""What stands for the unit of an exam whose images are of more than one."""
_MIXED = "BAC-W-EXAM-MIXED"
_BATCH = 4096
MOST_IMAGES = 1000
"""Of one study. What has more, such as a placeholder for all studies of a scanner, is nobody's exam."""
TOO_MANY = "more than 1,000 images under one study"
_LARGE = """
CREATE TABLE large AS SELECT study_instance_uid AS exam, min(woman) AS woman FROM images
WHERE study_instance_uid IS NOT NULL GROUP BY 1 HAVING count(*) > $most
"""
_NOBODY = """
INSERT INTO exams BY NAME SELECT exam, woman, false AS complete, $why AS why, false AS unsaid,
    $unknown AS month, $unknown AS age_band, $several AS device, $several AS software FROM large
"""
_READ = """
SELECT * FROM images
WHERE study_instance_uid IS NOT NULL AND study_instance_uid NOT IN (SELECT exam FROM large)
ORDER BY study_instance_uid, sop_instance_uid, file_sha256, uri
"""
# One exam a woman: her latest that gave an answer.
_WOMEN = """
CREATE TABLE women AS SELECT * FROM exams
QUALIFY row_number() OVER (
    PARTITION BY woman ORDER BY complete DESC, month = $unknown, month DESC, exam
) = 1
"""

Record = dict[str, Any]


def build(rows: Rows) -> int:
    """Put the images together, into the tables ``exams`` and ``women`` of the database.

    Parameters
    ----------
    rows : Rows
        Images that turn out to be copies, with the same identifier and measured alike, are taken out.

    Returns
    -------
    int
        How many these were.
    """
    import pyarrow as pa

    schema = _schema()
    database = rows.database
    empty = schema.empty_table()
    database.register("made", empty)
    database.execute("CREATE TABLE exams AS SELECT * FROM made")
    database.execute(_LARGE, {"most": MOST_IMAGES})
    database.execute(_NOBODY, {"why": TOO_MANY, "unknown": UNKNOWN, "several": SEVERAL})
    copies: list[int] = []
    for batch in _batches(_studies(rows.cursor()), copies):
        database.register("made", pa.Table.from_pylist(batch, schema=schema))
        database.execute("INSERT INTO exams SELECT * FROM made")
    database.unregister("made")
    for start in range(0, len(copies), _BATCH):
        database.execute(
            "DELETE FROM images WHERE place IN (SELECT unnest($copies))",
            {"copies": copies[start : start + _BATCH]},
        )
    database.execute(_WOMEN, {"unknown": UNKNOWN})
    return len(copies)


def exam_record(rows: Sequence[Record], copies: list[int]) -> Record:
    """Put the rows of one study together.

    Parameters
    ----------
    rows : sequence of dict
        Of the table ``images``.
    copies : list of int
        Takes the places of those that are copies.

    Returns
    -------
    dict
        By the columns of the table ``exams``.
    """
    images = [_image(row) for row in rows]
    exam = build_exam(images, rows[0]["study_instance_uid"])
    # The scan has seen the headers, of which the rows tell the patient's key alone.
    mixed = any(image.status == "ok" and warns(image, _MIXED) for image in images)
    complete = exam.complete and not mixed
    kept = {id(image) for image in distinct([image for image in images if image.status == "ok"])}
    copies.extend(
        row["place"]
        for row, image in zip(rows, images, strict=True)
        if image.status == "ok" and id(image) not in kept
    )
    counted = _counted(exam)
    of_sum = [row for row in rows if row["status"] == "ok" and row["sop_instance_uid"] in counted]
    told = of_sum or rows
    manufacturer, model, versions, device = (
        _one(row[name] for row in told)
        for name in ("manufacturer", "model", "software_versions", "device_key")
    )
    bands = {row["age_band"] for row in told}
    unit = " ".join(dict.fromkeys((manufacturer, model)))
    return {
        "exam": rows[0]["study_instance_uid"],
        "woman": rows[0]["woman"],
        "complete": complete,
        "why": None if complete else _MIXED if mixed else _why(exam),
        **_answer(exam if complete else None),
        "probability": max(
            (row["bac_probability"] for row in of_sum if row["bac_probability"] is not None), default=None
        ),
        "find": max(
            (find for row in of_sum for find in row["finds"] or () if find is not None), default=None
        ),
        "unsaid": any(find is None for row in of_sum for find in row["finds"] or ()),
        "month": min((row["month"] for row in told if row["month"]), default=UNKNOWN),
        "age_band": next((band for band in AGE_BANDS if band in bands), UNKNOWN),
        "device": device if device == UNKNOWN else f"{unit} {device[:8]}" if device != SEVERAL else SEVERAL,
        "software": f"{unit}, {versions}",
    }


def _schema() -> Any:
    import pyarrow as pa

    texts = (
        "exam",
        "woman",
        "why",
        "basis",
        "category",
        "area_class",
        "month",
        "age_band",
        "device",
        "software",
    )
    numbers = ("mass_mg", "area_mm2", "probability", "find")
    truths = ("complete", "found", "unsaid")
    kinds = {pa.string(): texts, pa.float64(): numbers, pa.bool_(): truths}
    return pa.schema([(name, kind) for kind, names in kinds.items() for name in names])


def _studies(cursor: Any) -> Iterator[list[Record]]:
    """Read the images study by study."""
    cursor.execute(_READ)
    names = [column[0] for column in cursor.description]
    # Rows as tuples, which come as a stream: readers of Arrow are called otherwise in each release of DuckDB.
    batches = iter(lambda: cursor.fetchmany(_BATCH), [])
    records = (dict(zip(names, row, strict=True)) for batch in batches for row in batch)
    for _, same in groupby(records, key=lambda record: record["study_instance_uid"]):
        yield list(same)


def _batches(studies: Iterable[list[Record]], copies: list[int]) -> Iterator[list[Record]]:
    held: list[Record] = []
    for study in studies:
        held.append(exam_record(study, copies))
        if len(held) >= _BATCH:
            yield held
            held = []
    if held:
        yield held


def _image(row: Record) -> ImageResult:
    """Make the result of an image of what its row says; what no exam rule asks for is left out."""
    low, high, key = row["calcium_mass_low_mg"], row["calcium_mass_high_mg"], row["patient_key"]
    return ImageResult(
        row["status"],
        row["code"],
        sop_instance_uid=row["sop_instance_uid"],
        study_instance_uid=row["study_instance_uid"],
        laterality=row["laterality"],
        view=row["view"],
        rows=row["rows"],
        columns=row["columns"],
        warnings=tuple(map(_notice, (row["warnings"] or "").split())),
        bac_detected=row["bac_detected"],
        bac_probability=row["bac_probability"],
        min_probability=row["min_probability"],
        calcium_mass_mg=row["calcium_mass_mg"],
        calcium_mass_interval_mg=None if low is None or high is None else (low, high),
        mass_basis=row["mass_basis"] or "none",
        area_mm2=row["area_mm2"],
        length_mm=row["length_mm"],
        weights_sha256=row["weights_sha256"],
        map_sha256=row["map_sha256"],
        # Of who and when the parts tell the patient's key alone.
        origin=Origin(series=row["series_instance_uid"], patient=None if key is None else key.encode()),
    )


_NOTICES: dict[str, Notice] = {}


def _notice(code: str) -> Notice:
    if code not in _NOTICES:
        _NOTICES[code] = Notice(code, CATALOGUE[code].meaning if code in CATALOGUE else code)
    return _NOTICES[code]


def _counted(exam: ExamResult) -> set[str]:
    return {
        uid
        for breast in exam.breasts.values()
        for view in breast.by_view.values()
        for uid in view.sop_instance_uids
    }


def _why(exam: ExamResult) -> str:
    return next(
        (alarm.code for alarm in exam.alarms if alarm.code in NO_SUM), "a breast without an accepted image"
    )


def _answer(exam: ExamResult | None) -> Record:
    """Return what an exam says of the woman; None throughout where it says nothing."""
    if exam is None:
        return dict.fromkeys(("found", "basis", "category", "area_class", "mass_mg", "area_mm2"))
    calibrated = all(breast.mass_basis == "calibrated" for breast in exam.breasts.values())
    weighed = "calibrated" if calibrated else "estimated"
    return {
        "found": exam.bac_detected,
        "basis": "none" if exam.calcium_mass_mg is None else weighed,
        "category": exam.mass_category,
        "area_class": exam.area_class,
        "mass_mg": exam.calcium_mass_mg,
        "area_mm2": exam.area_mm2,
    }


def _one(values: Iterable[str | None]) -> str:
    """Return the value that all agree in."""
    known = {value for value in values if value}
    return known.pop() if len(known) == 1 else SEVERAL if known else UNKNOWN
