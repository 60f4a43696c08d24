"""What a scan found, counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bac_terms.errors import FailedError
from bacctl.archive.scanning.spool import MIXED, REPEATED, Spool
from bacctl.wording import INTENDED_USE

FORMAT = "bacctl.scan/1"
MOST_LISTED = 1000
"""Of anything that is listed one by one, and of the groups of a table; the numbers beside them are of all."""

TABLES: dict[str, tuple[str, ...]] = {
    "manufacturer": ("manufacturer",),
    "model": ("manufacturer", "model"),
    "software_versions": ("manufacturer", "model", "software_versions"),
    "view": ("laterality", "view"),
    "year": ("substr(month, 1, 4)",),
    "intent": ("intent",),
    "age_band": ("age_band",),
}
"""Tables of a summary: name, and what its rows are counted by."""

_IMAGES = """
SELECT COUNT(*), SUM(code IS NULL), COUNT(DISTINCT study), SUM(copies.seq IS NOT NULL),
    SUM(copies.seq IS NOT NULL AND repeated.uid IS NULL),
    SUM(CASE WHEN copies.seq IS NULL OR repeated.uid IS NOT NULL THEN cost_core_s END)
FROM images LEFT JOIN copies USING (seq) LEFT JOIN repeated ON repeated.uid = sop_instance_uid
"""
_CODES = "SELECT code, COUNT(*) FROM images WHERE code IS NOT NULL GROUP BY code ORDER BY 2 DESC, 1"
_REPEATED = "SELECT sop_instance_uid, uri FROM images JOIN repeated ON uid = sop_instance_uid"
_MIXED = "SELECT CASE typeof(study) WHEN 'text' THEN study END FROM mixed"
_MOVES = """
CREATE TABLE moved AS SELECT before.uri AS old, MIN(images.uri) AS young
    FROM before JOIN images USING (sop_instance_uid, size, header_sha256)
    WHERE before.uri NOT IN (SELECT uri FROM images) AND images.uri NOT IN (SELECT uri FROM before)
    GROUP BY before.uri
"""
_CHANGES = {
    "changed": """SELECT images.uri FROM images JOIN before USING (uri)
        WHERE images.size IS NOT before.size OR images.header_sha256 IS NOT before.header_sha256""",
    "moved": "SELECT old, young FROM moved",
    "missing": """SELECT uri FROM before
        WHERE uri NOT IN (SELECT uri FROM images) AND uri NOT IN (SELECT old FROM moved)""",
    "new": """SELECT uri FROM images
        WHERE uri NOT IN (SELECT uri FROM before) AND uri NOT IN (SELECT young FROM moved)""",
}


@dataclass
class Listed:
    """Some of a list, and how many there are in all."""

    count: int = 0
    first: list[Any] = field(default_factory=list)

    def add(self, item: Any) -> None:
        """Count one, and keep it where there is room."""
        self.count += 1
        if len(self.first) < MOST_LISTED:
            self.first.append(item)

    def to_dict(self) -> dict[str, Any]:
        """Give what JSON holds of it."""
        return {"count": self.count, "first": self.first}


@dataclass
class Table:
    """Rows counted by some columns, in their order; each has its count at its end."""

    columns: tuple[str, ...]
    groups: int
    rows: list[tuple[Any, ...]]

    def to_dict(self) -> dict[str, Any]:
        """Give what JSON holds of it."""
        return {
            "columns": list(self.columns),
            "groups": self.groups,
            "rows": [list(row) for row in self.rows],
        }


@dataclass
class Summary:
    """What a scan found.

    Attributes
    ----------
    source : str
        What was scanned.
    images, measurable, studies : int
        Rows of the manifest, those without a code, and the studies of all of them.
    other, packed : int
        Files that are no images, and packed ones that were not looked into; neither has a row.
    codes : dict of str to int
        How many rows have each code.
    duplicates, copies : int
        Rows whose SOP Instance UID an earlier row has, and those of them whose UID no other content has.
    repeated : Listed
        [SOP Instance UID, URI] of images of different content that share one UID: BAC-W-UID-REPEATED.
    mixed : Listed
        Study Instance UIDs of studies whose headers contradict each other: BAC-W-EXAM-MIXED; None for one
        that may not be shown.
    faults : Listed
        [URI, code, text] of what could not be looked into; it may hold images.
    tables : dict of str to Table
        By the names of `TABLES`.
    cost_core_s : float
        Estimated seconds of one core for all that are measurable, copies left out.
    changes : dict of str to Listed or None
        Against an earlier manifest: "changed", "missing" and "new" URIs, and "moved" ones as [from, to].
    """

    source: str
    images: int = 0
    measurable: int = 0
    studies: int = 0
    other: int = 0
    packed: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    copies: int = 0
    repeated: Listed = field(default_factory=Listed)
    mixed: Listed = field(default_factory=Listed)
    faults: Listed = field(default_factory=Listed)
    tables: dict[str, Table] = field(default_factory=dict)
    cost_core_s: float = 0.0
    changes: dict[str, Listed] | None = None

    def report(self, uri: str, error: FailedError) -> None:
        """Take what could not be looked into."""
        self.faults.add([uri, error.code, error.message])

    def count(self, spool: Spool, *, compare: bool) -> None:
        """Count what a settled spool holds; with `compare` against the earlier manifest in it."""
        ((images, measurable, studies, duplicates, copies, cost),) = spool.select(_IMAGES)
        self.images, self.measurable, self.studies = images, measurable or 0, studies
        self.duplicates, self.copies, self.cost_core_s = duplicates or 0, copies or 0, cost or 0.0
        self.codes = dict(spool.select(_CODES))
        self.repeated = _listed(spool, _REPEATED)
        self.mixed = _listed(spool, _MIXED)
        self.tables = {name: _table(spool, name) for name in TABLES}
        if compare:
            spool.select(_MOVES)
            self.changes = {name: _listed(spool, query) for name, query in _CHANGES.items()}

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON document of the summary."""
        return {
            "schema": FORMAT,
            "intended_use": INTENDED_USE,
            "source": self.source,
            "images": self.images,
            "measurable": self.measurable,
            "studies": self.studies,
            "other_files": self.other,
            "packed_files": self.packed,
            "codes": self.codes,
            "duplicates": self.duplicates,
            "equal_copies": self.copies,
            "warnings": {REPEATED: self.repeated.to_dict(), MIXED: self.mixed.to_dict()},
            "faults": self.faults.to_dict(),
            "cost_core_s": round(self.cost_core_s, 1),
            "tables": {name: table.to_dict() for name, table in self.tables.items()},
            "changes": None
            if self.changes is None
            else {name: listed.to_dict() for name, listed in self.changes.items()},
        }


def _table(spool: Spool, name: str) -> Table:
    columns = ", ".join(TABLES[name])
    counted = f"SELECT {columns}, COUNT(*) AS n FROM images GROUP BY {columns}"  # noqa: S608  # our own words
    ((groups,),) = spool.select(f"SELECT COUNT(*) FROM ({counted})")  # noqa: S608
    rows = spool.select(f"{counted} ORDER BY n DESC, {columns} LIMIT {MOST_LISTED}")
    rows.sort(key=lambda row: [(cell is None, str(cell)) for cell in row[:-1]])
    return Table((*(name if "(" in each else each for each in TABLES[name]), "images"), groups, rows)


def _listed(spool: Spool, query: str) -> Listed:
    ((number,),) = spool.select(f"SELECT COUNT(*) FROM ({query})")  # noqa: S608
    found = spool.select(f"{query} ORDER BY 1 LIMIT {MOST_LISTED}")
    return Listed(number, [row[0] if len(row) == 1 else list(row) for row in found])
