"""The report on labelled images as Markdown and as a table for a terminal, both made of its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bac_evaluation.figures import Estimate
from bac_evaluation.page import table
from bac_evaluation.probability.page import summary_lines
from bac_evaluation.probability.page import to_markdown as probability_section
from bac_evaluation.targets import value_text

__all__ = ["as_text", "to_markdown"]

Json = Mapping[str, Any]

_NEGATIVE = (
    ("false_mm2", 1),
    ("false_skin_mm2", 1),
    ("false_below_skin_mm2", 1),
    ("false_deep_mm2", 1),
)
_NEGATIVE_HEAD = (
    "images without BAC",
    "views",
    "patients",
    "views flagged",
    "patients flagged",
    "false mm2 a view",
    "within 3 mm of the skin line",
    "3 to 10 mm",
    "deeper",
)
_POSITIVE_HEAD = (
    "images with BAC",
    "views found",
    "drawn, mm",
    "of it covered",
    "over 3 mm from any line, mm2 a view",
)


def to_markdown(report: Json, level: int = 1) -> str:
    """Return a report as Markdown.

    Parameters
    ----------
    report : mapping
        As its ``report.json`` holds it.
    level : int, default 1
        Of its heading.
    """
    data = report["data"]
    lines = [
        "#" * level + " Real images",
        "",
        f"`{data['name']}`: {data['views']} views of {data['patients']} patients. {_judges(report)} "
        f"In brackets 95 % intervals of {report['bootstrap']['draws']} bootstrap samples of patients, where "
        "there are two or more; none of n seen leaves up to 3/n. Uncertain images are neither rewarded nor "
        "punished; what is refused or fails counts as missed where there is BAC, and not at all where there "
        "is none. Research use only.",
        "",
    ]
    for head, rows in _tables(report):
        lines += table(head, rows)
    lines += _unmeasured(report)
    lines += _models(report)
    lines += _corrections(report)
    if "probability" in report:  # reports of older releases have none
        lines.append(probability_section(report["probability"], level + 1))
    return "\n".join(lines).rstrip() + "\n"


def as_text(report: Json) -> str:
    """Return the networks and the tables for a terminal."""
    parts = [
        f"{'' if model['fold'] is None else 'fold ' + model['fold'] + ': '}{model['views']} views of "
        f"{model['patients']} patients; model {model['sha256'][:12]}, threshold {model['threshold']:g}"
        for model in report["models"]
    ]
    parts += [_columns((head, *rows)) for head, rows in _tables(report)]
    parts += [line for line in _unmeasured(report) if line]
    if "probability" in report:
        parts += summary_lines(report["probability"])
    parts += [
        f"{correction['image']}: {correction['label']}, was {correction['was']}; {correction['reason']}"
        for correction in report["corrections"]
    ]
    return "\n".join(parts)


def _tables(report: Json) -> list[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    """Return head and rows of the tables that have rows."""
    tables = ((_NEGATIVE_HEAD, _negative(report)), (_POSITIVE_HEAD, _positive(report)))
    return [(head, rows) for head, rows in tables if rows]


def _shown(report: Json, label: str) -> list[tuple[str, Json]]:
    """Return the groups that hold images of a label, with their names; a part that is all of its kind not."""
    shown = []
    for group in report["groups"]:
        parts = [g for g in report["groups"] if g["name"] == group["name"] and not _is_whole(g)]
        if not group["views"][label] or (len(parts) < 2 and not _is_whole(group)):
            continue
        title = ", ".join(text for text in (group["kind"] or "kind not told", group["source"]) if text)
        if _is_whole(group):
            only = f" ({parts[0]['source']})" if len(parts) == 1 and parts[0]["source"] else ""
            title = f"**{group['name']}**{only}"
        shown.append((title, group))
    return shown


def _is_whole(group: Json) -> bool:
    return group["kind"] is None and group["source"] is None


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _negative(report: Json) -> list[tuple[str, ...]]:
    return [
        (
            name,
            str(group["measured"]),
            str(group["patients_measured"]),
            _share(group["flagged"], group["measured"], group["figures"]["views_flagged"]),
            _share(
                group["patients_flagged"], group["patients_measured"], group["figures"]["patients_flagged"]
            ),
            *(value_text(Estimate(**group["figures"][figure]), digits) for figure, digits in _NEGATIVE),
        )
        for name, group in _shown(report, "negative")
    ]


def _positive(report: Json) -> list[tuple[str, ...]]:
    return [
        (
            name,
            _share(group["found"], group["views"]["positive"], group["figures"]["views_found"]),
            f"{group['line_mm']:.0f}" if group["line_mm"] else "-",
            value_text(Estimate(**group["figures"]["line_recall"]), 3),
            value_text(Estimate(**group["figures"]["far_positive_mm2"]), 1),
        )
        for name, group in _shown(report, "positive")
    ]


def _share(part: int, whole: int, found: Mapping[str, float | None]) -> str:
    """Write a share, such as ``"3 of 48, 6 % [0, 13]"``."""
    if not whole or found["value"] is None:
        return "-"
    text = f"{part} of {whole}, {100 * found['value']:.0f} %"
    if found["low"] is not None and found["high"] is not None:
        text += f" [{100 * found['low']:.0f}, {100 * found['high']:.0f}]"
    return text


def _judges(report: Json) -> str:
    if report["held_out"]:
        return "Each image was judged by a network that has not seen its patient (below)."
    (model,) = report["models"]
    return f"All were judged by the network `{model['sha256'][:12]}` ({_settings(model)})."


def _settings(model: Json) -> str:
    demands = "".join(f", {name} {value:g}" for name, value in model["post_processing"].items())
    return f"{model['engine']}, threshold {model['threshold']:g}{demands}"


def _unmeasured(report: Json) -> list[str]:
    parts = []
    for group in report["groups"]:
        if not _is_whole(group):
            continue
        for how in ("refused", "failed"):
            parts += [f"{number} {group['name']} {how} ({code})" for code, number in group[how].items()]
    uncertain = sum(image["label"] == "uncertain" for image in report["images"])
    if uncertain:
        parts.append(f"{uncertain} uncertain")
    return [f"Beside these: {', '.join(parts)}.", ""] if parts else []


def _models(report: Json) -> list[str]:
    if not report["held_out"]:
        return []
    return table(
        ("fold", "network that has not seen it", "views", "patients", "settings"),
        [
            (
                str(model["fold"]),
                f"`{model['sha256'][:12]}`",
                str(model["views"]),
                str(model["patients"]),
                _settings(model),
            )
            for model in report["models"]
        ],
    )


def _corrections(report: Json) -> list[str]:
    if not report["corrections"]:
        return []
    return table(
        ("corrected reading", "was", "is", "reason"),
        [
            tuple(str(correction[key]).replace("|", "/") for key in ("image", "was", "label", "reason"))
            for correction in report["corrections"]
        ],
    )
