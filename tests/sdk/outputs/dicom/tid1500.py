"""The rows of TID 1500 and of what it includes, as PS3.16 publishes them, held against a report.

Each template is a list of rows: relationship, value types, concept names (None for any), least and most
number, and the rows below. What no row allows is a fault, and so is a row that is missing or comes too often.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydicom.dataset import Dataset

MANY = 10**6


@dataclass(frozen=True)
class Row:
    relation: str
    types: tuple[str, ...]
    concepts: frozenset[tuple[str, str]] | None
    least: int = 0
    most: int = 1
    below: tuple[Row, ...] = field(default=())


def dcm(*values: str) -> frozenset[tuple[str, str]]:
    return frozenset((value, "DCM") for value in values)


LANGUAGE = (
    Row(
        "HAS CONCEPT MOD", ("CODE",), dcm("121049"), 1, 1, (Row("HAS CONCEPT MOD", ("CODE",), dcm("121046")),)
    ),
)
# TID 1002, 1004: a device observer. Its UID is mandatory.
OBSERVER = (
    Row("HAS OBS CONTEXT", ("CODE",), dcm("121005"), 1, 1),
    Row("HAS OBS CONTEXT", ("UIDREF",), dcm("121012"), 1, 1),
    *(
        Row("HAS OBS CONTEXT", ("TEXT",), dcm(code))
        for code in ("121013", "121014", "121015", "121016", "121017")
    ),
)
# TID 300 with 310: properties of a measurement.
MEASUREMENT_BELOW = (
    Row("HAS CONCEPT MOD", ("CODE",), None, 0, MANY),
    Row("HAS PROPERTIES", ("CODE",), dcm("121402", "121403", "121404"), 0, 3),
    Row("HAS PROPERTIES", ("NUM",), frozenset({("371886008", "SCT")})),
    Row("HAS PROPERTIES", ("NUM",), frozenset({("371885007", "SCT")})),
    Row("INFERRED FROM", ("IMAGE", "SCOORD", "NUM"), None, 0, MANY),
)
# TID 4019.
ALGORITHM = (
    Row("HAS CONCEPT MOD", ("TEXT",), dcm("111001"), 1, 1),
    Row("HAS CONCEPT MOD", ("TEXT",), dcm("111003"), 1, 1),
    Row("HAS CONCEPT MOD", ("TEXT",), dcm("122405")),
    Row("HAS CONCEPT MOD", ("TEXT",), dcm("111002"), 0, MANY),
    Row("HAS CONCEPT MOD", ("CODE",), dcm("111000")),
)
SITE = (
    Row("HAS CONCEPT MOD", ("CODE",), frozenset({("363698007", "SCT")}), 0, MANY, (
        Row("HAS CONCEPT MOD", ("CODE",), frozenset({("272741003", "SCT")})),
        Row("HAS CONCEPT MOD", ("CODE",), frozenset({("106233006", "SCT")})),
    )),
)  # fmt: skip
# Rows that TID 1501 and 1410 have in common. IHE AIR asks for both tracking rows and for the finding.
GROUP = (
    Row("HAS OBS CONTEXT", ("TEXT",), dcm("112039"), 1, 1),
    Row("HAS OBS CONTEXT", ("UIDREF",), dcm("112040"), 1, 1),
    Row("CONTAINS", ("CODE",), frozenset({("276214006", "SCT")})),
    Row("CONTAINS", ("CODE",), dcm("121071"), 1, 1),
    *SITE,
    *ALGORITHM,
    Row("CONTAINS", ("NUM",), None, 1, MANY, MEASUREMENT_BELOW),
    Row("CONTAINS", ("CODE",), None, 0, MANY),
    Row("CONTAINS", ("TEXT",), None, 0, MANY),
)
TID_1501 = (*GROUP, Row("CONTAINS", ("IMAGE",), dcm("121112"), 0, MANY))
# One plane: a region or a segment, with the image that it was drawn on.
TID_1410 = (
    *GROUP,
    Row("CONTAINS", ("IMAGE",), dcm("121214"), 1, 1),
    Row("CONTAINS", ("IMAGE",), dcm("121233"), 1, 1),
)
DESCRIBED = ("CODE", "NUM", "TEXT", "UIDREF", "DATE", "TIME")
ENTRY = (Row("HAS ACQ CONTEXT", DESCRIBED, None, 1, MANY),)
ENTRIES = (
    Row("CONTAINS", ("IMAGE",), None, 1, MANY, ENTRY),
    Row("HAS ACQ CONTEXT", DESCRIBED, None, 0, MANY),
)
LIBRARY = (Row("CONTAINS", ("CONTAINER",), dcm("126200"), 1, MANY, ENTRIES),)
TID_1500 = (
    *LANGUAGE,
    *OBSERVER,
    Row("HAS CONCEPT MOD", ("CODE",), dcm("121058"), 1, MANY),
    Row("CONTAINS", ("CONTAINER",), dcm("111028"), 0, 1, LIBRARY),
    Row("CONTAINS", ("CONTAINER",), dcm("126010"), 1, 1),
)


def faults(report: Dataset) -> list[str]:
    """Return what a report has that no row allows, and what it lacks."""
    found = []
    if _concept(report) not in dcm("126000", "126001", "126002", "126003"):  # CID 7021
        found.append("title is not of CID 7021")
    if report.ContentTemplateSequence[0].TemplateIdentifier != "1500":
        found.append("names no TID 1500")
    found += _held("TID 1500", report, TID_1500)
    (measured,) = (item for item in report.ContentSequence if _concept(item) == ("126010", "DCM"))
    for number, group in enumerate(measured.ContentSequence):
        where = f"group {number}"
        if (group.RelationshipType, group.ValueType, _concept(group)) != (
            "CONTAINS",
            "CONTAINER",
            ("125007", "DCM"),
        ):
            found.append(f"{where} is no measurement group")
        template = group.ContentTemplateSequence[0].TemplateIdentifier
        rows = {"1501": TID_1501, "1410": TID_1410}.get(template)
        if rows is None:
            found.append(f"{where} is of TID {template}")
            continue
        found += _held(where, group, rows)
    return found


def _held(where: str, container: Dataset, rows: tuple[Row, ...]) -> list[str]:
    found = []
    counts = [0] * len(rows)
    for item in container.get("ContentSequence", ()):
        fitting = [number for number, row in enumerate(rows) if _fits(item, row)]
        if not fitting:
            found.append(f"{where}: no row for {item.RelationshipType} {item.ValueType} {_concept(item)}")
            continue
        # Rows that name a concept come before those that take any.
        number = min(fitting, key=lambda number: rows[number].concepts is None)
        counts[number] += 1
        if _concept(item) != ("126010", "DCM"):
            found += _held(f"{where} > {_concept(item)[0]}", item, rows[number].below)
    for row, count in zip(rows, counts, strict=True):
        if not row.least <= count <= row.most:
            found.append(f"{where}: {count} times {row.relation} {row.types} {row.concepts}")
    return found


def _fits(item: Dataset, row: Row) -> bool:
    named = row.concepts is None or _concept(item) in row.concepts
    return item.RelationshipType == row.relation and item.ValueType in row.types and named


def _concept(item: Dataset) -> tuple[str, str]:
    if "ConceptNameCodeSequence" not in item:
        return "", ""
    code = item.ConceptNameCodeSequence[0]
    return code.CodeValue, code.CodingSchemeDesignator
