"""Everything bright that is not an artery: benign and malignant calcifications, metal, skin marks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

from bac_phantom.anatomy import Anatomy, ViewName
from bac_phantom.config import HARD_NEGATIVES
from bac_phantom.curves import FloatArray, chord, random_path, tube_pixels

# Calcium per mm3 of a dense deposit: hydroxyapatite 3.16 g/cm3 x 0.3989 at a packing of about one half.
DEPOSIT_MG_MM3 = 0.6

Adder = Callable[[np.random.Generator, FloatArray, Anatomy, float], None]


def _somewhere(
    rng: np.random.Generator, anatomy: Anatomy, pitch_mm: float, margin_mm: float = 3.0
) -> tuple[int, int]:
    coarse = anatomy.depth_px[::8, ::8] * pitch_mm > margin_mm
    rows, columns = np.nonzero(coarse)
    if rows.size == 0:
        return anatomy.inside.shape[0] // 2, 2
    k = int(rng.integers(rows.size))
    return int(rows[k]) * 8, int(columns[k]) * 8


def _blob(
    rng: np.random.Generator,
    canvas: FloatArray,
    row: float,
    column: float,
    radius_px: float,
    peak: float,
    hollow: float,
) -> None:
    """Add an irregular ellipsoid (or a shell, ``hollow`` = inner over outer radius) of ``peak`` mg/mm2."""
    reach = int(np.ceil(radius_px * 1.7)) + 1
    r0, r1 = max(int(row) - reach, 0), min(int(row) + reach + 1, canvas.shape[0])
    c0, c1 = max(int(column) - reach, 0), min(int(column) + reach + 1, canvas.shape[1])
    if r0 >= r1 or c0 >= c1:
        return
    yy, xx = np.mgrid[r0:r1, c0:c1].astype(np.float32)
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 1.5)
    u = (np.cos(angle) * (yy - row) + np.sin(angle) * (xx - column)) * stretch
    v = -np.sin(angle) * (yy - row) + np.cos(angle) * (xx - column)
    d2 = (u * u + v * v) / radius_px**2
    body = np.sqrt(np.maximum(1 - d2, 0))
    if hollow > 0:
        body = body - hollow * np.sqrt(np.maximum(1 - d2 / hollow**2, 0))
        body = body / np.sqrt(1 - hollow**2)
    # Anti-aliasing of grains smaller than a pixel: keep their content.
    if radius_px < 1.0:
        body = np.exp(-d2 * radius_px**2) * radius_px**2
    canvas[r0:r1, c0:c1] += peak * body


def cluster(rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float) -> None:
    """Microcalcifications 0.1 to 0.6 mm in a group; sometimes along a duct."""
    row, column = _somewhere(rng, anatomy, pitch_mm)
    spread = rng.uniform(1.5, 7.0) / pitch_mm
    squeeze, angle = rng.uniform(0.12, 1.0), rng.uniform(0, np.pi)
    for _ in range(int(rng.integers(5, 40))):
        u, v = rng.normal(0, spread), rng.normal(0, spread * squeeze)
        radius = np.exp(rng.uniform(np.log(0.06), np.log(0.3)))
        _blob(
            rng,
            canvas,
            row + u * np.sin(angle) + v * np.cos(angle),
            column + u * np.cos(angle) - v * np.sin(angle),
            radius / pitch_mm,
            DEPOSIT_MG_MM3 * 2 * radius * rng.uniform(0.3, 1.2),
            0.0,
        )


def round_deposits(rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float) -> None:
    """Round, punctate and lucent-centred (rim) calcifications, scattered."""
    for _ in range(int(rng.integers(1, 12))):
        row, column = _somewhere(rng, anatomy, pitch_mm, 1.0)
        radius = np.exp(rng.uniform(np.log(0.15), np.log(1.6)))
        hollow = rng.uniform(0.5, 0.85) if radius > 0.5 and rng.random() < 0.5 else 0.0
        _blob(
            rng,
            canvas,
            row,
            column,
            radius / pitch_mm,
            DEPOSIT_MG_MM3 * radius * rng.uniform(0.3, 1.2),
            hollow,
        )


def popcorn(rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float) -> None:
    """Draw the coarse calcification of an involuting fibroadenoma."""
    row, column = _somewhere(rng, anatomy, pitch_mm)
    size = rng.uniform(1.5, 5.0) / pitch_mm
    for _ in range(int(rng.integers(5, 25))):
        radius = rng.uniform(0.3, 1.5)
        _blob(
            rng,
            canvas,
            row + rng.normal(0, size * 0.4),
            column + rng.normal(0, size * 0.4),
            radius / pitch_mm,
            DEPOSIT_MG_MM3 * radius * rng.uniform(0.2, 0.7),
            0.0,
        )


def secretory_rods(rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float) -> None:
    """Smooth solid or hollow rods in ducts, pointing to the nipple."""
    for _ in range(int(rng.integers(2, 14))):
        row, column = _somewhere(rng, anatomy, pitch_mm)
        start = (row * pitch_mm, column * pitch_mm)
        heading = np.arctan2(anatomy.nipple_mm[0] - start[0], anatomy.nipple_mm[1] - start[1]) + rng.normal(
            0, 0.25
        )
        path = random_path(rng, start, heading, rng.uniform(1.5, 9.0), 0.05)
        radius = rng.uniform(0.12, 0.6) * (1 - 0.85 * np.abs(np.linspace(-1, 1, len(path))) ** 4)
        near = tube_pixels(path, radius, pitch_mm, canvas.shape)
        outer = radius[near.along].astype(np.float32)
        body = chord(near.offset_mm, outer)
        if rng.random() < 0.3:
            body = body - chord(near.offset_mm, outer * np.float32(0.55))
        canvas[near.rows, near.columns] += DEPOSIT_MG_MM3 * rng.uniform(0.3, 0.9) * body


def sutures(rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float) -> None:
    """Calcified suture material: short thin loops and knots near one place."""
    row, column = _somewhere(rng, anatomy, pitch_mm)
    for _ in range(int(rng.integers(1, 6))):
        start = (row * pitch_mm + rng.normal(0, 6), column * pitch_mm + rng.normal(0, 6))
        path = random_path(rng, start, rng.uniform(0, 6.28), rng.uniform(2, 12), rng.uniform(0.3, 1.0))
        near = tube_pixels(path, np.full(len(path), rng.uniform(0.1, 0.22)), pitch_mm, canvas.shape)
        canvas[near.rows, near.columns] += np.float32(rng.uniform(0.05, 0.25))


def metal(rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float) -> None:
    """Biopsy clips, BB and wire markers: opaque, sharp."""
    kind = rng.integers(3)
    row, column = _somewhere(rng, anatomy, pitch_mm, 1.0)
    if kind == 0:  # clip: a small bent wire
        start = (row * pitch_mm, column * pitch_mm)
        path = random_path(rng, start, rng.uniform(0, 6.28), rng.uniform(2, 4), rng.uniform(0, 1.0))
        near = tube_pixels(path, np.full(len(path), rng.uniform(0.15, 0.4)), pitch_mm, canvas.shape)
        canvas[near.rows, near.columns] += 3.0
    elif kind == 1:  # BB on the skin
        _blob(rng, canvas, row, column, rng.uniform(0.7, 1.2) / pitch_mm, 4.0, 0.0)
    else:  # scar marker: a thin wire over the skin
        start = (row * pitch_mm, column * pitch_mm)
        path = random_path(rng, start, rng.uniform(0, 6.28), rng.uniform(20, 80), 0.1)
        near = tube_pixels(path, np.full(len(path), rng.uniform(0.15, 0.3)), pitch_mm, canvas.shape)
        canvas[near.rows, near.columns] += np.float32(rng.uniform(0.2, 1.5))


KINDS: dict[str, tuple[Adder, float]] = {
    # kind: (how it is drawn, expected number in a view)
    "cluster": (cluster, 0.6),
    "round": (round_deposits, 1.0),
    "popcorn": (popcorn, 0.25),
    "rods": (secretory_rods, 0.3),
    "sutures": (sutures, 0.15),
    "clip": (metal, 0.3),
}


def add_calcifications(
    rng: np.random.Generator,
    anatomy: Anatomy,
    pitch_mm: float,
    names: Sequence[str],
    rate: float,
    view: ViewName,
) -> tuple[FloatArray, list[str]]:
    """Draw what is bright and no artery over a view.

    Parameters
    ----------
    rng
        Every kind gets a stream of its own from it, so that leaving one out changes nothing else.
    anatomy
        The breast of this view.
    pitch_mm
        Detector pitch.
    names
        Names of ``KINDS`` that may appear; other names are passed over.
    rate
        How many: 1 as in ``KINDS``, 2 twice as many.
    view
        CC or MLO: some kinds look different in the two, or appear in one only.

    Returns
    -------
    tuple
        float32 (rows, columns), mg/mm2 of calcium (equivalent) along the ray; and the kinds drawn, one entry
        for each object.
    """
    canvas = np.zeros(anatomy.inside.shape, dtype=np.float32)
    kinds: list[str] = []
    seed = int(rng.integers(2**63))
    for kind, (draw, expected) in KINDS.items():
        own = np.random.default_rng([seed, HARD_NEGATIVES.index(kind)])
        number = int(own.poisson(expected * rate))
        if kind not in names:
            continue
        for _ in range(number):
            draw(own, canvas, anatomy, pitch_mm)
            kinds.append(kind)
    if kinds:
        canvas = ndimage.gaussian_filter(canvas, 0.35)
        canvas[canvas < 1e-4] = 0
    return canvas, kinds
