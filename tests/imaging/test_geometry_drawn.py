"""One breast in millimetres, stored in any spacing, side, turn and size: mask and mass stay with it."""

from __future__ import annotations

import io
import json
import math
import random

import numpy as np
import pydicom
import pytest
from tests.imaging.test_pipeline import BEAM, CALCIUM_MG_CM2, MAGNIFICATION, _dicom

from bac_imaging.context import Context
from bac_imaging.grid.tiles import cut_tiles
from bac_imaging.mass.calibration import Calibration, calibrate
from bac_imaging.pipeline import Quantified, prepare, quantify, to_working_mask

SEED = 17
VESSEL_MM = (30.0, 31.2, 12.0, 36.0)  # top, bottom, left, right, at the detector
TRUE_MG = CALCIUM_MG_CM2 * 0.12 * 2.4 / MAGNIFICATION**2


def drawn(seed: int) -> tuple[dict[str, float | bool], tuple[int, int]]:
    """Draw how the breast is stored, and the matrix that holds it."""
    rng = random.Random(seed)
    row_mm = rng.uniform(0.05, 0.12)
    how = {
        "row_mm": row_mm,
        "column_mm": row_mm * rng.uniform(0.75, 1.3),
        "is_mirrored": rng.random() < 0.5,
        "is_upside_down": rng.random() < 0.5,
    }
    field_mm = rng.uniform(66, 80), rng.uniform(56, 70)
    return how, (round(field_mm[0] / how["row_mm"]), round(field_mm[1] / how["column_mm"]))


def covered(edges: np.ndarray, first: float, last: float) -> np.ndarray:
    """Share of each pixel, given by its edges in mm, that lies between two places."""
    return np.clip(np.minimum(edges[1:], last) - np.maximum(edges[:-1], first), 0, None) / np.diff(edges)


def stored(how: dict[str, float | bool], shape: tuple[int, int], seed: int) -> tuple[bytes, np.ndarray]:
    """Write the breast as a raw image, and give the vessel's mask in its matrix."""
    down, along = (
        np.arange(count + 1) * how[name] for count, name in zip(shape, ("row_mm", "column_mm"), strict=True)
    )
    y, x = np.ix_((down[1:] + down[:-1]) / 2, (along[1:] + along[:-1]) / 2)
    inside = np.maximum(0.0, 1 - ((y - 33) / 28.0) ** 2 - (x / 48.0) ** 2)
    signal = 3.0 * inside**0.2 + np.random.default_rng(seed).normal(0, 0.01, shape)
    share = np.outer(covered(down, *VESSEL_MM[:2]), covered(along, *VESSEL_MM[2:]))
    calibration = calibrate(BEAM)
    assert isinstance(calibration, Calibration)
    grams = CALCIUM_MG_CM2 / 1000
    # As in test_pipeline: calcium, and what blood and wall read like.
    soft = 1.45e-3 * math.pi / 4 * 1.2 / MAGNIFICATION
    primary = calibration.k_cm2_per_g * (grams * (1 - calibration.hardening_cm2_per_g * grams) + soft)
    ratio = calibration.scatter_to_primary
    signal += share * np.log((1 + ratio) / (np.exp(-primary) + ratio))
    mask = share > 0.5
    if how["is_mirrored"]:
        signal, mask = signal[:, ::-1], mask[:, ::-1]
    if how["is_upside_down"]:
        signal, mask = signal[::-1], mask[::-1]
    ds = pydicom.dcmread(io.BytesIO(_dicom(vessel=False)))
    ds.Rows, ds.Columns = shape
    ds.ImagerPixelSpacing = [round(how["row_mm"], 6), round(how["column_mm"], 6)]
    ds.FieldOfViewDimensions = [round(shape[0] * how["row_mm"]), round(shape[1] * how["column_mm"])]
    ds.ImageLaterality = "R" if how["is_mirrored"] else "L"
    ds.PixelData = np.rint(12000.0 * np.exp(-signal)).clip(0, 65535).astype("<u2").tobytes()
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue(), mask


def measured(data: bytes, mask: np.ndarray) -> Quantified:
    """Let a perfect network answer."""
    prepared = prepare(data)
    context = Context.from_dict(json.loads(json.dumps(prepared.context.to_dict())))
    working = to_working_mask(mask, context).astype(np.float32) * np.float32(0.97)
    tiles, _ = cut_tiles(working, prepared.breast)
    return quantify(tiles, prepared.signal, context)


def check(seed: int) -> None:
    """Make one image and compare with what was drawn."""
    how, shape = drawn(seed)
    data, mask = stored(how, shape, seed)
    found = measured(data, mask)
    assert found.mask.shape == shape
    # Where it was drawn: its middle to a working pixel, nearly all of it, and not half as much again.
    middles = [
        np.array([np.flatnonzero(each.any(1)).mean() * how["row_mm"], np.flatnonzero(each.any(0)).mean()
                  * how["column_mm"]])
        for each in (mask, found.mask)
    ]  # fmt: skip
    np.testing.assert_allclose(*middles, atol=0.15)
    assert (found.mask & mask).sum() > 0.9 * mask.sum()
    assert found.mask.sum() < 1.6 * mask.sum()
    assert found.report.mass_basis == "calibrated"
    assert found.report.calcium_mass_mg == pytest.approx(TRUE_MG, rel=0.12)


@pytest.mark.parametrize("number", range(4))
def test_any_geometry(number: int) -> None:
    check(SEED + number)


@pytest.mark.full
@pytest.mark.parametrize("number", range(4, 60))
def test_more_geometries(number: int) -> None:
    check(SEED + number)
