"""What each precision of the network costs in accuracy and in processor time, side by side in one run.

Every tile goes through every engine before the next tile does, and processor time is counted, so that other
work on the machine favours none. FP16 and FP8 have no arithmetic of their own on a CPU: their files are run
with every rounding where it stands, for accuracy alone::

    bacctl phantom validation --mix validation --women 20 --seed 630000
    OMP_NUM_THREADS=1 python benchmarks/precision_table.py validation --views 10

INT8 by NNCF is one row more where that package is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_export.parity import CALIBRATION_CASES, phantom_cases
from bac_export.precision import to_half, to_quantised
from bac_imaging.onnxruntime import load_onnxruntime
from bac_imaging.openvino import load_openvino
from bac_imaging.pipeline import prepare, quantify
from bac_imaging.vessels.demands import PostProcessing
from bac_training.data.sources import read_mask
from bacctl.server.repository import default_repository

FloatArray = npt.NDArray[np.float32]
Engine = Callable[[FloatArray], FloatArray]
FLOAT32 = "FP32, OpenVINO"


@dataclass
class Row:
    """An engine and what came of it."""

    engine: Engine
    timed: bool
    seconds: float = 0.0
    largest_difference: float = 0.0
    common: int = 0
    area: int = 0
    common_single: int = 0
    area_single: int = 0
    mass_mg: list[float] = field(default_factory=list)


def openvino_engine(model: Any, precision: str) -> Engine:
    """Compile for one thread, as the server does for all."""
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1}
    compiled = (
        load_openvino()
        .Core()
        .compile_model(model, "CPU", {**settings, "INFERENCE_PRECISION_HINT": precision})
    )
    return lambda tile: np.array(compiled([tile])[0])


def onnxruntime_engine(path: Path, *, optimised: bool = True) -> Engine:
    """Load for one thread; not optimised, every rounding of the file stays where it stands."""
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda tile: session.run(None, {"TILES": tile})[0]


def engines(path: Path, scratch: Path) -> dict[str, Row]:
    """Make every engine; the ranges of INT8 and FP8 come from phantoms of the quality assurance set."""
    views = [case.tiles for case in phantom_cases(CALIBRATION_CASES)]
    half, eight, float8 = (scratch / f"{name}.onnx" for name in ("fp16", "int8", "fp8"))
    to_half(path, half)
    to_quantised(path, eight, views, "int8")
    to_quantised(path, float8, views, "fp8")
    made = {
        FLOAT32: Row(openvino_engine(str(path), "f32"), timed=True),
        "FP32, ONNX Runtime": Row(onnxruntime_engine(path), timed=True),
        "BF16, OpenVINO": Row(openvino_engine(str(path), "bf16"), timed=True),
        "FP16, rounding alone": Row(onnxruntime_engine(half, optimised=False), timed=False),
        "INT8 Q/DQ, OpenVINO": Row(openvino_engine(str(eight), "f32"), timed=True),
        "INT8 Q/DQ, ONNX Runtime": Row(onnxruntime_engine(eight), timed=True),
        "FP8 Q/DQ, rounding alone": Row(onnxruntime_engine(float8, optimised=False), timed=False),
    }
    if importlib.util.find_spec("nncf"):
        made["INT8 by NNCF, OpenVINO"] = Row(openvino_engine(nncf_model(path, views), "f32"), timed=True)
    return made


def nncf_model(path: Path, views: list[FloatArray]) -> Any:
    """Quantise for OpenVINO, the last convolution left alone."""
    openvino = load_openvino()
    import nncf

    model = openvino.Core().read_model(str(path))
    nodes = [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"]
    tiles = [tile[None] for view in views for tile in view]
    return nncf.quantize(
        model,
        nncf.Dataset(tiles),
        subset_size=len(tiles),
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(names=[nodes[-1].get_friendly_name()]),
    )


def chosen_views(data: Path, count: int) -> Iterator[dict[str, Any]]:
    """Yield raw views with calcium, one of each woman: raw ones, since only those are weighed."""
    for woman in json.loads((data / "truth.json").read_text())["women"]:
        for image in woman["images"]:
            if image["look"] == "raw" and image["calcium_mass_mg"] > 0:
                yield image
                count -= 1
                break
        if count == 0:
            return


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="phantom data set")
    parser.add_argument("--views", type=int, default=10)
    options = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)
    folder = default_repository() / "bac_segment" / "1"
    card = json.loads((folder / "model_card.json").read_text())
    parameters = PostProcessing.of(card["threshold"], card["post_processing"])
    true_mg: list[float] = []
    with TemporaryDirectory() as scratch:
        rows = engines(folder / "model.onnx", Path(scratch))
        for view in chosen_views(options.data, options.views):
            made = prepare((options.data / view["path"]).read_bytes())
            truth = read_mask(options.data / view["mask"])
            answers: dict[str, list[FloatArray]] = {name: [] for name in rows}
            for tile in made.tiles:
                for name, row in rows.items():
                    began = time.process_time()
                    answers[name].append(row.engine(tile[None]))
                    row.seconds += time.process_time() - began
            true_mg.append(view["calcium_mass_mg"])
            single = np.concatenate(answers[FLOAT32])
            reported = quantify(single, made.signal, made.context, parameters).mask
            for name, row in rows.items():
                probability = np.concatenate(answers[name])
                found = quantify(probability, made.signal, made.context, parameters)
                row.largest_difference = max(
                    row.largest_difference, float(np.abs(probability - single).max())
                )
                row.common += int((found.mask & truth).sum())
                row.area += int(found.mask.sum() + truth.sum())
                row.common_single += int((found.mask & reported).sum())
                row.area_single += int(found.mask.sum() + reported.sum())
                row.mass_mg.append(float(found.report.calcium_mass_mg or 0.0))
            print(f"{len(true_mg)} views", flush=True)
    print(table(rows, np.array(true_mg)))


def table(rows: dict[str, Row], true_mg: npt.NDArray[np.float64]) -> str:
    """Return the rows as Markdown."""
    single = rows[FLOAT32]
    lines = [
        "| precision | Dice | mass bias, % | largest dp | Dice to FP32 | change of a mass, % | speed |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        masses, reference = np.array(row.mass_mg), np.array(single.mass_mg)
        bias = 100.0 * (masses.sum() / true_mg.sum() - 1.0)
        weighed = np.maximum(masses, reference) > 0
        change = 100.0 * (np.abs(masses - reference)[weighed] / np.maximum(masses, reference)[weighed]).max()
        cells = [
            f"{2.0 * row.common / row.area:.4f}",
            f"{bias:+.2f}",
            f"{row.largest_difference:.4f}",
            f"{2.0 * row.common_single / row.area_single:.5f}",
            f"{change:.2f}",
            f"{single.seconds / row.seconds:.2f}" if row.timed else "-",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
