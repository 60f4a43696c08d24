"""An evaluation as a page of Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bac_training.evaluate import EvaluationReport
    from bac_training.metrics import Agreement

__all__ = ["to_markdown"]


def to_markdown(report: EvaluationReport) -> str:
    """Return the figures of a report, and the women one by one, as Markdown."""
    detection = report.detection
    positives = detection.true_positive + detection.false_negative
    refused = sum(row.code is not None for row in report.images)
    lines = [
        "# Evaluation",
        "",
        "Research use only. Phantom images: known truth, not patients.",
        "",
        f"Model `{report.model_sha256[:12]}` ({report.engine}, threshold {report.threshold:g}) on "
        f"`{report.data}`: {len(report.women)} women, {len(report.images)} images, {positives} with BAC, "
        f"{refused} refused or failed (counted as nothing found).",
        "",
        "| figure | value |",
        "|---|---|",
        f"| Dice on images with BAC, mean | {_number(report.dice_on_positives)} |",
        f"| Dice, pixels of all images pooled | {_number(report.dice_pooled)} |",
        f"| F1 per image | {_number(detection.f1)} |",
        f"| sensitivity | {_number(detection.sensitivity)} |",
        f"| specificity | {_number(detection.specificity)} |",
        f"| woman's mass, measured - true | {_agreement(report.mass)} |",
        f"| the same, women with BAC | {_agreement(report.mass_of_positives)} |",
        f"| women in their true category | {_number(report.same_category)} |",
        "",
        "| woman | true mg | measured mg | true category | category |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {number} | {w.true_mass_mg:.2f} | {_number(w.mass_mg, 2)} | {w.true_category} | "
        f"{w.category or '-'} |"
        for number, w in enumerate(report.women, start=1)
    ]
    return "\n".join(lines) + "\n"


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _agreement(value: Agreement | None) -> str:
    if value is None:
        return "-"
    limits = (
        ""
        if value.limits_mg is None
        else f", limits {value.limits_mg[0]:+.2f} to {value.limits_mg[1]:+.2f} mg"
    )
    line = "" if value.slope is None else f"; slope {value.slope:.3f}, r {_number(value.correlation)}"
    return f"{value.mean_difference_mg:+.2f} mg{limits} (n = {value.count}){line}"
