"""An evaluation as a page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bac_evaluation.figures import Estimate
from bac_evaluation.probability.page import to_markdown as probability_section
from bac_evaluation.report import Report
from bac_evaluation.sample import CATEGORIES
from bac_evaluation.strata import Stratum
from bac_evaluation.targets import lines as target_lines
from bac_evaluation.targets import value_text

__all__ = ["table", "to_markdown"]

Figures = Mapping[str, Estimate]

_SEGMENTATION = (
    ("dice", "Dice, whole image, mean over all positives", 3, ""),
    ("dice_2mg", "the same, positives of 2 mg and more", 3, ""),
    ("dice_2mg_wide", "the same, arteries wider than 1.5 mm", 3, ""),
    ("dice_pooled", "Dice, pooled over all pixels", 3, ""),
    ("line_recall", "centre-line recall within 1 mm", 3, ""),
    ("line_precision", "centre-line precision within 1 mm", 3, ""),
    ("cldice", "clDice: harmonic mean of the two", 3, ""),
    ("surface_dice", "surface Dice at 0.2 mm, mean over all positives", 3, ""),
    ("surface_dice_2mg", "the same, positives of 2 mg and more", 3, ""),
    ("surface_dice_pooled", "surface Dice at 0.2 mm, pooled over all borders", 3, ""),
    ("hd95_mm", "HD95, median over matched arteries", 2, "mm"),
    ("artery_dice", "Dice of single arteries, mean", 3, ""),
    ("artery_dice_wide", "the same, wider than 1.5 mm", 3, ""),
    ("artery_covered", "part of an artery's centre line covered, mean", 3, ""),
    ("false_area_negative_mm2", "false mask on a view without BAC, mean", 2, "mm2"),
    ("false_area_mm2", "false mask on any view (over 1 mm from truth), mean", 2, "mm2"),
)
_VESSELS = (
    ("sensitivity", "vessels found", 3, ""),
    ("false_per_view", "false vessels a view", 3, ""),
    ("sensitivity_at_0.05", "sensitivity at 0.05 false vessels a view", 3, ""),
    ("sensitivity_at_0.1", "at 0.1", 3, ""),
    ("sensitivity_at_0.25", "at 0.25", 3, ""),
    ("sensitivity_at_0.5", "at 0.5", 3, ""),
    ("sensitivity_at_1", "at 1", 3, ""),
    ("sensitivity_dense", "vessels of 7 mg/cm2 and more found", 3, ""),
    ("smallest_found_mg", "smallest mass of these found at 90 % sensitivity", 2, "mg"),
)
_MASS = (
    ("slope", "slope", 3),
    ("intercept_mg", "intercept, mg", 2),
    ("r", "r", 3),
    ("see_mg", "SEE, mg", 2),
    ("mean_difference_mg", "mean difference, mg", 2),
    ("lower_limit_mg", "lower limit, mg", 2),
    ("upper_limit_mg", "upper limit, mg", 2),
)
_STRATUM = (
    ("dice", "Dice", 3),
    ("line_recall", "line recall", 3),
    ("line_precision", "line precision", 3),
    ("sensitivity", "sensitivity", 3),
    ("specificity", "specificity", 3),
    ("false_vessels", "false vessels", 2),
    ("false_area_mm2", "false mm2", 2),
    ("mass_slope", "mass slope", 2),
)
_VESSEL_STRATUM = (
    ("sensitivity", "found", 3),
    ("covered", "covered", 3),
    ("dice", "Dice", 3),
    ("hd95_mm", "HD95, mm", 2),
)
_LEVELS = ("view", "breast", "woman")


def to_markdown(report: Report, pictures: Mapping[str, Sequence[str]]) -> str:
    """Return the figures of a report as Markdown.

    Parameters
    ----------
    report : Report
        Result.
    pictures : mapping of str to sequence of str
        File names, relative to the page, by what they show.
    """
    data, model = report.data, report.model
    lines = [
        "# Evaluation",
        "",
        "Research use only. Where the data is a phantom, the truth is known and the images are no patients'.",
        "",
        f"Model `{model['sha256'][:12]}` ({model['engine']}, threshold {model['threshold']:g}"
        f"{_post_processing(model['post_processing'])}) on `{data['name']}`: {data['women']} women, "
        f"{data['views']} views, {data['positive_views']} with BAC; {report.unmeasured()}. In brackets 95 % "
        f"intervals of {report.draws} bootstrap samples of women.",
        "",
        *table(("figure", "paper", "target", "reached", "met"), target_lines(report.figures)),
        "## Masks",
        "",
        *_list(report.figures["segmentation"], _SEGMENTATION),
        "## Vessels",
        "",
        *_list(report.figures["vessels"], _VESSELS),
        *_shown(pictures, "froc"),
        "## BAC or not",
        "",
        *_detection(report.figures["detection"]),
        "## Calcium mass",
        "",
        *_mass(report.figures["mass"]),
        *_shown(pictures, "scatter", "bland_altman"),
        "## Six classes",
        "",
        *_list(
            report.figures["categories"],
            (
                ("exact", "exact agreement", 3, ""),
                ("kappa_linear", "weighted kappa, linear", 3, ""),
                ("kappa_quadratic", "weighted kappa, quadratic", 3, ""),
            ),
        ),
        *_confusion(report.confusion),
        probability_section(report.probability),
        *_shown(pictures, "reliability"),
    ]
    for what, strata in report.strata.items():
        lines += [f"## By {what}", "", *_strata(what, strata)]
    lines += [
        "## Worst cases",
        "",
        *_shown(pictures, "worst"),
        "## Best cases",
        "",
        *_shown(pictures, "best"),
    ]
    return "\n".join(lines).rstrip() + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown, an empty one at its end."""
    lines = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def _post_processing(chosen: Mapping[str, float]) -> str:
    return "".join(f", {name} {value:g}" for name, value in chosen.items())


def _list(figures: Figures, wanted: Sequence[tuple[str, str, int, str]]) -> list[str]:
    rows = [(label, value_text(figures[name], digits, unit)) for name, label, digits, unit in wanted]
    return table(("figure", "value"), rows)


def _detection(figures: Figures) -> list[str]:
    names = ("f1", "sensitivity", "specificity", "auc")
    return table(
        ("per", "F1", "sensitivity", "specificity", "AUC"),
        [
            *((level, *(value_text(figures[f"{level}_{name}"], 3) for name in names)) for level in _LEVELS),
            (
                "woman, on every view of a breast",
                *(value_text(figures[f"confirmed_{name}"], 3) for name in names[:-1]),
                "-",
            ),
        ],
    )


def _mass(figures: Figures) -> list[str]:
    kinds = [f"{level}{part}" for part in ("", "_to_20mg") for level in _LEVELS]
    lines = table(
        ("measured against true", *(label for _, label, _ in _MASS)),
        [
            (
                kind.replace("_to_20mg", ", up to 20 mg"),
                *(value_text(figures[f"{kind}_{name}"], digits) for name, _, digits in _MASS),
            )
            for kind in kinds
        ],
    )
    return lines + table(
        ("95 % intervals of positives", "hold the truth", "median half-width"),
        [
            (
                level,
                value_text(figures[f"{level}_interval_holds"], 3),
                value_text(figures[f"{level}_interval_half_width_mg"], 2, "mg"),
            )
            for level in _LEVELS
        ],
    )


def _confusion(counts: Sequence[Sequence[int]]) -> list[str]:
    return table(
        ("women, true class (mg) by row", *CATEGORIES),
        [(name, *map(str, row)) for name, row in zip(CATEGORIES, counts, strict=True)],
    )


def _strata(what: str, strata: Sequence[Stratum]) -> list[str]:
    vessels = what.startswith("artery")
    wanted = _VESSEL_STRATUM if vessels else _STRATUM
    counts = ("arteries",) if vessels else ("views", "with BAC")
    return table(
        (what, *counts, *(label for _, label, _ in wanted)),
        [
            (
                part.name,
                *map(str, (part.count,) if vessels else (part.count, part.positives)),
                *(value_text(part.figures[name], digits) for name, _, digits in wanted),
            )
            for part in strata
        ],
    )


def _shown(pictures: Mapping[str, Sequence[str]], *kinds: str) -> list[str]:
    files = [name for kind in kinds for name in pictures.get(kind, ())]
    return [line for name in files for line in (f"![]({name})", "")]
