"""What the studies of losses and networks share: short runs of equal length, scored on whole images."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from skimage.morphology import skeletonize

from bac_imaging.context import Context
from bac_imaging.grid.tiles import TILE_PX
from bac_imaging.grid.working_grid import WORKING_SPACING_MM
from bac_imaging.pipeline import prepare, quantify, stitch, to_working_mask
from bac_imaging.vessels.demands import PostProcessing
from bac_training.data.sources import read_mask
from bac_training.network.checkpoint import load_checkpoint, load_network
from bac_training.network.unet import ProbabilityNet, count_flops, count_parameters
from bac_training.train import run as train

BoolArray = npt.NDArray[np.bool_]

THRESHOLD = 0.5
THRESHOLDS = np.linspace(0.05, 0.95, 19)
TILE_CM2 = (TILE_PX * WORKING_SPACING_MM / 10.0) ** 2
LEAST_MASS_MG = 1.0
WEIGHED_IMAGES = 6


@dataclass(frozen=True)
class Variant:
    """What a run changes of the default configuration: keys of ``[network]`` and ``[loss]``."""

    name: str
    network: Mapping[str, Any] = field(default_factory=dict)
    loss: Mapping[str, Any] = field(default_factory=dict)


def study(description: str, default_out: Path, variants: Sequence[Variant]) -> None:
    """Read the command line, train and score what is missing, and write ``runs.csv`` and ``table.md``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "caches", type=Path, nargs="+", help="caches to train on (python -m bac_training.cache)"
    )
    parser.add_argument("--validation", type=Path, nargs="+", required=True, help="phantom data sets")
    parser.add_argument("--out", type=Path, default=default_out)
    parser.add_argument("--prepared", type=Path, help="folder of prepared validation images, to share it")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", nargs="+", choices=[v.name for v in variants], help="these variants only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    prepared = options.prepared or options.out / "validation"
    prepare_validation(options.validation, prepared)
    for seed in options.seeds:
        for variant in variants:
            if options.only and variant.name not in options.only:
                continue
            folder = options.out / f"{variant.name}-{seed}"
            if not (folder / "score.json").exists():
                one_run(variant, seed, options.steps, options.caches, prepared, folder)
            rows = collect(options.out, variants)
            write_csv(options.out / "runs.csv", rows)
            (options.out / "table.md").write_text(table(rows))
    print((options.out / "table.md").read_text())


def one_run(
    variant: Variant, seed: int, steps: int, caches: Sequence[Path], prepared: Path, folder: Path
) -> None:
    """Train one network for a number of steps and score it."""
    folder.mkdir(parents=True, exist_ok=True)
    sections = {
        "run": {"steps": steps, "seed": seed, "threads": 1, "device": "cpu"},
        "network": variant.network,
        "loss": variant.loss,
    }
    text = ""
    for section, keys in sections.items():
        text += f"[{section}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    (folder / "config.toml").write_text(text)
    checkpoint = train(folder / "config.toml", folder, data=caches, resume=True)
    content = load_checkpoint(checkpoint)
    network = ProbabilityNet(load_network(content))
    head = {
        "name": variant.name,
        "seed": seed,
        "steps": content["step"],
        "minutes": round(content["elapsed_s"] / 60.0, 2),
        "gflop_per_tile": count_flops(side_px=TILE_PX, **content["config"]["network"]) / 1e9,
        "parameters": count_parameters(network),
    }
    result = head | score(network, prepared)
    (folder / "score.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: v for k, v in result.items() if k != "images"}), flush=True)


def prepare_validation(datasets: Sequence[Path], folder: Path) -> None:
    """Prepare one view of each breast (left CC, right MLO) once, leaving out breasts with traces of BAC."""
    if (folder / "done").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    weighed = 0
    for data in datasets:
        for woman in json.loads((data / "truth.json").read_text())["women"]:
            for image in woman["images"]:
                true_mg = image["calcium_mass_mg"]
                chosen = (image["laterality"], image["view"]) in (("L", "CC"), ("R", "MLO"))
                if not chosen or 0 < true_mg < LEAST_MASS_MG:
                    continue
                spacing = image.get("pixel_spacing_mm")
                options = None if spacing is None else {"pixel_spacing_mm": spacing}
                made = prepare((data / image["path"]).read_bytes(), options)
                weigh = image["look"] == "raw" and true_mg > 0 and weighed < WEIGHED_IMAGES
                weighed += weigh
                about = {
                    "name": image["path"],
                    "true_mg": true_mg,
                    "weigh": bool(weigh),
                    "context": made.context.to_dict(),
                }
                np.savez(
                    folder / Path(image["path"]).with_suffix(".npz").name,
                    tiles=made.tiles,
                    signal=made.signal,
                    true=to_working_mask(read_mask(data / image["mask"]), made.context),
                    about=np.array(json.dumps(about)),
                )
    (folder / "done").touch()


@torch.no_grad()
def score(network: ProbabilityNet, prepared: Path) -> dict[str, Any]:
    """Return the means over the prepared images, and under ``images`` the single values."""
    network = network.eval().to(memory_format=torch.channels_last)
    images = []
    for path in sorted(prepared.glob("*.npz")):
        with np.load(path, allow_pickle=False) as stored:
            tiles, signal, true = (stored[k] for k in ("tiles", "signal", "true"))
            about = json.loads(str(stored["about"]))
        with torch.autocast("cpu", torch.bfloat16):
            probability = np.concatenate([network(torch.from_numpy(tile[None])).numpy() for tile in tiles])
        context = Context.from_dict(about["context"])
        whole = stitch(probability, context)
        found = whole >= THRESHOLD
        spacing = context.working_spacing_mm
        row = {"name": about["name"], "true_mg": about["true_mg"]} | compare(found, true, spacing)
        if true.any():
            row["dice_at"] = dice_at(whole, true)
        if about["weigh"]:
            report = quantify(probability, signal, context, PostProcessing.of(THRESHOLD, {})).report
            row["mass_mg"] = report.calcium_mass_mg or 0.0
        images.append(row)
    keys = ("dice", "hd95_mm", "hd95_matched_mm", "centreline_recall", "centreline_precision", "false_mm2")
    means = {
        key: fmean(values)
        for key in keys
        if (values := [row[key] for row in images if row.get(key) is not None])
    }
    weighed = [row for row in images if "mass_mg" in row]
    relative = [row["mass_mg"] / row["true_mg"] - 1.0 for row in weighed]
    return {
        **means,
        "dice_own": dice_at_own_threshold([row["dice_at"] for row in images if "dice_at" in row]),
        "missed": sum(row.get("hd95_matched_mm", 0.0) is None for row in images),
        "mass_bias_mg": fmean(row["mass_mg"] - row["true_mg"] for row in weighed),
        "mass_bias_percent": 100.0 * fmean(relative),
        "images": images,
    }


def dice_at(probability: npt.NDArray[np.float32], true: BoolArray) -> list[float]:
    """Return the Dice coefficient at each of `THRESHOLDS`."""
    inside = probability[true]
    totals = [(probability >= t).sum() + true.sum() for t in THRESHOLDS]
    return [2.0 * float((inside >= t).sum()) / float(n) for t, n in zip(THRESHOLDS, totals, strict=True)]


def dice_at_own_threshold(curves: Sequence[Sequence[float]]) -> float:
    """Return the mean Dice of each half of the images at the threshold that is best for the other half."""
    halves = np.array(curves[::2]), np.array(curves[1::2])
    best = [int(half.mean(axis=0).argmax()) for half in halves]
    return float(np.concatenate((halves[0][:, best[1]], halves[1][:, best[0]])).mean())


def compare(found: BoolArray, true: BoolArray, spacing_mm: tuple[float, float]) -> dict[str, float | None]:
    """Compare two masks: overlap, HD95 and centre lines where there is BAC, else the false area.

    HD95 is given twice: of all that was found, and of the pieces that touch a true artery.
    """
    if not true.any():
        return {"false_mm2": float(found.sum()) * spacing_mm[0] * spacing_mm[1]}
    pieces = ndimage.label(found, np.ones((3, 3)))[0]
    matched = np.isin(pieces, np.unique(pieces[found & true])) & found
    return {
        "dice": 2.0 * float((found & true).sum()) / float(found.sum() + true.sum()),
        "hd95_mm": hd95(found, true, spacing_mm) if found.any() else None,
        "hd95_matched_mm": hd95(matched, true, spacing_mm) if matched.any() else None,
        "centreline_recall": float(found[skeletonize(true)].mean()),
        "centreline_precision": float(true[skeletonize(found)].mean()) if found.any() else 0.0,
    }


def hd95(one: BoolArray, other: BoolArray, spacing_mm: tuple[float, float]) -> float:
    """Return the larger of the two 95th percentiles of border-to-border distances, in mm."""
    rows, columns = (np.flatnonzero((one | other).any(axis=axis)) for axis in (1, 0))
    crop = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    borders = [mask & ~ndimage.binary_erosion(mask) for mask in (one[crop], other[crop])]
    first, second = borders
    distances = [
        ndimage.distance_transform_edt(~b, sampling=spacing_mm)[a]
        for a, b in ((first, second), (second, first))
    ]
    return max(float(np.percentile(d, 95)) for d in distances)


COLUMNS = {
    "dice": ("Dice", 3),
    "dice_own": ("Dice at own threshold", 3),
    "hd95_mm": ("HD95, mm", 1),
    "hd95_matched_mm": ("HD95 of matched, mm", 2),
    "centreline_recall": ("centre line found", 3),
    "centreline_precision": ("centre line true", 3),
    "false_mm2": ("false area, mm²", 1),
    "mass_bias_mg": ("mass bias, mg", 2),
    "mass_bias_percent": ("mass bias, %", 1),
}


def collect(out: Path, variants: Sequence[Variant]) -> list[dict[str, Any]]:
    """Return the scores of all finished runs, in the order of the variants."""
    order = [variant.name for variant in variants]
    rows = [json.loads(path.read_text()) for path in out.glob("*/score.json")]
    return sorted(rows, key=lambda row: (order.index(row["name"]), row["seed"]))


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one line a run."""
    keys = [key for key in rows[0] if key != "images"]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(keys)
        for row in rows:
            writer.writerow(round(row[k], 4) if isinstance(row[k], float) else row[k] for k in keys)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a Markdown table: mean and SD over the seeds of each variant."""
    titles = [title for title, _ in COLUMNS.values()]
    lines = [
        f"| | GFLOP a tile | GFLOP a cm² | runs | {' | '.join(titles)} |",
        "|---" * (len(titles) + 4) + "|",
    ]
    for name in dict.fromkeys(row["name"] for row in rows):
        own = [row for row in rows if row["name"] == name]
        gflop = own[0]["gflop_per_tile"]
        cells = [name, f"{gflop:.1f}", f"{gflop / TILE_CM2:.2f}", str(len(own))]
        for key, (_, digits) in COLUMNS.items():
            values = [row[key] for row in own]
            spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
            cells.append(f"{fmean(values):.{digits}f}{spread}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
