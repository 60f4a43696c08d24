"""Reliability and operating points as Markdown and as lines for a terminal, made of their JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["points_rows", "summary_lines", "to_markdown"]

Json = Mapping[str, Any]

_POINTS_HEAD = (
    "source",
    "min_probability",
    "views without BAC flagged",
    "false mm2 a view",
    "views with BAC found",
    "centre lines covered",
)
_UNITS = (("image", "per image"), ("vessel", "per vessel"))


def to_markdown(probability: Json, level: int = 2) -> str:
    """Return the section.

    Parameters
    ----------
    probability : mapping
        ``probability`` of a ``report.json``, or of ``calibration.json``.
    level : int, default 2
        Of its heading.
    """
    lines = ["#" * level + " Probability", "", _introduction(probability), ""]
    for unit, heading in _UNITS:
        found = probability[unit]
        lines += [f"Expected calibration error {heading}: {_error(found)}.", ""]
        if found["bins"]:
            lines += _table(
                ("probability", "cases", "of them true", "mean probability", "share that is true"),
                [
                    (
                        f"{entry['low']:.1f} to {entry['high']:.1f}",
                        str(entry["cases"]),
                        str(entry["positives"]),
                        f"{entry['mean']:.3f}",
                        f"{entry['observed']:.3f}",
                    )
                    for entry in found["bins"]
                ],
            )
    lines += _table(
        ("source", "images with BAC", "mean probability", "without BAC", "mean probability"),
        [
            (
                entry["source"],
                str(entry["positives"]),
                _number(entry["mean_positive"], 3),
                str(entry["negatives"]),
                _number(entry["mean_negative"], 3),
            )
            for entry in probability["sources"]
        ],
    )
    lines += ["#" * level + " Operating points", ""]
    lines += [
        "What is left when finds of a lower probability than `min_probability` are not reported. Which point "
        "is right depends on what a false find costs; 0 is the default.",
        "",
        *_table(_POINTS_HEAD, points_rows(probability["points"])),
    ]
    return "\n".join(lines).rstrip() + "\n"


def summary_lines(probability: Json) -> list[str]:
    """Return the errors and the operating points as lines for a terminal."""
    lines = [f"expected calibration error {heading}: {_error(probability[unit])}" for unit, heading in _UNITS]
    lines.append(_introduction(probability))
    rows = [_POINTS_HEAD, *points_rows(probability["points"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_POINTS_HEAD))]
    return [
        *lines,
        *("  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)).rstrip() for row in rows),
    ]


def points_rows(points: Sequence[Json]) -> list[tuple[str, ...]]:
    """Return the cells of the table of operating points."""
    return [
        (
            point["source"],
            f"{point['min_probability']:g}",
            _share(point["flagged"], point["negatives"]),
            _number(point["false_mm2"], 2),
            _share(point["found"], point["positives"]),
            _number(point["line_recall"], 3),
        )
        for point in points
    ]


def _introduction(probability: Json) -> str:
    percent = 100 * probability["prevalence"]
    if probability["basis"] == "score":
        given = "There is no probability map: these are the network's scores, which promise no probability"
    else:
        left = ", ".join(probability["left_out"])
        own = f"; images of {left} by maps that were fitted without them" if left else ""
        given = f"Probabilities by the map `{probability['map_sha256'][:12]}`{own}"
    classes = probability["image"]["positives"], probability["image"]["cases"]
    if 0 < classes[0] < classes[1]:
        return f"{given}. Images are weighed so that {percent:g} % of them show BAC."
    return f"{given}. All images are of one kind, with or without BAC, so that the shares are theirs alone."


def _error(found: Json) -> str:
    cases = f"{found['cases']} cases, {found['positives']} true"
    return f"- ({cases})" if found["error"] is None else f"{found['error']:.3f} ({cases})"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}, {100 * part / whole:.0f} %" if whole else "-"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [*("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows)), ""]
