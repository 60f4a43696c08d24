"""The table that the model is held against: the paper's figures, the targets, what was reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bac_evaluation.figures import Estimate

__all__ = ["TARGETS", "Target", "as_text", "is_met", "lines", "reached_by", "value_text"]


@dataclass(frozen=True)
class Target:
    """One line of the table.

    Attributes
    ----------
    group, figure : str
        Which figure.
    label : str
        In words.
    paper : str or None
        What Molloi et al. (Academic Radiology, 2025) give, None where they give nothing.
    goal : float
        Wanted.
    rising : bool
        Whether more is better.
    unit : str
        Of the figure, "" for a share.
    digits : int
        Decimals that are written.
    """

    group: str
    figure: str
    label: str
    paper: str | None
    goal: float
    rising: bool = True
    unit: str = ""
    digits: int = 3


TARGETS = (
    Target(
        "segmentation", "dice_2mg", "Dice, whole image, mean over positives of 2 mg and more", "0.89", 0.90
    ),
    Target("segmentation", "dice_2mg_wide", "the same, arteries wider than 1.5 mm", None, 0.93),
    Target("segmentation", "dice_pooled", "Dice, pooled over all pixels", None, 0.91),
    Target("segmentation", "line_recall", "centre-line recall, within 1 mm", None, 0.95),
    Target("segmentation", "line_precision", "centre-line precision, within 1 mm", None, 0.95),
    Target(
        "segmentation", "surface_dice_2mg", "surface Dice at 0.2 mm, positives of 2 mg and more", None, 0.95
    ),
    Target("detection", "woman_f1", "F1 per woman", "0.97", 0.98),
    Target("categories", "exact", "six mass classes, exact agreement", None, 0.95),
    Target("segmentation", "hd95_mm", "HD95, median over matched arteries", None, 1.0, False, "mm", 2),
    Target(
        "vessels",
        "smallest_found_mg",
        "smallest mass found at 90 % sensitivity, 7 mg/cm2 and more",
        None,
        2.0,
        False,
        "mg",
        2,
    ),
    Target("vessels", "false_per_view", "false vessels a view at that", None, 0.1, False, "", 3),
)


def is_met(target: Target, reached: Estimate) -> bool | None:
    """Tell whether the figure itself reaches its target; None where it cannot be computed."""
    if reached.value is None:
        return None
    return reached.value >= target.goal if target.rising else reached.value <= target.goal


def reached_by(figures: Mapping[str, Mapping[str, Estimate]]) -> Iterator[tuple[Target, Estimate]]:
    """Yield each target with what was reached."""
    for target in TARGETS:
        yield target, figures[target.group][target.figure]


def lines(figures: Mapping[str, Mapping[str, Estimate]]) -> list[tuple[str, str, str, str, str]]:
    """Write the lines of the table: figure, the paper's, target, reached, met or not."""
    return [
        (
            target.label,
            target.paper or "-",
            _goal_text(target),
            value_text(reached, target.digits, target.unit),
            {True: "yes", False: "no", None: "-"}[is_met(target, reached)],
        )
        for target, reached in reached_by(figures)
    ]


def value_text(reached: Estimate, digits: int, unit: str = "") -> str:
    """Write a figure with its interval, such as ``"0.912 [0.880, 0.934]"``; a dash where there is none."""
    if reached.value is None:
        return "-"
    text = f"{reached.value:.{digits}f}"
    if reached.low is not None and reached.high is not None:
        text += f" [{reached.low:.{digits}f}, {reached.high:.{digits}f}]"
    return f"{text} {unit}".rstrip()


def as_text(figures: Mapping[str, Mapping[str, Estimate]]) -> str:
    """Return the table for a terminal."""
    rows = [("figure", "paper", "target", "reached [95 %]", "met"), *lines(figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _goal_text(target: Target) -> str:
    """Write a target, such as ``"0.90"`` or ``"to 1 mm"``."""
    text = f"{target.goal:.2f}" if target.rising else f"to {target.goal:g}"
    return f"{text} {target.unit}".rstrip()
