"""The report on labelled images as Markdown and as a table for a terminal, both made of its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bac_training.evaluation.figures import Estimate
from bac_training.evaluation.page import table
from bac_training.evaluation.targets import value_text

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
        As ``real.json`` holds it.
    level : int, default 1
        Of its heading.
    """
    data = report["data"]
    lines = [
        "#" * level + " Real images",
        "",
        f"`{data['name']}`: {data['views']} views of {data['patients']} patients. {_judges(report)} In brackets "
        f"95 % intervals of {report['bootstrap']['draws']} bootstrap samples of patients, where there are two or more; "
        "none of n seen leaves up to 3/n. Uncertain images are neither rewarded nor punished; what is refused or "
        "fails counts as missed where there is BAC and not at all where there is none. Research use only.",
        "",
        *table(_NEGATIVE_HEAD, _negative(report)),
    ]
    positive = _positive(report)
    if positive:
        lines += table(_POSITIVE_HEAD, positive)
    lines += _unmeasured(report)
    lines += _models(report)
    lines += _corrections(report)
    return "\n".join(lines).rstrip() + "\n"


def as_text(report: Json) -> str:
    """Return the tables for a terminal."""
    parts = [_columns((_NEGATIVE_HEAD, *_negative(report)))]
    positive = _positive(report)
    if positive:
        parts.append(_columns((_POSITIVE_HEAD, *positive)))
    parts += [line for line in _unmeasured(report) if line]
    return "\n".join(parts)


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _negative(report: Json) -> list[tuple[str, ...]]:
    return [
        (
            _name(group),
            str(group["measured"]),
            str(group["patients_measured"]),
            _share(group["flagged"], group["measured"], group["figures"]["views_flagged"]),
            _share(
                group["patients_flagged"], group["patients_measured"], group["figures"]["patients_flagged"]
            ),
            *(value_text(Estimate(**group["figures"][name]), digits) for name, digits in _NEGATIVE),
        )
        for group in report["groups"]
        if group["views"]["negative"]
    ]


def _positive(report: Json) -> list[tuple[str, ...]]:
    return [
        (
            _name(group),
            _share(group["found"], group["views"]["positive"], group["figures"]["views_found"]),
            f"{group['line_mm']:.0f}" if group["line_mm"] else "-",
            value_text(Estimate(**group["figures"]["line_recall"]), 3),
            value_text(Estimate(**group["figures"]["far_positive_mm2"]), 1),
        )
        for group in report["groups"]
        if group["views"]["positive"]
    ]


def _name(group: Json) -> str:
    if group["kind"] is None and group["source"] is None:
        return f"**{group['name']}**"
    return ", ".join(text for text in (group["kind"] or "kind not told", group["source"]) if text)


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
        if group["kind"] is not None or group["source"] is not None:
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
