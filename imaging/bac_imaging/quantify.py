"""The half after the network: probabilities to the report.

``stitch``, ``find``, ``weigh`` and ``report``, which ``quantify`` calls in order. A module of its own, so
that the process of this step loads nothing of what reads files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bac_imaging.context import Context
from bac_imaging.given import report_given, take, unpacked, weigh_given
from bac_imaging.grid.tiles import stitch_tiles
from bac_imaging.report import make_report
from bac_imaging.vessels.demands import PostProcessing
from bac_imaging.vessels.evidence import Evidence, evidence_of
from bac_imaging.vessels.find import Segmentation, find_vessels, leave_out
from bac_imaging.vessels.probability import ProbabilityMap, probabilities
from bac_imaging.vessels.stored import number_stored
from bac_imaging.weighing import Weighed, weigh
from bac_terms.notices import Notice
from bac_terms.report import ImageReport

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Quantified:
    """What was measured on an image.

    Attributes
    ----------
    report : ImageReport
        What is said of the image.
    mask : ndarray of bool, shape (rows, columns)
        BAC on the stored matrix.
    density : ndarray of float32, shape (rows, columns) or (0, 0)
        Calcium in mg/mm2 in the object's plane, on the stored matrix; its sum times the pixel's area in the
        object's plane is the mass. Shape (0, 0) when there is no mass, or it was not asked for.
    labels : ndarray of int32, shape (rows, columns)
        Number of the vessel (from 1) of each stored pixel, 0 for none.
    evidence : Evidence
        Of all vessels, those below the operating point included.
    """

    report: ImageReport
    mask: BoolArray
    density: FloatArray
    labels: npt.NDArray[np.int32]
    evidence: Evidence


def stitch(tiles: FloatArray, context: Context) -> FloatArray:
    """Put the network's answers together; first step after the network.

    Parameters
    ----------
    tiles : ndarray of float32, shape (n, 1, 512, 512)
        Probability of BAC for each tile of `prepare`.
    context : Context
        Of the image.

    Returns
    -------
    ndarray of float32, shape (h, w)
        Probability on the working grid, 0 outside the breast.

    Raises
    ------
    ValueError
        When tiles and context do not belong together.
    """
    probability = stitch_tiles(tiles, np.array(context.origins, dtype=np.int32).reshape(-1, 2), context.grid)
    rows, columns = np.array(context.origins).reshape(-1, 2).min(axis=0, initial=max(context.grid)).tolist()
    probability[rows:, columns:] *= context.breast_mask[rows:, columns:]  # before the first tiles it is 0
    return probability


def find(probability: FloatArray, context: Context, parameters: PostProcessing) -> Segmentation:
    """Find the vessels; second step after the network.

    Parameters
    ----------
    probability : ndarray of float32, shape (h, w)
        From `stitch`.
    context : Context
        Of the image.
    parameters : PostProcessing
        What counts as a vessel.

    Returns
    -------
    Segmentation
        Vessels on the working grid.
    """
    return find_vessels(probability, context.working_spacing_mm, parameters)


def report(
    weighed: Weighed,
    probability: FloatArray,
    signal: FloatArray,
    context: Context,
    parameters: PostProcessing,
    fitted: ProbabilityMap | None = None,
    weights_sha256: str | None = None,
    *,
    with_density: bool = True,
) -> Quantified:
    """Say how sure the vessels are, leave out those below the operating point, and write the report.

    The last step after the network.

    Parameters
    ----------
    weighed : Weighed
        From `weigh`.
    probability, signal : ndarray of float32, shape (h, w)
        From `stitch` and from `prepare`.
    context : Context
        Of the image.
    parameters : PostProcessing
        What counted as a vessel.
    fitted : ProbabilityMap, optional
        What makes probabilities of the network's scores.
    weights_sha256 : str, optional
        Digest of the network, without which there is no estimate from the area.
    with_density : bool, optional
        As of `weigh`, for what is weighed anew without some vessels.

    Returns
    -------
    Quantified
        Report, mask and density.
    """
    spacing, point = context.working_spacing_mm, context.min_probability
    evidence = evidence_of(weighed.segmentation, probability, context.breast_mask, spacing)
    certainty = replace(probabilities(evidence, parameters, fitted), point=point)
    below = [number for number, value in enumerate(certainty.vessels, start=1) if value < point]
    if below:
        weighed = _leave_out_below(weighed, below, probability, signal, context, with_density)
        kept = evidence_of(weighed.segmentation, probability, context.breast_mask, spacing)
        # That the image shows BAC, the vessels that were left out speak for too.
        certainty = replace(certainty, vessels=probabilities(kept, parameters, fitted).vessels)
    segmentation = weighed.segmentation
    stored = number_stored(segmentation, probability, parameters.outline, context.shape)
    written = make_report(context, stored, segmentation.lengths_mm, certainty, weighed.mass, weights_sha256)
    mask = np.zeros(context.shape, dtype=bool)
    mask[stored.window] = stored.labels > 0
    return Quantified(written, mask, weighed.density, stored.whole(context.shape), evidence)


def _leave_out_below(
    weighed: Weighed,
    below: list[int],
    probability: FloatArray,
    signal: FloatArray,
    context: Context,
    with_density: bool,
) -> Weighed:
    """Weigh without the vessels of these numbers, and say so."""
    count = len(below)
    finds = "a find has" if count == 1 else f"{count} finds have"
    below_point = f"a probability below {context.min_probability:g}, the one asked for"
    metal = [notice for notice in weighed.mass.notices if notice.code == "BAC-W-METAL"]
    left = leave_out(weighed.segmentation, below, probability)
    again = weigh(left, probability, signal, context, with_density=with_density)
    notices = (
        *metal,
        *again.mass.notices,
        Notice.of("BAC-W-BELOW-POINT", f"{finds} {below_point}, and no part in any amount"),
    )
    return again._replace(mass=replace(again.mass, notices=notices))


def quantify(
    tiles: FloatArray,
    signal: FloatArray,
    context: Context,
    parameters: PostProcessing | None = None,
    fitted: ProbabilityMap | None = None,
    weights_sha256: str | None = None,
    *,
    with_density: bool = True,
) -> Quantified:
    """Turn the network's answer into vessels, masses and the report.

    Parameters
    ----------
    tiles : ndarray of float32, shape (n, 1, 512, 512)
        Probability of BAC for each tile of `prepare`.
    signal : ndarray of float32, shape (h, w)
        Signal on the working grid, from `prepare`.
    context : Context
        From `prepare`.
    parameters : PostProcessing, optional
        What counts as a vessel.
    fitted, weights_sha256, with_density
        As of `report`.

    Returns
    -------
    Quantified
        Report, mask and density.

    Raises
    ------
    ValueError
        When tiles, signal and context do not belong together.
    RefusedError
        BAC-MASK-*: what was given as an outline cannot be weighed.
    """
    if signal.shape != context.grid:
        raise ValueError(f"the signal is {signal.shape}, its context says {context.grid}")
    parameters = PostProcessing() if parameters is None else parameters
    probability = stitch(tiles, context)
    segmentation = find(probability, context, parameters)
    if context.given_outline is not None:
        return _quantify_given(segmentation, probability, signal, context, parameters, fitted, with_density)
    weighed = weigh(segmentation, probability, signal, context, with_density=with_density)
    return report(
        weighed, probability, signal, context, parameters, fitted, weights_sha256, with_density=with_density
    )


def _quantify_given(
    found: Segmentation,
    probability: FloatArray,
    signal: FloatArray,
    context: Context,
    parameters: PostProcessing,
    fitted: ProbabilityMap | None,
    with_density: bool,
) -> Quantified:
    """Weigh the outline that was given; the network says what else is calcified, and how sure it is."""
    given = take(unpacked(context.given_outline or "", context.shape), context)
    weighed, stored = weigh_given(given, probability, signal, context, with_density=with_density)
    evidence = evidence_of(found, probability, context.breast_mask, context.working_spacing_mm)
    certainty = probabilities(evidence, parameters, fitted)
    written = report_given(given, weighed, stored, certainty, context)
    labels = stored.whole(context.shape)
    return Quantified(written, labels > 0, weighed.density, labels, evidence)
