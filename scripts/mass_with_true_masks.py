"""Weigh a folder of phantoms with their true masks in place of the network's, and print what is reached.

Everything else is what serving uses: reading, breast, scatter, background, soft tissue, interval. The demands
on length and area that keep false alarms out are not made of a mask that is true: what they turn down is a
matter of finding, not of weighing. With `--demands` they are. Nor does a mask show all calcium: stretches
below 2 mg/cm2 are none of it, so the last columns hold the mass against what its stretches hold. Only FOR
PROCESSING images with calcium are weighed. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from bac_imaging.grid.tiles import cut_tiles
from bac_imaging.pipeline import prepare, quantify, to_working_mask
from bac_imaging.vessels.demands import PostProcessing

FloatArray = npt.NDArray[np.float64]
SMALL_MG = 20.0
# Less has no length or width to speak of: a stretch of 1 mm of the narrowest arteries.
EVERY_PIECE = PostProcessing(min_area_mm2=0.3, min_length_mm=1.0, min_elongation=1.0)
THICKNESSES_MM = (
    ("below 45 mm", 0.0, 45.0),
    ("45 to 60 mm", 45.0, 60.0),
    ("60 to 70 mm", 60.0, 70.0),
    ("from 70 mm on", 70.0, math.inf),
)
HEADER = (
    "views",
    "mean difference, mg",
    "median ratio",
    "slope",
    "r",
    f"SD up to {SMALL_MG:g} mg, mg",
    f"SD above {SMALL_MG:g} mg",
    "intervals that hold the truth",
    "median half-width, 5 to 20 mg",
    "under the mask: median ratio",
    "lowest to highest from 1 mg on",
    "intervals that hold it",
)


@dataclass(frozen=True)
class Row:
    """One view: what the phantom holds (`visible_mg`: under its mask) and what was measured; mg and mm."""

    study: str
    laterality: str
    view: str
    relation: str
    density: str
    thickness_mm: float
    grid: bool
    beam: str
    true_mg: float
    visible_mg: float
    measured_mg: float
    low_mg: float
    high_mg: float
    area_mm2: float


def measure(folder: Path, demands: PostProcessing, study: str, truth: dict[str, Any]) -> Row | None:
    """Weigh one view; None where no stretch of its mask meets the demands, or it has no mass."""
    prepared = prepare((folder / truth["path"]).read_bytes())
    with Image.open(folder / truth["mask"]) as image:
        mask = np.asarray(image) > 0
    working = to_working_mask(mask, prepared.context).astype(np.float32)
    tiles = cut_tiles(working, prepared.breast)[0]
    report = quantify(tiles, prepared.signal, prepared.context, demands).report
    if report.calcium_mass_mg is None or not report.vessels:
        return None
    beam, (low, high) = truth["beam"], report.calcium_mass_interval_mg
    return Row(
        study,
        truth["laterality"],
        truth["view"],
        "LOG" if truth["look"] == "raw-log" else "LIN",
        truth["density"],
        truth["thickness_mm"],
        truth["grid"],
        f"{beam['anode']}/{beam['filter_material']} {beam['detector']}",
        truth["calcium_mass_mg"],
        # Data sets of earlier versions do not tell it.
        math.fsum(a.get("visible_mass_mg", a["calcium_mass_mg"]) for a in truth["arteries"]),
        report.calcium_mass_mg,
        low,
        high,
        report.area_mm2,
    )


def line(rows: Sequence[Row]) -> list[str]:
    """Give the figures of some views, as `HEADER` names them."""
    true, visible, found, low, high = (
        np.array([getattr(row, name) for row in rows])
        for name in ("true_mg", "visible_mg", "measured_mg", "low_mg", "high_mg")
    )
    off = found - true
    small = true <= SMALL_MG
    middle = small & (true >= 5.0) & (found > 0)
    held, held_visible = (int(((low <= mass) & (mass <= high)).sum()) for mass in (true, visible))
    shown = visible > 0
    ratios = found[shown] / visible[shown]
    ends = ratios[visible[shown] >= 1.0]
    return [
        f"{len(rows)}",
        f"{off.mean():+.2f}",
        f"{np.median(found / true):.3f}",
        f"{slope(true, found):.3f}",
        f"{np.corrcoef(true, found)[0, 1]:.4f}" if len(rows) > 2 else "",
        spread(off[small], "{:.2f}"),
        spread(100.0 * (off / true)[~small], "{:.1f} %"),
        f"{held} of {len(rows)}",
        f"{100.0 * np.median((high - low)[middle] / 2.0 / found[middle]):.0f} %" if middle.any() else "",
        f"{np.median(ratios):.3f}" if shown.any() else "",
        f"{ends.min():.2f} to {ends.max():.2f}" if len(ends) else "",
        f"{held_visible} of {len(rows)}",
    ]


def slope(true: FloatArray, found: FloatArray) -> float:
    """Give the slope of the least squares line."""
    return float(np.polyfit(true, found, 1)[0]) if len(true) > 2 else math.nan


def spread(values: FloatArray, form: str) -> str:
    """Write a standard deviation; nothing below three values."""
    return form.format(values.std(ddof=1)) if len(values) > 2 else ""


def view_against_view(rows: Iterable[Row]) -> str:
    """Give CC against MLO of the breasts that have both: the line, r and the standard error of estimation."""
    ordered = sorted(rows, key=lambda row: (row.study, row.laterality, row.view))
    pairs = []
    for _, group in groupby(ordered, key=lambda row: (row.study, row.laterality)):
        views = {row.view: row.measured_mg for row in group}
        if {"CC", "MLO"} <= set(views):
            pairs.append((views["CC"], views["MLO"]))
    cc, mlo = np.array(pairs).T
    a, b = np.polyfit(mlo, cc, 1)
    see = math.sqrt(float(((cc - a * mlo - b) ** 2).sum()) / (len(cc) - 2))
    r = float(np.corrcoef(cc, mlo)[0, 1])
    return f"{len(cc)} breasts: M_CC = {a:.2f} M_MLO {b:+.2f} mg, r {r:.3f}, SEE {see:.2f} mg"


def groups(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Sort the views by what may matter; a view is in several groups."""
    linear = [row for row in rows if row.relation == "LIN"]
    found = {"all, linear": linear, "logarithmic (estimated)": [r for r in rows if r.relation == "LOG"]}
    for name, grid in (("with a grid", True), ("without", False)):
        mine = [row for row in linear if row.grid == grid]
        found[name] = mine
        for title, low, high in THICKNESSES_MM:
            found[f"{name}, {title}"] = [row for row in mine if low <= row.thickness_mm < high]
        for density in "ABCD":
            found[f"{name}, density {density}"] = [row for row in mine if row.density == density]
    for beam in sorted({row.beam for row in linear}):
        found[f"{beam}, grid"] = [row for row in linear if row.grid and row.beam == beam]
    return {name: mine for name, mine in found.items() if mine}


def main() -> None:
    """Weigh and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what `bacctl phantom` wrote")
    parser.add_argument("--women", type=int, metavar="N", help="the first N women only")
    parser.add_argument("--processes", type=int, default=1, metavar="N")
    parser.add_argument("--demands", action="store_true", help="weigh only what serving takes for a vessel")
    parser.add_argument("--rows", type=Path, metavar="FILE", help="append the views here, one JSON a line")
    options = parser.parse_args()
    women = json.loads((options.folder / "truth.json").read_text(encoding="utf-8"))["women"]
    demands = PostProcessing() if options.demands else EVERY_PIECE
    jobs = [
        (options.folder, demands, woman["study_instance_uid"], truth)
        for woman in women[: options.women]
        for truth in woman["images"]
        if truth["look"] in ("raw", "raw-log") and truth["calcium_mass_mg"] > 0
    ]
    rows = []
    with ProcessPoolExecutor(options.processes) as pool:
        for row in pool.map(measure, *zip(*jobs, strict=True)):
            if row is None:
                continue
            rows.append(row)
            if options.rows:
                with options.rows.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(row)) + "\n")
    print(f"| | {' | '.join(HEADER)} |\n{'|---' * (len(HEADER) + 1)}|")
    for name, mine in groups(rows).items():
        print(f"| {name} | {' | '.join(line(mine))} |")
    print(f"\nCC against MLO, {view_against_view(row for row in rows if row.relation == 'LIN')}.")
    print(f"{len(jobs) - len(rows)} of {len(jobs)} views have no stretch that is long enough.")


if __name__ == "__main__":
    main()
