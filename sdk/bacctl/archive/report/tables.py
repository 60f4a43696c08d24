"""The tables of a report, each by one question to the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bac_terms.catalogue import CATALOGUE
from bacctl.archive.manifest import AGE_BANDS
from bacctl.archive.report.intervals import wilson
from bacctl.archive.report.rows import UNKNOWN, Rows
from bacctl.archive.report.table import TOTAL, Column, Row, Table
from bacctl.exam.scales import AREA_CLASSES, MASS_CATEGORIES

_SHARE = (
    Column("found", "with BAC found", "count", "women", part=True),
    Column("share", "share", "share", "found"),
    Column("low", "95 % from", "share", "found"),
    Column("high", "to", "share", "found"),
)


def tables(rows: Rows) -> list[Table]:
    """Make all tables but those of drift.

    Parameters
    ----------
    rows : Rows
        With the exams that were put together.

    Returns
    -------
    list of Table
        With all counts; none is withheld yet.
    """
    return [
        analysed(rows),
        codes(rows),
        unanswered(rows),
        prevalence(rows),
        mass_classes(rows),
        mass_amounts(rows),
        area_classes(rows),
        area_amounts(rows),
        views(rows),
        units(rows),
    ]


def analysed(rows: Rows) -> Table:
    """Count what there is."""
    [images] = rows.query(
        "SELECT count(*), count(*) FILTER (status = 'ok'), count(*) FILTER (status = 'refused'),"
        " count(*) FILTER (status = 'failed'), count(*) FILTER (study_instance_uid IS NULL),"
        " count(DISTINCT woman), count(DISTINCT woman) FILTER (patient_key IS NULL) FROM images"
    )
    [exams] = rows.query("SELECT count(*), count(*) FILTER (complete) FROM exams")
    [women] = rows.query("SELECT count(*) FILTER (complete) FROM women")
    told = (  # the last number is what it is a part of: the rest must not be small either
        ("images", images[0], "images", images[0]),
        ("images measured", images[1], "status", images[0]),
        ("images refused", images[2], "status", images[0]),
        ("images failed", images[3], "status", images[0]),
        ("images in no exam, since no header names their study", images[4], "no exam", images[0]),
        ("exams (studies)", exams[0], "exams", exams[0]),
        ("exams with an answer: each breast has an accepted CC or MLO image", exams[1], "answer", exams[0]),
        ("women", images[5], "women", images[5]),
        ("women with an answer, each by her latest such exam", women[0], "women answered", images[5]),
        ("women whose header names nobody, so that each study counts as one", images[6], "nobody", images[5]),
    )
    return Table(
        "analysed",
        "What was analysed",
        (Column("what", ""), Column("count", "number", "count", "whole", part=True)),
        [{"what": what, "count": count, "part": part, "whole": whole} for what, count, part, whole in told],
        groups=("part",),
    )


def codes(rows: Rows) -> Table:
    """Count refusals, failures and warnings by their code."""
    found = rows.query(
        "SELECT status, code, count(*), count(DISTINCT woman) FROM images WHERE status <> 'ok' GROUP BY ALL"
        " UNION ALL SELECT 'warning', warning, count(*), count(DISTINCT woman)"
        " FROM (SELECT woman, unnest(list_distinct(string_split(warnings, ' '))) AS warning FROM images"
        " WHERE status = 'ok' AND warnings <> '') GROUP BY warning ORDER BY 1 DESC, 3 DESC, 2"
    )
    return Table(
        "codes",
        "Refusals, failures and warnings",
        (
            Column("code", "code"),
            Column("kind", "kind"),
            Column("meaning", "meaning"),
            Column("women", "women", "count"),
            Column("images", "images", "count", "women"),
        ),
        [
            {
                "code": code or UNKNOWN,
                "kind": kind,
                "meaning": CATALOGUE[code].meaning if code in CATALOGUE else "",
                "women": women,
                "images": images,
            }
            for kind, code, images, women in found
        ],
        note="An image has one refusal or failure, and may have several warnings.",
        groups=("kind", "code"),
    )


def unanswered(rows: Rows) -> Table:
    """Count the exams without an answer by the reason."""
    found = rows.query(
        "SELECT why, count(DISTINCT woman), count(*) FROM exams WHERE NOT complete"
        " GROUP BY why ORDER BY 2 DESC, 1"
    )
    return Table(
        "unanswered",
        "Exams without an answer",
        (
            Column("why", "reason"),
            Column("women", "women", "count"),
            Column("exams", "exams", "count", "women"),
        ),
        [{"why": why, "women": women, "exams": exams} for why, women, exams in found],
        note="They are in no share and no amount below.",
    )


def prevalence(rows: Rows) -> Table:
    """Count women with BAC by age band."""
    counts = {
        band: (women, found)
        for band, women, found in rows.query(
            "SELECT age_band, count(*), count(*) FILTER (found) FROM women WHERE complete GROUP BY age_band"
        )
    }
    bands = [band for band in (*AGE_BANDS, UNKNOWN) if band in counts]
    parts = [_share("age_band", band, *counts[band]) for band in bands]
    women, found = (sum(count[place] for count in counts.values()) for place in (0, 1))
    return Table(
        "prevalence",
        "Women with BAC found, by age",
        (Column("age_band", "age"), Column("women", "women", "count"), *_SHARE),
        [*parts, *([_share("age_band", TOTAL, women, found)] if women else [])],
        note="A woman counts once, by her latest exam with an answer, which also tells her age. What is found"
        " is what the network reports at the operating point, true or not. Intervals are Wilson's, 95 %.",
    )


def mass_classes(rows: Rows) -> Table:
    """Count women by the six classes of calibrated mass, and apart those without one."""
    counts = {
        (basis, category if basis == "calibrated" else "found" if found else "none found"): women
        for basis, category, found, women in rows.query(
            "SELECT basis, CASE WHEN basis = 'calibrated' THEN category END, found, count(*) FROM women"
            " WHERE complete GROUP BY ALL"
        )
    }
    classes = [("calibrated", name) for name in ("0", *MASS_CATEGORIES)]
    apart = [(basis, finding) for basis in ("estimated", "none") for finding in ("found", "none found")]
    words = {"estimated": "estimated mass only", "none": "no mass (images made for viewing, film)"}
    weighed = sum(counts.get(key, 0) for key in classes)
    return Table(
        "mass_classes",
        "Classes of calcium mass",
        (
            Column("mass_class", "class, mg"),
            Column("women", "women", "count"),
            Column("share", "of those weighed", "share", "women"),
        ),
        [
            *(
                {
                    "mass_class": name,
                    "women": counts.get((basis, name), 0),
                    "share": counts.get((basis, name), 0) / weighed if weighed else None,
                }
                for basis, name in classes
            ),
            *(
                {"mass_class": f"{words[key[0]]}: BAC {key[1]}", "women": counts[key], "share": None}
                for key in apart
                if key in counts
            ),
        ],
        note="The six classes are of calibrated masses alone (both breasts, every view that counts); women"
        " without one stand below and are in no share.",
    )


def mass_amounts(rows: Rows) -> Table:
    """Describe the calibrated masses of women with BAC."""
    return _amounts(rows, "mass", "Calcium mass of women with BAC, mg", "Calibrated masses alone.")


def area_classes(rows: Rows) -> Table:
    """Count women by the four classes of area."""
    counts = dict(rows.query("SELECT area_class, count(*) FROM women WHERE complete GROUP BY area_class"))
    names = [name for name in ("0", *AREA_CLASSES, None) if name is not None or name in counts]
    women = sum(counts.values())
    return Table(
        "area_classes",
        "Classes of calcified area",
        (
            Column("area_class", "class, mm²"),
            Column("women", "women", "count"),
            Column("share", "share", "share", "women"),
        ),
        [
            {
                "area_class": name or UNKNOWN,
                "women": counts.get(name, 0),
                "share": counts.get(name, 0) / women if women else None,
            }
            for name in names
        ],
        note="Of all women with an answer, weighed or not.",
    )


def area_amounts(rows: Rows) -> Table:
    """Describe the areas of women with BAC."""
    return _amounts(rows, "area", "Calcified area of women with BAC, mm²", "Of women weighed or not.")


def views(rows: Rows) -> Table:
    """Describe the images of each side and view."""
    return Table(
        "views",
        "By side and view",
        (Column("view", "view"), Column("laterality", "side"), *_IMAGE_COLUMNS),
        [
            {"laterality": side, "view": view, **_of_images(values)}
            for by_view, side, view, _, _, _, *values in rows.query(_IMAGES)
            if by_view
        ],
        note=_IMAGE_NOTE,
    )


def units(rows: Rows) -> Table:
    """Describe the images of each manufacturer, model and release of software."""
    return Table(
        "units",
        "By manufacturer, model and software",
        (
            Column("manufacturer", "manufacturer"),
            Column("model", "model"),
            Column("software_versions", "software"),
            *_IMAGE_COLUMNS,
        ),
        [
            {
                "manufacturer": manufacturer,
                "model": model,
                "software_versions": versions,
                **_of_images(values),
            }
            for by_view, _, _, manufacturer, model, versions, *values in rows.query(_IMAGES)
            if not by_view
        ],
        note=_IMAGE_NOTE,
    )


_IMAGES = """
WITH told AS (
    SELECT woman, status, bac_detected, mass_basis, calcium_mass_mg, area_mm2,
        coalesce(laterality, 'unknown') AS laterality, coalesce(view, 'unknown') AS view,
        coalesce(manufacturer, 'unknown') AS manufacturer, coalesce(model, 'unknown') AS model,
        coalesce(software_versions, 'unknown') AS software_versions
    FROM images
)
SELECT grouping(manufacturer) = 1, laterality, view, manufacturer, model, software_versions,
    count(DISTINCT woman), count(*), count(*) FILTER (status = 'ok'), count(*) FILTER (bac_detected),
    count(*) FILTER (bac_detected AND mass_basis = 'calibrated'),
    median(calcium_mass_mg) FILTER (bac_detected AND mass_basis = 'calibrated'),
    median(area_mm2) FILTER (bac_detected)
FROM told
GROUP BY GROUPING SETS ((laterality, view), (manufacturer, model, software_versions))
ORDER BY count(*) DESC, laterality, view, manufacturer, model, software_versions
"""
_IMAGE_COLUMNS = (
    Column("women", "women", "count"),
    Column("images", "images", "count", "women"),
    Column("measured", "measured", "count", "images", part=True),
    Column("found", "with BAC found", "count", "measured", part=True),
    Column("share", "share", "share", "found"),
    Column("weighed", "of these with calibrated mass", "count", "found", part=True),
    Column("mass_mg", "median mass, mg", "number", "weighed"),
    Column("area_mm2", "median area, mm²", "number", "found"),
)
_IMAGE_NOTE = (
    "Counted by image: shares have no interval, since the images of one woman are not independent. Medians"
    " are of images with BAC found."
)


def _of_images(values: Sequence[Any]) -> dict[str, Any]:
    women, images, measured, found, weighed, mass, area = values
    return {
        "women": women,
        "images": images,
        "measured": measured,
        "found": found,
        "share": found / measured if measured else None,
        "weighed": weighed,
        "mass_mg": mass,
        "area_mm2": area,
    }


_AMOUNTS = """
WITH amounts AS (
    SELECT 'mass' AS amount, age_band, mass_mg AS value FROM women
    WHERE complete AND found AND basis = 'calibrated'
    UNION ALL SELECT 'area', age_band, area_mm2 FROM women WHERE complete AND found
)
SELECT coalesce(age_band, 'all'), count(value), quantile_cont(value, [0.25, 0.5, 0.75, 0.9]) FROM amounts
WHERE amount = $amount AND value IS NOT NULL GROUP BY GROUPING SETS ((age_band), ())
"""


def _amounts(rows: Rows, name: str, title: str, note: str) -> Table:
    """Describe an amount of women by age band, and of all."""
    found = {band: values for band, *values in rows.query(_AMOUNTS, amount=name) if values[0]}
    return Table(
        name,
        title,
        (
            Column("age_band", "age"),
            Column("women", "women", "count"),
            Column("quarter", "a quarter below", "number", "women"),
            Column("median", "median", "number", "women"),
            Column("three_quarters", "three quarters below", "number", "women"),
            Column("nine_tenths", "nine tenths below", "number", "women"),
        ),
        [_quantiles(band, *found[band]) for band in (*AGE_BANDS, UNKNOWN, TOTAL) if band in found],
        note=note,
    )


def _quantiles(band: str, count: int, found: Sequence[float]) -> Row:
    names = ("quarter", "median", "three_quarters", "nine_tenths")
    return {"age_band": band, "women": count, **dict(zip(names, found, strict=True))}


def _share(key: str, name: str, women: int, found: int) -> Mapping[str, Any]:
    low, high = wilson(found, women)
    return {key: name, "women": women, "found": found, "share": found / women, "low": low, "high": high}
