"""The command that fits calcium mass on calcified area, and says how far that holds.

``python -m bac_evaluation.area.study DATA... --rows FOLDER [--model FILE] [--fit area_mass.json]``
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bac_evaluation.area.fit import COVERAGE, MODELS, Held, held, spread
from bac_evaluation.area.rows import LEVELS, Case, Measured, measure_folder
from bac_evaluation.run import served_model
from bac_training.errors import TrainingError
from bac_training.network.backends import Segmenter, load_segmenter

__all__: list[str] = []

_WAYS = {"style": lambda case: f"{case.generator} {case.style}", "generator": lambda case: case.generator}
_LEAST_HELD = 0.9
# Visible calcium begins at 2 mg/cm2 (the mask convention), and 50 is dense: an interval of that reach says
# nothing that was not known.
_WIDEST = 25.0
_HEADER = "cases | in the interval | interval, times the central mass | median ratio | spread"


def _main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bac_evaluation.area.study",
        description="Fit calcium mass on calcified area of images FOR PRESENTATION. Research use only.",
    )
    parser.add_argument(
        "data",
        type=Path,
        nargs="+",
        help="folders of `bacctl phantom --look presentation`, of both generators",
    )
    parser.add_argument(
        "--rows", type=Path, required=True, help="folder for what is measured; kept rows are used"
    )
    parser.add_argument("--model", type=Path, help="checkpoint or ONNX file  [default: as served]")
    parser.add_argument(
        "--fit", type=Path, help="write the fit here: imaging/bac_imaging/data/area_mass.json"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done}/{total} images", end="\n" if done == total else "", file=sys.stderr, flush=True)

    try:
        options.rows.mkdir(parents=True, exist_ok=True)
        model = options.model or served_model()
        segmenter = load_segmenter(model, 1)
        measured = [
            measure_folder(
                folder, model, segmenter, options.rows, processes=options.processes, progress=progress
            )
            for folder in options.data
        ]
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 1
    cases = [case for folder in measured for case in folder.cases]
    found = [case for case in cases if case.area_mm2 > 0.0]
    print("\n".join(_page(cases, found)))
    why_not = _why_not(found)
    print("\n" + (f"No estimate: {'; '.join(why_not)}." if why_not else "There is an estimate."))
    if options.fit is not None:
        levels = {} if why_not else _densities(found)
        options.fit.write_text(json.dumps(_file(levels, why_not, measured, segmenter), indent=1) + "\n")
    return 0


def _page(cases: Sequence[Case], found: Sequence[Case]) -> list[str]:
    """Write the tables: which model, how the one that is used does on what was left out, and the fit."""
    women = Counter(case.generator for case in cases if case.level == "woman")
    lines = [f"{', '.join(f'{count} women of {name}' for name, count in women.items())}, all with BAC.", ""]
    for level in LEVELS:
        all_of, seen = (sum(case.level == level for case in part) for part in (cases, found))
        lines.append(f"Nothing found on {all_of - seen} of {all_of} {_plural(level)}, left out below.")
    lines += ["", f"| women, by | left out | {_HEADER} |", "|---" * 7 + "|"]
    of_women = [case for case in found if case.level == "woman"]
    for way, key in _WAYS.items():
        outlined = [replace(case, area_mm2=case.true_mm2) for case in of_women if case.true_mm2 > 0.0]
        lines.append(f"| true area | every {way} | {_row(held(outlined, MODELS['area'], key).values())} |")
    for name, model in MODELS.items():
        for way, key in _WAYS.items():
            lines.append(f"| {name} | every {way} | {_row(held(of_women, model, key).values())} |")
    lines += ["", f"| by area | left out | {_HEADER} |", "|---" * 7 + "|"]
    for level in LEVELS:
        of_level = [case for case in found if case.level == level]
        groups = held(of_level, MODELS["area"], _WAYS["style"])
        lines.append(f"| {_plural(level)} | every style | {_row(groups.values())} |")
        groups = held(of_level, MODELS["area"], _WAYS["generator"])
        lines += [f"| {_plural(level)} | {name} | {_row([group])} |" for name, group in groups.items()]
    lines += ["", "| fit | mg/mm2 | 95 % | areas, mm2 |", "|---" * 4 + "|"]
    for level, density in _densities(found).items():
        low, middle, high = (density[f"{end}_mg_per_mm2"] for end in ("low", "central", "high"))
        areas = f"{density['least_mm2']:.1f} to {density['most_mm2']:.0f}"
        lines.append(f"| {_plural(level)} | {middle:.3f} | {low:.4f} to {high:.3f} | {areas} |")
    return lines


def _row(judged: Iterable[Held]) -> str:
    groups = list(judged)
    count, inside = (sum(getattr(group, name) for group in groups) for name in ("cases", "held"))
    low, high = min(group.low for group in groups), max(group.high for group in groups)
    medians = [group.median for group in groups]
    median = f"{medians[0]:.2f}" if len(groups) == 1 else f"{min(medians):.2f} to {max(medians):.2f}"
    root = math.sqrt(sum(group.cases * group.spread**2 for group in groups) / count)
    return f"{count} | {inside} ({inside / count:.0%}) | {low:.3f} to {high:.1f} | {median} | {root:.2f}"


def _plural(level: str) -> str:
    return "women" if level == "woman" else f"{level}s"


def _why_not(found: Sequence[Case]) -> list[str]:
    """Say what speaks against an estimate: too little of a style left out is held, or too much is.

    Not asked of a generator that was left out: what one alone says has no part of how far two differ, which
    the fit takes from both.
    """
    reasons = []
    for level in LEVELS:
        of_level = [case for case in found if case.level == level]
        inside = sum(group.held for group in held(of_level, MODELS["area"], _WAYS["style"]).values())
        if inside < _LEAST_HELD * len(of_level):
            within = f"{inside} of {len(of_level)} {_plural(level)}"
            reasons.append(f"{within} of a style left out were held, which is under {_LEAST_HELD:.0%}")
    women = spread([case for case in found if case.level == "woman"], MODELS["area"])
    reach = math.exp(women.high - women.low)
    if reach > _WIDEST:
        reasons.append(
            f"the women's interval reaches from 1 to {reach:.0f}, and {_WIDEST:g} is known beforehand"
        )
    return reasons


def _densities(found: Sequence[Case]) -> dict[str, dict[str, float]]:
    """Fit each level, as `bac_imaging.mass.area.AreaDensity` has it."""
    densities = {}
    for level in LEVELS:
        cases = [case for case in found if case.level == level]
        fitted = spread(cases, MODELS["area"])
        central = float(fitted.coefficients[0])
        areas = [case.area_mm2 for case in cases]
        densities[level] = {
            "low_mg_per_mm2": round(math.exp(central + fitted.low), 6),
            "central_mg_per_mm2": round(math.exp(central), 6),
            "high_mg_per_mm2": round(math.exp(central + fitted.high), 6),
            "least_mm2": round(min(areas), 3),
            "most_mm2": round(max(areas), 3),
            "cases": len(cases),
        }
    return densities


def _file(
    levels: dict[str, dict[str, float]],
    why_not: Sequence[str],
    measured: Sequence[Measured],
    segmenter: Segmenter,
) -> dict[str, Any]:
    content = {
        "intended_use": "research use only",
        "made_by": "python -m bac_evaluation.area.study",
        "unit": "mg of calcium from mm2 of calcified artery",
        "coverage": COVERAGE,
        "spacing_mm": [
            min(data.spacing_mm[0] for data in measured),
            max(data.spacing_mm[1] for data in measured),
        ],
        "fitted_on": {
            "weights_sha256": segmenter.sha256,
            "data": [
                {"name": data.name, "generator": data.generator, "seed": data.seed, "sha256": data.sha256}
                for data in measured
            ],
        },
        "levels": levels,
        "why_not": list(why_not),
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return {"name": f"area-{digest[:12]}", **content}


if __name__ == "__main__":
    sys.exit(_main())
