"""The parts that a run leaves: one row a file of the manifest, whatever became of it.

A part is Parquet of an explicit schema, and has all of it whatever is null. What is in a folder proves
nothing: the journal of the shard alone says which part is complete (`bacctl.archive.run.journal`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from bacctl._version import __version__
from bacctl.archive.manifest import MANIFEST_SCHEMA, ManifestRow
from bacctl.results import ImageResult
from bacctl.results.columns import image_row
from bacctl.wording import INTENDED_USE

FORMAT = "bacctl.parts/1"
TIMES = frozenset({"attempts", "finished", "seconds", "preprocess_ms", "segment_ms", "quantify_ms"})
"""Columns that differ between two runs over the same files; all others are equal."""

# Of the manifest, as the header says it; those below `measured` are of the measured image where there is one.
_SCANNED = (
    "uri",
    "sop_instance_uid",
    "series_instance_uid",
    "study_instance_uid",
    "patient_key",
    "modality",
    "intent",
    "laterality",
    "view",
    "rows",
    "columns",
    "transfer_syntax",
    "manufacturer",
    "model",
    "software_versions",
    "detector_id_hash",
    "device_key",
    "month",
    "age_band",
    "duplicate_of",
)
_AS_MEASURED = ("laterality", "view", "rows", "columns")
_FROM_RESULT = (
    "bac_detected",
    "bac_probability",
    "probability_prevalence",
    "min_probability",
    "calcium_mass_mg",
    "calcium_mass_low_mg",
    "calcium_mass_high_mg",
    "mass_basis",
    "area_mm2",
    "length_mm",
    "area_estimate_mg",
    "area_estimate_low_mg",
    "area_estimate_high_mg",
    "breast_area_mm2",
    "area_percent_of_breast",
    "length_mm_per_cm2_of_breast",
    "vessel_count",
    "magnification",
    "warnings",
)

PART_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),  # number in the manifest, from 0
        *(MANIFEST_SCHEMA.field(name) for name in _SCANNED),
        # "equal": the bytes are those of an earlier row, and so is the result; "different": the SOP Instance
        # UID is that of an earlier row, the bytes are not
        pa.field("duplicate", pa.string()),
        pa.field("file_sha256", pa.string()),  # of the whole file, as it was analysed
        pa.field("file_size", pa.int64()),
        # What measured, and how it was asked; null where nothing was sent. `settings_sha256` is of
        # `bacctl.archive.run.plan.Settings`, and the same throughout a run.
        pa.field("weights_sha256", pa.string()),
        pa.field("map_sha256", pa.string()),
        pa.field("server_release", pa.string()),
        pa.field("settings_sha256", pa.string()),
        # "ok", "refused", "failed", and why; parked: given up after so many tries
        pa.field("status", pa.string(), nullable=False),
        pa.field("code", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("parked", pa.bool_(), nullable=False),
        pa.field("attempts", pa.int32()),
        pa.field("finished", pa.timestamp("ms", tz="UTC")),
        pa.field("seconds", pa.float64()),  # from sending to the answer, waits of the client included
        pa.field("preprocess_ms", pa.float64()),
        pa.field("segment_ms", pa.float64()),
        pa.field("quantify_ms", pa.float64()),
        # As `bacctl.results.columns` has them: null where nothing was assessed, never zero.
        pa.field("bac_detected", pa.bool_()),
        pa.field("bac_probability", pa.float64()),
        pa.field("probability_prevalence", pa.float64()),
        pa.field("min_probability", pa.float64()),
        pa.field("calcium_mass_mg", pa.float64()),
        pa.field("calcium_mass_low_mg", pa.float64()),
        pa.field("calcium_mass_high_mg", pa.float64()),
        pa.field("mass_basis", pa.string()),
        pa.field("area_mm2", pa.float64()),
        pa.field("length_mm", pa.float64()),
        pa.field("area_estimate_mg", pa.float64()),
        pa.field("area_estimate_low_mg", pa.float64()),
        pa.field("area_estimate_high_mg", pa.float64()),
        pa.field("breast_area_mm2", pa.float64()),
        pa.field("area_percent_of_breast", pa.float64()),
        pa.field("length_mm_per_cm2_of_breast", pa.float64()),
        pa.field("vessel_count", pa.int64()),
        pa.field("magnification", pa.float64()),
        pa.field("warnings", pa.string()),  # codes with blanks between
        # The image object of bacctl.analysis/1 as JSON: `ImageResult.from_dict(json.loads(...))` has it back.
        # Without path and timings, which have columns of their own; null where nothing was sent.
        pa.field("analysis", pa.string()),
        pa.field("scan_warnings", pa.string()),  # codes of what other files say of this one, of the manifest
    ],
    metadata={"bacctl.table": FORMAT, "bacctl.version": __version__, "intended_use": INTENDED_USE},
)

PartRow = dict[str, Any]
"""A cell for each column of `PART_SCHEMA`."""


def part_row(number: int, row: ManifestRow, result: ImageResult, **known: Any) -> PartRow:
    """Make the row of a file.

    Parameters
    ----------
    number : int
        Of the row in the manifest.
    row : ManifestRow
        What the scan found.
    result : ImageResult
        What became of it; of an error for what was not sent.
    **known
        Cells of other columns: ``file_sha256``, ``attempts``, ...

    Returns
    -------
    dict
    """
    cells: PartRow = dict.fromkeys(PART_SCHEMA.names)
    cells |= {"row": number, "parked": False, "scan_warnings": row.warnings}
    cells |= {name: getattr(row, name) for name in _SCANNED}
    measured = image_row(result)
    cells |= {name: measured[name] for name in _FROM_RESULT}
    if result.status == "ok":
        cells |= {name: measured[name] for name in _AS_MEASURED}
    else:
        cells["mass_basis"] = None
    cells |= {f"{step}_ms": result.timings_ms.get(step) for step in ("preprocess", "segment", "quantify")}
    cells |= {name: measured[name] for name in ("status", "code", "reason")}
    cells["analysis"] = analysis_text(result)
    if unknown := known.keys() - cells.keys():
        raise TypeError(f"no columns of a part: {', '.join(sorted(unknown))}")
    return {**cells, **known}


def copied_row(number: int, row: ManifestRow, same: PartRow, **known: Any) -> PartRow:
    """Make the row of a file whose bytes are those of another one, which has a result.

    Parameters
    ----------
    number : int
        Of the row in the manifest.
    row : ManifestRow
        What the scan found.
    same : dict
        The row of the other.
    **known
        As for `part_row`.
    """
    scanned = _SCANNED if same["status"] != "ok" else [name for name in _SCANNED if name not in _AS_MEASURED]
    return {
        **same,
        **{name: getattr(row, name) for name in scanned},
        "row": number,
        "scan_warnings": row.warnings,
        "duplicate": "equal",
        "duplicate_of": row.duplicate_of or same["uri"],
        **dict.fromkeys(TIMES),
        **known,
    }


def analysis_text(result: ImageResult) -> str:
    """Write the image object of ``schema/analysis-1.json`` without what differs from run to run."""
    told = {**result.to_dict(), "path": None, "files": {}, "timings_ms": {}}
    return json.dumps(told, separators=(",", ":"), sort_keys=True, allow_nan=False)


def rows_of_table(table: pa.Table) -> list[PartRow]:
    """Return the rows of a table of `PART_SCHEMA`; `finished` as ms since the epoch."""
    place = table.schema.get_field_index("finished")
    plain = table.set_column(place, "finished", table.column(place).cast(pa.int64()))
    rows: list[PartRow] = plain.to_pylist()
    return rows


def part_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Put rows into a table of `PART_SCHEMA`.

    Raises
    ------
    pyarrow.ArrowInvalid, pyarrow.ArrowTypeError
        A cell is not of its column's type.
    """
    columns = {name: [row[name] for row in rows] for name in PART_SCHEMA.names}
    return pa.table(columns, schema=PART_SCHEMA)
