"""Agreement of an engine with the trained network, on mammograms of known calcium and in what is reported.

Research use only. The images are phantoms of the quality assurance set: a tenth of a second each, the same
everywhere, arteries from barely visible to heavy, and a breast without calcium.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bac_export.errors import ExportError
from bac_imaging.context import Context
from bac_imaging.onnxruntime import load_onnxruntime
from bac_imaging.openvino import load_openvino
from bac_imaging.pipeline import prepare, quantify
from bac_imaging.vessels.demands import PostProcessing
from bac_imaging.vessels.votes import below

__all__ = [
    "CASES",
    "FLOAT32",
    "REDUCED",
    "SERVED",
    "Case",
    "Limits",
    "Parity",
    "Reference",
    "onnxruntime_engine",
    "openvino_engine",
    "phantom_cases",
    "voted_engine",
]

FloatArray = npt.NDArray[np.float32]
Engine = Callable[[FloatArray], FloatArray]

CASES = (17, 13, 9, 16, 22)
"""Phantoms of `bac_phantom.qa.qa_specs`: 2 mg in 7 cm and in 5 cm (the faint ones), 12 mg, 80 mg, none."""
CALIBRATION_CASES = (4, 10, 19, 23)
"""Others of that set, for the ranges of a quantised network: never those that it is judged on."""


@dataclass(frozen=True)
class Limits:
    """What an engine may differ by.

    Attributes
    ----------
    difference : float
        Largest difference of a probability.
    dice : float
        Smallest Dice coefficient of the reported masks, all views together.
    worst_dice : float
        The same for each single view: a faint artery may not hide behind a heavy one.
    mass : float
        Largest relative difference of a view's calcium mass.
    """

    difference: float
    dice: float = 0.999
    worst_dice: float = 0.99
    mass: float = 0.005


FLOAT32 = Limits(difference=1e-3)
"""Both sides compute in float32."""
REDUCED = Limits(difference=0.1)
"""The engine rounds. Single pixels at an outline may move; masks and masses may not."""
SERVED = Limits(difference=0.2)
"""What a server answers, in bfloat16 on CPUs that have it. On `CASES` it keeps masks and masses, but not the
0.1 of `REDUCED`: the checked-in network's largest difference of a pixel is 0.16."""


@dataclass(frozen=True)
class Parity:
    """Agreement of an engine with the network."""

    largest_difference: float  # largest absolute difference of a probability
    dice: float  # Dice coefficient of the reported masks, all views together; 1 when all are empty
    worst_dice: float  # smallest Dice coefficient of a view
    # largest difference of a view's calcium mass over the larger of the two: 1 where only one side has any
    mass_difference: float

    def within(self, limits: Limits) -> bool:
        """Say whether all figures keep the limits; not a number never does."""
        return (
            self.largest_difference <= limits.difference
            and self.dice >= limits.dice
            and self.worst_dice >= limits.worst_dice
            and self.mass_difference <= limits.mass
        )

    def require(self, engine: str, limits: Limits = FLOAT32) -> None:
        """Raise `ExportError` unless the agreement is within the limits."""
        if not self.within(limits):
            raise ExportError(
                f"{engine} differs from the network: probability by {self.largest_difference:.2g} "
                f"(limit {limits.difference:g}), Dice {self.dice:.5f} (limit {limits.dice:g}), of one view "
                f"{self.worst_dice:.5f} (limit {limits.worst_dice:g}), mass by "
                f"{100 * self.mass_difference:.2g} % (limit {100 * limits.mass:g} %)"
            )


@dataclass(frozen=True)
class Case:
    """One view, ready for the network: what `bac_imaging.pipeline.prepare` made of it."""

    tiles: FloatArray  # float32 (n, 1, 512, 512): normalised tiles
    signal: FloatArray  # float32 (h, w): signal on the working grid
    context: Context  # everything else that `bac_imaging.pipeline.quantify` needs


def phantom_cases(numbers: Sequence[int] = CASES) -> list[Case]:
    """Make views of known calcium mass; `numbers` are places in the quality assurance set, from 1."""
    from bac_phantom.qa import make_qa_phantom, qa_specs

    specs = qa_specs()
    prepared = (prepare(make_qa_phantom(specs[number - 1])) for number in numbers)
    return [Case(made.tiles, made.signal, made.context) for made in prepared]


class Reference:
    """The network's own answers on some cases, to hold engines against.

    Parameters
    ----------
    network : callable
        Tiles, float32 [n, 1, 512, 512], to probabilities of the same shape.
    cases : sequence of Case
        The views.
    threshold : float
        Probability from which a pixel beside a core counts as BAC.
    post_processing : mapping of str to float
        Fields of `bac_imaging.vessels.demands.PostProcessing` that differ from its defaults.
    """

    def __init__(
        self, network: Engine, cases: Sequence[Case], threshold: float, post_processing: Mapping[str, float]
    ) -> None:
        self._cases = cases
        self._parameters = PostProcessing.of(threshold, post_processing)
        self._probabilities = [network(case.tiles) for case in cases]
        self._reported = [self._report(*pair) for pair in zip(cases, self._probabilities, strict=True)]

    def compare(self, engine: Engine) -> Parity:
        """Run an engine on the cases and compare what comes out, down to mask and mass."""
        differences, dices, masses = [0.0], [], [0.0]
        common = total = 0
        for case, reference, (mask, mass) in zip(
            self._cases, self._probabilities, self._reported, strict=True
        ):
            probability = engine(case.tiles)
            differences.append(float(np.abs(probability - reference).max()))
            other_mask, other_mass = self._report(case, probability)
            both, either = int((mask & other_mask).sum()), int(mask.sum()) + int(other_mask.sum())
            common, total = common + both, total + either
            dices.append(2.0 * both / either if either else 1.0)
            masses.append(_relative(mass, other_mass))
        dice = 2.0 * common / total if total else 1.0
        # numpy's maximum keeps a NaN, Python's loses it.
        return Parity(float(np.max(differences)), dice, min(dices, default=1.0), float(np.max(masses)))

    def _report(self, case: Case, probability: FloatArray) -> tuple[npt.NDArray[np.bool_], float]:
        found = quantify(probability, case.signal, case.context, self._parameters)
        return found.mask, float(found.report.calcium_mass_mg or 0.0)


def _relative(mass: float, other: float) -> float:
    largest = max(mass, other)
    return abs(mass - other) / largest if largest > 0.0 else 0.0


def onnxruntime_engine(path: Path, *, optimised: bool = True) -> Engine:
    """Return a function that runs an ONNX file by ONNX Runtime on the CPU, a tile at a time.

    Without `optimised` every rounding of the file stays where it stands, for the judgement of reduced
    precision.
    """
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return _tile_by_tile(lambda tile: session.run(["PROBABILITY"], {"TILES": tile})[0])


def openvino_engine(path: Path, precision: str = "f32") -> Engine:
    """Return a function that runs an ONNX file by OpenVINO on the CPU in `precision` ("f32", "bf16")."""
    openvino = load_openvino()
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    return _tile_by_tile(lambda tile: np.array(compiled([tile])[0]))


def voted_engine(look: Engine, core: float, seed: float) -> Engine:
    """Return a function that counts votes in numpy, on looks of an engine that looks once.

    What files with votes are held against, and written apart from them: `bac_export.votes` says what is
    counted. Tiles that no other look can change get none.
    """
    limit, highest = np.float32(seed), below(seed)

    def run(tiles: FloatArray) -> FloatArray:
        first = look(tiles)
        answer = first.copy()
        for place in np.flatnonzero(first.max(axis=(1, 2, 3)) >= np.float32(core)):
            looks = [_turned_look(look, tiles[place], turn, mirrored) for turn, mirrored in _ORIENTATIONS]
            ordered = np.sort(np.stack(looks), axis=0)
            third, sixth = ordered[-3], ordered[-6]
            agreed = np.minimum(sixth, first[place])
            answer[place] = np.where(agreed >= limit, third, np.minimum(third, highest))
        return answer

    return run


_ORIENTATIONS = [(turn, mirrored) for turn in range(4) for mirrored in (False, True)]


def _turned_look(look: Engine, tile: FloatArray, turn: int, mirrored: bool) -> FloatArray:
    """Look at a tile, (1, h, h), turned by quarters and mirrored, and turn the answer back."""
    sent = np.rot90(tile, turn, axes=(1, 2))
    answer = look(np.ascontiguousarray(sent[None, :, :, ::-1] if mirrored else sent[None]))[0]
    return np.rot90(answer[:, :, ::-1] if mirrored else answer, -turn, axes=(1, 2))


def _tile_by_tile(run: Engine) -> Engine:
    # A batch is no faster on the CPU and takes memory in proportion.
    return lambda tiles: np.concatenate([run(tile[None]) for tile in tiles])
