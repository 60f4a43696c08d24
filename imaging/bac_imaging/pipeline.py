"""The two halves around the network: file bytes to tiles, probabilities to the report.

Serving, training and evaluation all call these two functions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_imaging.context import make_context, unpack
from bac_imaging.grid.breast import find_breast
from bac_imaging.grid.normalise import normalise
from bac_imaging.grid.tiles import cut_tiles, stitch
from bac_imaging.grid.working_grid import (
    resample_area,
    resample_linear,
    resample_valid,
    to_working,
    window_of,
    working_shape,
    working_spacing,
)
from bac_imaging.read.reader import read_mammogram
from bac_imaging.report import make_report
from bac_imaging.vessels.evidence import Evidence, evidence_of
from bac_imaging.vessels.find import PostProcessing, Segmentation, find_vessels, leave_out
from bac_imaging.vessels.probability import ProbabilityMap, probabilities
from bac_imaging.weighing import weigh
from bac_terms.errors import RefusedError
from bac_terms.notices import Notice

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Prepared:
    """An image made ready for the network.

    Attributes
    ----------
    tiles : ndarray of float32, shape (n, 1, 512, 512)
        Normalised tiles, n >= 1.
    signal : ndarray of float32, shape (h, w)
        Signal on the working grid, larger = more attenuation.
    context : dict
        JSON-able; everything else that `quantify` needs.
    normalised : ndarray of float32, shape (h, w)
        Normalised image, 0 outside the breast.
    breast : ndarray of bool, shape (h, w)
        Breast mask.
    """

    tiles: FloatArray
    signal: FloatArray
    context: dict[str, Any]
    normalised: FloatArray
    breast: BoolArray


def prepare(data: bytes, options: Mapping[str, Any] | None = None) -> Prepared:
    """Read a mammogram and make it ready for the network.

    Parameters
    ----------
    data : bytes
        A DICOM, PNG, TIFF or JPEG file.
    options : mapping, optional
        ``pixel_spacing_mm``: spacing at the detector in mm, (between rows, between columns), for images
        without one. ``min_probability``: finds of a lower probability are not reported; default 0. Nothing
        else.

    Returns
    -------
    Prepared
        Tiles, signal and context.

    Raises
    ------
    RefusedError
        When the image can never be measured as it is, or an option is unknown.
    FailedError
        When it could not be decoded here.
    """
    spacing, point = _read_options(options)
    mammogram = read_mammogram(data, pixel_spacing_mm=spacing)
    geometry = mammogram.geometry
    shape = working_shape(mammogram.signal.shape, geometry.pixel_spacing_mm)
    signal, valid = resample_valid(mammogram.signal, mammogram.valid, shape)
    breast = find_breast(signal, valid, is_digital=mammogram.presentation_intent is not None)
    normalised = normalise(signal, breast)
    tiles, origins = cut_tiles(normalised, breast)
    context = {**make_context(mammogram, breast, origins), "min_probability": point}
    return Prepared(tiles, signal, context, normalised, breast)


def to_working_mask(mask: BoolArray, context: Mapping[str, Any]) -> BoolArray:
    """Carry a mask of the stored matrix to the working grid.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)
        Mask on the stored matrix.
    context : mapping
        Context of the image, from `prepare`.

    Returns
    -------
    ndarray of bool, shape (h, w)
        True where at least half of the working pixel is in the mask.

    Raises
    ------
    ValueError
        When the mask has not the shape of the image.
    """
    if mask.shape != (context["rows"], context["columns"]):
        raise ValueError(
            f"mask of shape {mask.shape} on an image of {context['rows']} x {context['columns']}"
        )
    rows, columns = context["grid"]
    return to_working(mask, (rows, columns))


@dataclass(frozen=True)
class Quantified:
    """What was measured on an image.

    Attributes
    ----------
    report : dict
        JSON object of the image, without path and files.
    mask : ndarray of bool, shape (rows, columns)
        BAC on the stored matrix.
    density : ndarray of float32, shape (rows, columns) or (0, 0)
        Calcium in mg/mm2 in the object's plane, on the stored matrix; its sum times the pixel's area in the
        object's plane is the mass. Shape (0, 0) when there is no mass.
    labels : ndarray of int32, shape (rows, columns)
        Number of the vessel (from 1) of each stored pixel, 0 for none.
    evidence : Evidence
        What speaks for the finds, those below the operating point included.
    """

    report: dict[str, Any]
    mask: BoolArray
    density: FloatArray
    labels: npt.NDArray[np.int32]
    evidence: Evidence


def quantify(
    probability: FloatArray,
    signal: FloatArray,
    context: Mapping[str, Any],
    parameters: PostProcessing | None = None,
    fitted: ProbabilityMap | None = None,
) -> Quantified:
    """Turn the network's answer into vessels, masses and the report.

    Parameters
    ----------
    probability : ndarray of float32, shape (n, 1, 512, 512)
        Probability of BAC for each tile of `prepare`.
    signal : ndarray of float32, shape (h, w)
        Signal on the working grid, from `prepare`.
    context : mapping
        Context from `prepare`. A ``threshold`` added to it, such as the model card's, replaces the
        outline's probability. Its ``min_probability`` is the operating point; ``weights_sha256`` names the
        network, without which there is no estimate from the area.
    parameters : PostProcessing, optional
        What counts as a vessel.
    fitted : ProbabilityMap, optional
        What makes probabilities of the network's scores.

    Returns
    -------
    Quantified
        Report, mask and density.

    Raises
    ------
    ValueError
        When tiles, signal and context do not belong together.
    """
    shape = (int(context["grid"][0]), int(context["grid"][1]))
    if signal.shape != shape:
        raise ValueError(f"the signal is {signal.shape}, its context says {shape}")
    threshold = context.get("threshold")
    if parameters is None:
        parameters = PostProcessing() if threshold is None else PostProcessing.of(float(threshold), {})
    elif threshold is not None:
        parameters = parameters.with_outline(float(threshold))
    breast = unpack(context["breast"], shape)
    origins = np.asarray(context["origins"], dtype=np.int32).reshape(-1, 2)
    stitched = stitch(probability, origins, shape)
    stitched *= breast
    spacing = working_spacing((context["rows"], context["columns"]), context["pixel_spacing_mm"], shape)
    found = find_vessels(stitched, spacing, parameters)
    mass, density, found = weigh(signal, breast, stitched, found, spacing, context)
    evidence = evidence_of(found, stitched, breast, spacing)
    sure = probabilities(evidence, parameters, fitted)
    point = float(context.get("min_probability", 0.0))
    below = [number for number, value in enumerate(sure.vessels, start=1) if value < point]
    if below:
        metal = [notice for notice in mass.notices if notice.code == "BAC-W-METAL"]
        found = leave_out(found, below, stitched)
        mass, density, found = weigh(signal, breast, stitched, found, spacing, context)
        told = Notice.of("BAC-W-BELOW-POINT", _below(len(below), point))
        mass = replace(mass, notices=(*metal, *mass.notices, told))
        kept = probabilities(evidence_of(found, stitched, breast, spacing), parameters, fitted)
        sure = replace(sure, vessels=kept.vessels)  # that the image shows BAC, its left-out finds tell too
    labels = _to_stored(found, stitched, parameters.outline, (context["rows"], context["columns"]))
    breast_mm2 = float(np.count_nonzero(breast)) * spacing[0] * spacing[1]
    report = make_report(context, labels, found.lengths_mm, replace(sure, point=point), mass, breast_mm2)
    return Quantified(report, labels > 0, density, labels, evidence)


def _below(count: int, point: float) -> str:
    finds = "a find has" if count == 1 else f"{count} finds have"
    return f"{finds} a probability below {point:g}, the one asked for, and no part in any amount"


def _to_stored(
    found: Segmentation, probability: FloatArray, outline: float, out_shape: tuple[int, int]
) -> npt.NDArray[np.int32]:
    """Outline the vessels on the stored matrix and number their pixels.

    The probability is interpolated before it is cut, so that a finer stored matrix gets a smooth outline.
    """
    labels = np.zeros(out_shape, dtype=np.int32)
    near, window = window_of(found.mask, 2), window_of(found.mask, 1, out_shape)
    if near is None or window is None:
        return labels
    kept = np.zeros(probability.shape, dtype=np.float32)
    beside = ndimage.binary_dilation(found.mask[near], np.ones((3, 3))) & (found.zones[near] > 0)
    kept[near] = np.where(beside, probability[near], np.float32(0))
    coarser = out_shape[0] < probability.shape[0] or out_shape[1] < probability.shape[1]
    resample = resample_area if coarser else resample_linear
    inside = resample(kept, out_shape, window)[window] >= outline
    too_far = (kept[near] >= outline) & ~found.mask[near]
    if too_far.any():
        # What is too far from a core is outside, however probable.
        share = np.ones(probability.shape, dtype=np.float32)
        share[near] = ~too_far
        inside &= resample(share, out_shape, window)[window] >= 0.5
    rows, columns = (
        (np.arange(n)[part] * m + m // 2) // n
        for n, m, part in zip(out_shape, probability.shape, window, strict=True)
    )
    labels[window] = np.where(inside, found.zones[np.ix_(rows, columns)], 0)
    return labels


def _read_options(options: Mapping[str, Any] | None) -> tuple[tuple[float, float] | None, float]:
    """Return the spacing at the detector in mm and the operating point that a caller asks for."""
    if options is None:
        return None, 0.0
    if not isinstance(options, Mapping):
        raise RefusedError("BAC-OPTIONS-INVALID", "the options are no object with names")
    unknown = set(options) - {"pixel_spacing_mm", "min_probability"}
    if unknown:
        named = ", ".join(sorted(_option_name(name) for name in unknown))
        raise RefusedError("BAC-OPTIONS-INVALID", f"unknown option {named}")
    point = options.get("min_probability")
    if point is None:
        return _spacing_option(options), 0.0
    # NaN, which Python's JSON reads, is in no range.
    if isinstance(point, bool) or not isinstance(point, (int, float)) or not 0.0 <= point <= 1.0:
        raise RefusedError("BAC-OPTIONS-INVALID", "min_probability is not a number from 0 to 1")
    return _spacing_option(options), float(point)


def _spacing_option(options: Mapping[str, Any]) -> tuple[float, float] | None:
    spacing = options.get("pixel_spacing_mm")
    if spacing is None:
        return None
    if not isinstance(spacing, (list, tuple)) or len(spacing) != 2:
        raise RefusedError("BAC-OPTIONS-INVALID", "pixel_spacing_mm is not a pair of numbers")
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in spacing):
        raise RefusedError("BAC-OPTIONS-INVALID", "pixel_spacing_mm is not a pair of numbers")
    try:
        return float(spacing[0]), float(spacing[1])
    except OverflowError:  # an integer that no float holds
        raise RefusedError("BAC-OPTIONS-INVALID", "pixel_spacing_mm is not a pair of numbers") from None


def _option_name(name: object) -> str:
    """Write an option's name into a message only if it looks like one."""
    return (
        repr(name)
        if isinstance(name, str) and re.fullmatch(r"\w{1,40}", name, re.ASCII)
        else "that is no name"
    )
