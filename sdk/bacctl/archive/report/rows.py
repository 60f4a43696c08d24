"""The rows of a run in a database of its own, so that memory does not grow with their number.

DuckDB does what takes all rows at once, on disk where memory ends: it drops copies and brings the images of a
study together. PyArrow has no sort or grouping that leaves memory, and would have us write one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bac_terms.errors import RefusedError, from_catalogue
from bacctl.archive.parts import PART_SCHEMA
from bacctl.wording import count_of

UNKNOWN = "unknown"
"""What stands for a month, an age, a unit or a view that no header tells."""

MEMORY_MB = 512
"""What the database may hold in memory; the rest is on disk."""
_THREADS = 4
# It draws a bar on the standard output where a query takes long; each connection has to be told.
_QUIET = "SET enable_progress_bar = false"
_KEPT = (
    "uri",
    "sop_instance_uid",
    "series_instance_uid",
    "study_instance_uid",
    "patient_key",
    "laterality",
    "view",
    "rows",
    "columns",
    "manufacturer",
    "model",
    "software_versions",
    "device_key",
    "month",
    "age_band",
    "file_sha256",
    "weights_sha256",
    "map_sha256",
    "settings_sha256",
    "server_release",
    "status",
    "code",
    "finished",
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
    "warnings",
    "scan_warnings",
)
COLUMNS = (*_KEPT, "analysis")
"""What is read of a part."""
# Lists in JSON cost time, and only whoever moves the operating point asks for them.
_TABLE = """
CREATE TABLE given AS SELECT * EXCLUDE (analysis), CAST(NULL AS DOUBLE[]) AS finds FROM batch
"""
_INSERT = """
INSERT INTO given SELECT * EXCLUDE (analysis),
    CASE WHEN $with_finds THEN CAST(json_extract(analysis, '$.vessels[*].probability') AS DOUBLE[]) END
FROM batch
"""
_OTHER = """
DELETE FROM given WHERE NOT starts_with(coalesce(weights_sha256, $weights), $weights)
    OR NOT starts_with(coalesce(settings_sha256, $settings), $settings)
"""
# Not DuckDB's own rowid, which changes when it clears away what was deleted.
_IMAGES = """
CREATE TABLE images AS SELECT * EXCLUDE (warnings, scan_warnings), row_number() OVER () AS place,
    concat_ws(' ', nullif(warnings, ''), nullif(scan_warnings, '')) AS warnings,
    coalesce(patient_key, study_instance_uid, uri) AS woman FROM given
QUALIFY row_number() OVER (
    PARTITION BY coalesce(sop_instance_uid, ''), coalesce(file_sha256, uri),
        CASE WHEN status = 'ok' THEN concat(weights_sha256, settings_sha256) END
    ORDER BY finished DESC NULLS LAST, uri
) = 1
"""
# An image that was measured at one time and not at another one was measured.
_MEASURED_ELSEWHERE = """
DELETE FROM images WHERE status <> 'ok' AND EXISTS (
    SELECT 1 FROM images AS other WHERE other.status = 'ok'
        AND other.sop_instance_uid IS NOT DISTINCT FROM images.sop_instance_uid
        AND (other.file_sha256 = images.file_sha256 OR other.uri = images.uri)
)
"""


@dataclass(frozen=True)
class Measurer:
    """What measured the images, and how it was asked.

    Attributes
    ----------
    weights, probability_map, settings : str or None
        SHA-256 each.
    point : float or None
        The operating point.
    prevalence : float or None
        Share of images with BAC at which probabilities hold; None where they are scores.
    releases : tuple of str
        Of bacctl, that servers named when runs began: rows of several are put together, and it is said.
    """

    weights: str | None
    probability_map: str | None
    settings: str | None
    point: float | None
    prevalence: float | None
    releases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rows:
    """The rows of a report.

    Attributes
    ----------
    database : duckdb.DuckDBPyConnection
        Its table ``images`` has one row an image.
    given, left_out, copies : int
        Rows in the files, those of other weights or settings than were asked for, those that came again.
    measurer : Measurer
        Of all that were measured.
    """

    database: Any
    given: int
    left_out: int
    copies: int
    measurer: Measurer

    def cursor(self) -> Any:
        """Return another connection to the database, to read from while this one writes."""
        cursor = self.database.cursor()
        cursor.execute(_QUIET)
        return cursor

    def query(self, text: str, **values: Any) -> list[tuple[Any, ...]]:
        """Ask the database."""
        found: list[tuple[Any, ...]] = self.database.execute(text, values or None).fetchall()
        return found


@contextmanager
def open_rows(
    batches: Iterable[Any], *, weights: str = "", settings: str = "", with_finds: bool = False
) -> Iterator[Rows]:
    """Read the rows of parts.

    Parameters
    ----------
    batches : iterable of pyarrow.Table
        With `COLUMNS`, of any number of rows each.
    weights, settings : str, optional
        What the digest of the weights and of the settings has to begin with.
    with_finds : bool, optional
        Whether the probabilities of single finds are wanted.

    Yields
    ------
    Rows
        On a disk of this machine (`tempfile.gettempdir`), gone when this ends.

    Raises
    ------
    RefusedError
        BAC-ARCHIVE-MIXED: images were measured by several weights, maps or settings. BAC-ARCHIVE-REPORT:
        there is no row.
    """
    import duckdb

    with tempfile.TemporaryDirectory(prefix="bacctl-report-") as folder:
        database = duckdb.connect(
            os.path.join(folder, "rows.duckdb"),
            config={
                "memory_limit": f"{MEMORY_MB}MB",
                "threads": min(_THREADS, os.cpu_count() or 1),
                "temp_directory": folder,
                "preserve_insertion_order": False,
                # It fetches what it lacks from its maker otherwise.
                "autoinstall_known_extensions": False,
            },
        )
        try:
            database.execute(_QUIET)
            yield _read(database, batches, weights, settings, with_finds)
        finally:
            database.close()


def _read(database: Any, batches: Iterable[Any], weights: str, settings: str, with_finds: bool) -> Rows:
    def count() -> int:
        return int(database.execute("SELECT count(*) FROM given").fetchall()[0][0])

    database.register("batch", PART_SCHEMA.empty_table().select(COLUMNS))
    database.execute(_TABLE)
    for batch in batches:
        database.register("batch", batch.select(COLUMNS))
        database.execute(_INSERT, {"with_finds": with_finds})
    database.unregister("batch")
    given = count()
    if not given:
        raise from_catalogue("BAC-ARCHIVE-REPORT")
    database.execute(_OTHER, {"weights": weights, "settings": settings})
    wanted = count()
    database.execute(_IMAGES)
    database.execute("DROP TABLE given")
    measurer = _measurer(database)
    database.execute(_MEASURED_ELSEWHERE)
    kept = int(database.execute("SELECT count(*) FROM images").fetchall()[0][0])
    return Rows(database, given, given - wanted, wanted - kept, measurer)


def _measurer(database: Any) -> Measurer:
    """Return what measured all images; refuse to put together what several did."""
    found = database.execute(
        "SELECT weights_sha256, map_sha256, settings_sha256, min_probability, probability_prevalence,"
        " count(*) FROM images WHERE status = 'ok' GROUP BY ALL ORDER BY count(*) DESC, 1, 2, 3, 4"
    ).fetchall()
    if not found:
        return Measurer(None, None, None, None, None)
    if len(found) > 1:
        told = "; ".join(
            f"{count_of(images, 'image')}: weights {_short(weights)}, map {_short(made)}, settings "
            f"{_short(settings)}, operating point {point or 0:g}"
            for weights, made, settings, point, _, images in found[:6]
        )
        raise RefusedError(
            "BAC-ARCHIVE-MIXED",
            f"images were measured in {len(found)} ways ({told})",
            "choose one of them with --weights and --settings, or report each run by itself",
        )
    weights, made, settings, point, prevalence, _ = found[0]
    releases = database.execute(
        "SELECT DISTINCT coalesce(server_release, 'not told') FROM images WHERE status = 'ok' ORDER BY 1"
    ).fetchall()
    return Measurer(weights, made, settings, point, prevalence, tuple(release for (release,) in releases))


def _short(digest: str | None) -> str:
    return "not told" if digest is None else digest[:12]
