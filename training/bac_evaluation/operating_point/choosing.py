"""Choosing among settings by what they do on validation women.

The score of settings is the sum of four figures of which each moves when another stands still: F1 per woman
(what is wanted, but 80 women make it a staircase), F1 per view (four times as many steps), the mean Dice of
the images with BAC (outline, and arteries lost), and minus the false vessels a view beyond the 0.1 that are
allowed. Settings are compared by the mean score of themselves and of their neighbours in the grid, so that
what is chosen lies on a plateau and not on a spike that a few women make.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_evaluation.operating_point.pieces import COLUMNS
from bac_evaluation.settings import Settings
from bac_imaging.vessels.demands import PostProcessing
from bac_training.errors import TrainingError
from bac_training.network.metrics import Detection

__all__ = ["ALLOWED_FALSE_PER_VIEW", "Choice", "Score", "choose"]

BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]

ALLOWED_FALSE_PER_VIEW = 0.1
_DECIMALS = 9  # the last bits of a mean must not decide between equals


@dataclass(frozen=True)
class Score:
    """How settings do on the validation women.

    Attributes
    ----------
    woman_f1, view_f1 : float
        F1 of BAC or not, per woman and per image.
    false_per_view : float
        False vessels an image.
    dice : float
        Mean over the images with BAC.
    """

    woman_f1: float
    view_f1: float
    false_per_view: float
    dice: float

    @property
    def value(self) -> float:
        """The sum by which settings are compared; larger is better."""
        excess = max(0.0, self.false_per_view - ALLOWED_FALSE_PER_VIEW)
        return self.woman_f1 + self.view_f1 + self.dice - excess


@dataclass(frozen=True)
class Choice:
    """The best settings of a grid.

    Attributes
    ----------
    settings : Settings
        Chosen.
    score : Score
        On the working grid, so that its Dice differs a little from an evaluation's.
    default : Score
        Of the pipeline's default post-processing.
    women : int
        They were chosen on.
    """

    settings: Settings
    score: Score
    default: Score
    women: int


def choose(women: Sequence[Sequence[Mapping[str, Any]]], grid: Mapping[str, Sequence[float]]) -> Choice:
    """Try every combination of a grid.

    Parameters
    ----------
    women : sequence of sequence of mapping
        For each woman her images, as `bac_evaluation.operating_point.pieces.collect` describes them.
    grid : mapping of str to sequence of float
        Values of each setting in rising order, by the names of `bac_evaluation.operating_point.pieces.GRID`;
        the last outline is the default's.

    Returns
    -------
    Choice
        The one with the best mean score of itself and its neighbours, which are up to one step away in every
        setting; of equals the one that is nearest to the defaults, by the sum of the ratios' logarithms.

    Raises
    ------
    TrainingError
        When no woman or all of them have BAC, so that F1 says nothing.
    """
    images = [image for woman in women for image in woman]
    owner = np.array([number for number, woman in enumerate(women) for _ in woman])
    true_px = np.array([image["true_px"] for image in images], dtype=np.float64)
    truth = np.bincount(owner, true_px, len(women)) > 0
    if truth.all() or not truth.any():
        raise TrainingError(
            "the validation women all have BAC, or none has; add some of the other kind to choose settings on"
        )
    names = [name for name in grid if name not in ("outline", "core")]
    demanded = [
        dict(zip(names, values, strict=True)) for values in itertools.product(*(grid[n] for n in names))
    ]
    scores, tried = [], []
    for core in grid["core"]:
        pieces = _Pieces.of(images, core, owner, len(grid["outline"]))
        for number, outline in enumerate(grid["outline"]):
            scores += [pieces.score(number, demands, true_px, truth) for demands in demanded]
            tried += [{"outline": outline, "core": core, **demands} for demands in demanded]
    grid_shape = [len(grid["core"]), len(grid["outline"]), *(len(grid[name]) for name in names)]
    smoothed = _with_neighbours(np.array([score.value for score in scores]).reshape(grid_shape)).ravel()
    best = min(range(len(scores)), key=lambda number: (-smoothed[number], _distance(tried[number]), number))
    parameters = PostProcessing(**tried[best])
    parameters = parameters.with_outline(parameters.outline)
    usual = asdict(PostProcessing())
    last = len(grid["outline"]) - 1
    return Choice(
        settings=Settings(parameters.outline, {name: getattr(parameters, name) for name in ("core", *names)}),
        score=scores[best],
        default=_Pieces.of(images, usual["core"], owner, last + 1).score(last, usual, true_px, truth),
        women=len(women),
    )


def _with_neighbours(values: DoubleArray) -> DoubleArray:
    """Return the mean over each point of a grid and those up to one step away along every axis."""
    sums, counts = (
        ndimage.uniform_filter(array, 3, mode="constant") for array in (values, np.ones_like(values))
    )
    return np.round(sums / counts, _DECIMALS)


def _distance(parameters: Mapping[str, float]) -> float:
    default = PostProcessing()
    ratios = [value / getattr(default, name) for name, value in parameters.items()]
    return float(np.abs(np.log(ratios)).sum().round(_DECIMALS))


@dataclass(frozen=True)
class _Pieces:
    """The pieces of all images at one core, and whose they are."""

    columns: Mapping[str, DoubleArray]
    outlined: DoubleArray
    """Pixels and true pixels by outline, [outline, 2, piece]."""
    image: npt.NDArray[np.int_]
    owner: npt.NDArray[np.int_]

    @classmethod
    def of(
        cls, images: Sequence[Mapping[str, Any]], core: float, owner: npt.NDArray[np.int_], outlines: int
    ) -> _Pieces:
        found = [image["pieces"][f"{core:g}"] for image in images]
        values = np.array([piece for pieces in found for piece in pieces], dtype=np.float64)
        described, outlined = np.split(values.reshape(-1, len(COLUMNS) + 2 * outlines).T, [len(COLUMNS)])
        image = np.repeat(np.arange(len(images)), [len(pieces) for pieces in found])
        columns = dict(zip(COLUMNS, described, strict=True))
        return cls(columns, outlined.reshape(outlines, 2, -1), image, owner)

    def score(
        self, outline: int, demands: Mapping[str, float], true_px: DoubleArray, truth: BoolArray
    ) -> Score:
        peak, area, length = (self.columns[name] for name in ("peak", "area_mm2", "length_mm"))
        # A seed below the core demands nothing: every pixel of a piece has at least that.
        kept = (peak >= demands["seed"]) & (area >= demands["min_area_mm2"])
        # As in the pipeline: the width is the area over the length.
        kept &= (length >= demands["min_length_mm"]) & (length**2 >= demands["min_elongation"] * area)
        images = len(true_px)
        found, both = (
            np.bincount(self.image[kept], pixels[kept], images) for pixels in self.outlined[outline]
        )
        positive = true_px > 0
        predicted = np.bincount(self.owner, found, len(truth)) > 0
        return Score(
            woman_f1=Detection.of(predicted, truth).f1,
            view_f1=Detection.of(found > 0, positive).f1,
            false_per_view=float(self.columns["false"][kept].sum()) / images,
            dice=float((2.0 * both[positive] / (found + true_px)[positive]).mean()),
        )
