"""The figures of an evaluation, each a function of a sample, and their bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bac_evaluation.sample import CATEGORIES, Sample, Table
from bac_evaluation.vessels.froc import Curve, froc
from bac_training.network.metrics import Agreement, Detection, agreement, auc, smallest_found, weighted_kappa

__all__ = [
    "FIGURES",
    "Estimate",
    "Figures",
    "confusion",
    "curve",
    "dense_vessels",
    "estimate",
    "of_stratum",
    "of_vessel_stratum",
    "weighed",
]

Figures = dict[str, float]
BoolArray = npt.NDArray[np.bool_]

MASS_MG = 2.0  # from here on a view counts in the paper's row of the table
WIDE_MM = 1.5
DENSE_MG_CM2 = 7.0  # fainter is fainter than a plain vessel
LARGE_MG = 20.0
_FALSE_PER_VIEW = (0.05, 0.1, 0.25, 0.5, 1.0)
_LEVELS = ("view", "breast", "woman")


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % bootstrap interval; None where it cannot be computed.

    Attributes
    ----------
    value : float or None
        Of the sample itself.
    low, high : float or None
        2.5th and 97.5th percentiles over the draws; None where most draws give no value.
    """

    value: float | None
    low: float | None
    high: float | None


def estimate(
    sample: Sample, figures: Callable[[Sample], Figures], draws: int, seed: int
) -> dict[str, Estimate]:
    """Compute figures with intervals.

    Parameters
    ----------
    sample : Sample
        What was measured.
    figures : callable
        From a sample to figures by name; NaN where one cannot be computed.
    draws : int
        Number of bootstrap samples; women are drawn, each with all her images.
    seed : int
        Of the draws.

    Returns
    -------
    dict of str to Estimate
        By figure.
    """
    values = figures(sample)
    drawn = np.array([list(figures(draw).values()) for draw in sample.draws(draws, seed)])
    estimates = {}
    for number, (name, value) in enumerate(values.items()):
        finite = drawn[:, number][np.isfinite(drawn[:, number])] if draws else np.zeros(0)
        sound = math.isfinite(value) and finite.size > draws / 2
        low, high = np.percentile(finite, (2.5, 97.5)) if sound else (math.nan, math.nan)
        estimates[name] = Estimate(*(_finite(number) for number in (value, low, high)))
    return estimates


def segmentation(sample: Sample) -> Figures:
    """Masks: whole images, pooled, and vessel by vessel."""
    views, vessels = sample.views, sample.vessels
    positive = views["is_true"]
    enough = positive & (views["true_mg"] >= MASS_MG)
    dice, surface = _dice(views), _surface_dice(views)
    recall = _ratio(views["line_true_near"].sum(), views["line_true"].sum())
    precision = _ratio(views["line_found_near"].sum(), views["line_found"].sum())
    wide = vessels["width_mm"] > WIDE_MM
    return {
        "dice": _mean(dice[positive]),
        "dice_2mg": _mean(dice[enough]),
        "dice_2mg_wide": _mean(dice[enough & (views["width_mm"] > WIDE_MM)]),
        "dice_pooled": _ratio(2 * views["both_px"].sum(), (views["found_px"] + views["true_px"]).sum()),
        "line_recall": recall,
        "line_precision": precision,
        "cldice": _ratio(2 * recall * precision, recall + precision),
        "surface_dice": _mean(surface[positive]),
        "surface_dice_2mg": _mean(surface[enough]),
        "surface_dice_pooled": _ratio(
            (views["surface_true_near"] + views["surface_found_near"]).sum(),
            (views["surface_true"] + views["surface_found"]).sum(),
        ),
        "hd95_mm": _median(vessels["hd95_mm"]),
        "artery_dice": _mean(vessels["dice"]),
        "artery_dice_wide": _mean(vessels["dice"][wide]),
        "artery_covered": _mean(vessels["covered"]),
        "false_area_negative_mm2": _mean(views["false_area_mm2"][~positive]),
        "false_area_mm2": _mean(views["false_area_mm2"]),
    }


def vessels(sample: Sample) -> Figures:
    """Single vessels: found, false, and what a stricter or looser rule would find."""
    found = sample.vessels["found"]
    dense = dense_vessels(sample)
    line = curve(sample)
    figures = {
        "sensitivity": _mean(found),
        "false_per_view": _mean(sample.views["false_vessels"]),
        "smallest_found_mg": smallest_found(sample.vessels["mass_mg"][dense], found[dense], 0.9),
        "sensitivity_dense": _mean(found[dense]),
    }
    for alarms in _FALSE_PER_VIEW:
        figures[f"sensitivity_at_{alarms:g}"] = math.nan if line is None else line.sensitivity_at(alarms)
    return figures


def dense_vessels(sample: Sample) -> BoolArray:
    """Tell which true vessels hold at least 7 mg of calcium a cm2."""
    table = sample.vessels
    return np.asarray(100.0 * table["mass_mg"] >= DENSE_MG_CM2 * table["area_mm2"])


def curve(sample: Sample) -> Curve | None:
    """Return the FROC curve."""
    return froc(sample.vessels["score"], sample.alarms["score"], len(sample.views["woman"]))


def detection(sample: Sample) -> Figures:
    """BAC or not, per view, breast and woman."""
    figures: Figures = {}
    for level in _LEVELS:
        table = _units(sample, level)
        counts = Detection.of(table["is_found"], table["is_true"])
        figures |= {
            f"{level}_f1": counts.f1,
            f"{level}_sensitivity": counts.sensitivity,
            f"{level}_specificity": counts.specificity,
            f"{level}_auc": auc(table["score"], table["is_true"]),
        }
    # A stricter reading, beside the exam rule: every measured view of a breast, two or more, shows BAC.
    counts = Detection.of(sample.women["confirmed"], sample.women["is_true"])
    return figures | {
        "confirmed_f1": counts.f1,
        "confirmed_sensitivity": counts.sensitivity,
        "confirmed_specificity": counts.specificity,
    }


def mass(sample: Sample) -> Figures:
    """Masses against the truth, per view, breast and woman: all of them, and those of up to 20 mg."""
    figures: Figures = {}
    for level in _LEVELS:
        table = _units(sample, level)
        known = weighed(table)
        figures |= _agreement(level, _compare(table, known))
        figures |= _agreement(f"{level}_to_20mg", _compare(table, known & (table["true_mg"] <= LARGE_MG)))
        ends = known & table["is_true"] & np.isfinite(table["low_mg"])
        low, high, true = (table[name][ends] for name in ("low_mg", "high_mg", "true_mg"))
        figures[f"{level}_interval_holds"] = _mean((low <= true) & (true <= high))
        figures[f"{level}_interval_half_width_mg"] = _median((high - low) / 2)
    return figures


def weighed(table: Table) -> BoolArray:
    """Tell which units have a measured and a true mass."""
    return np.asarray(np.isfinite(table["mg"]) & np.isfinite(table["true_mg"]))


def categories(sample: Sample) -> Figures:
    """Six classes of mass per woman."""
    counts = confusion(sample)
    return {
        "exact": _ratio(float(np.trace(counts)), float(counts.sum())),
        "kappa_linear": weighted_kappa(counts, 1),
        "kappa_quadratic": weighted_kappa(counts, 2),
    }


def confusion(sample: Sample) -> npt.NDArray[np.int_]:
    """Count women by true category (rows) and found category (columns), of those with both."""
    true, found = sample.women["true_category"], sample.women["category"]
    count = len(CATEGORIES)
    return np.bincount(count * true[true >= 0] + found[true >= 0], minlength=count**2).reshape(count, count)


def of_stratum(sample: Sample) -> Figures:
    """Return the figures that make sense of part of the views."""
    views = sample.views
    positive = views["is_true"]
    counts = Detection.of(views["is_found"], positive)
    compared = _compare(views, weighed(views))
    return {
        "dice": _mean(_dice(views)[positive]),
        "dice_2mg": _mean(_dice(views)[positive & (views["true_mg"] >= MASS_MG)]),
        "line_recall": _ratio(views["line_true_near"].sum(), views["line_true"].sum()),
        "line_precision": _ratio(views["line_found_near"].sum(), views["line_found"].sum()),
        "sensitivity": counts.sensitivity,
        "specificity": counts.specificity,
        "false_vessels": _mean(views["false_vessels"]),
        "false_area_mm2": _mean(views["false_area_mm2"]),
        "mass_slope": compared.slope,
        "mass_difference_mg": compared.mean_difference_mg,
    }


def of_vessel_stratum(sample: Sample) -> Figures:
    """Return the figures of some of the true vessels."""
    table = sample.vessels
    return {
        "sensitivity": _mean(table["found"]),
        "covered": _mean(table["covered"]),
        "dice": _mean(table["dice"]),
        "hd95_mm": _median(table["hd95_mm"]),
    }


FIGURES: Mapping[str, Callable[[Sample], Figures]] = {
    "segmentation": segmentation,
    "vessels": vessels,
    "detection": detection,
    "mass": mass,
    "categories": categories,
}


def _units(sample: Sample, level: str) -> Table:
    return {"view": sample.views, "breast": sample.breasts, "woman": sample.women}[level]


def _compare(table: Table, kept: BoolArray) -> Agreement:
    return agreement(table["mg"][kept], table["true_mg"][kept])


def _agreement(level: str, found: Agreement) -> Figures:
    return {
        f"{level}_slope": found.slope,
        f"{level}_intercept_mg": found.intercept_mg,
        f"{level}_r": found.correlation,
        f"{level}_see_mg": found.see_mg,
        f"{level}_mean_difference_mg": found.mean_difference_mg,
        f"{level}_lower_limit_mg": found.lower_limit_mg,
        f"{level}_upper_limit_mg": found.upper_limit_mg,
    }


def _dice(views: Table) -> npt.NDArray[np.float64]:
    """Dice of each image; 1 where nothing is there and nothing found."""
    total = views["found_px"] + views["true_px"]
    return np.where(total > 0, 2 * views["both_px"] / np.maximum(total, 1), 1.0)


def _surface_dice(views: Table) -> npt.NDArray[np.float64]:
    total = views["surface_true"] + views["surface_found"]
    hits = views["surface_true_near"] + views["surface_found_near"]
    return np.where(total > 0, hits / np.maximum(total, 1), 1.0)


def _mean(values: npt.NDArray[np.generic]) -> float:
    return float(values.mean()) if values.size else math.nan


def _median(values: npt.NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else math.nan


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
