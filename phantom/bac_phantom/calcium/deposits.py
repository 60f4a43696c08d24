"""Calcifications that are no artery: clusters, round, rim, popcorn, rods, sutures, skin, milk of calcium."""

from __future__ import annotations

import numpy as np

from bac_phantom.body.anatomy import Anatomy, ViewName
from bac_phantom.body.curves import STEP_MM, FloatArray, Path, random_path
from bac_phantom.body.tubes import paint_tube, slow_noise

# Calcium per mm3 of a dense deposit: hydroxyapatite 3.16 g/cm3 x 0.3989 at a packing of about one half.
DEPOSIT_MG_MM3 = 0.6

Point = tuple[float, float]


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def somewhere(
    rng: np.random.Generator, anatomy: Anatomy, pitch_mm: float, least_mm: float, most_mm: float = np.inf
) -> Point | None:
    """Draw a place (row, column) in mm whose distance to the skin lies in a range; None without any."""
    depth = anatomy.depth_px[::8, ::8] * pitch_mm
    rows, columns = np.nonzero((depth > least_mm) & (depth < most_mm))
    if rows.size == 0:
        return None
    k = int(rng.integers(rows.size))
    return float(rows[k] + rng.random()) * 8 * pitch_mm, float(columns[k] + rng.random()) * 8 * pitch_mm


def blob(
    rng: np.random.Generator,
    canvas: FloatArray,
    place: Point,
    radius_mm: float,
    peak: float,
    pitch_mm: float,
    *,
    hollow: float = 0.0,
    stretch: float = 1.3,
    lobes: float = 0.0,
    open_share: float = 0.0,
) -> None:
    """Add an ellipsoid of ``peak`` mg/mm2 at most, or a shell (``hollow`` = inner over outer radius).

    ``stretch`` is the largest ratio of its axes, ``lobes`` how uneven its outline, ``open_share`` the share
    of a shell's turn that is free.
    """
    row, column, radius = place[0] / pitch_mm, place[1] / pitch_mm, radius_mm / pitch_mm
    reach = int(np.ceil(radius * (1.2 + lobes) * max(stretch, 1.0))) + 2
    r0, r1 = max(int(row) - reach, 0), min(int(row) + reach + 1, canvas.shape[0])
    c0, c1 = max(int(column) - reach, 0), min(int(column) + reach + 1, canvas.shape[1])
    turn, longer, phase = rng.uniform(0, np.pi), rng.uniform(1.0, stretch), rng.uniform(0, 2 * np.pi, 3)
    if r0 >= r1 or c0 >= c1:
        return
    yy, xx = np.mgrid[r0:r1, c0:c1].astype(np.float32) + np.float32(0.5)
    yy, xx = yy - np.float32(row), xx - np.float32(column)
    u = (np.cos(turn) * yy + np.sin(turn) * xx) * np.sqrt(longer)
    v = (-np.sin(turn) * yy + np.cos(turn) * xx) / np.sqrt(longer)
    if radius < 1.0:
        # Smaller than a pixel: a spot of the same content.
        canvas[r0:r1, c0:c1] += (peak * radius**2 * np.exp(-(u * u + v * v))).astype(np.float32)
        return
    angle = np.arctan2(v, u)
    uneven = 1 + lobes * (np.sin(2 * angle + phase[0]) + np.sin(3 * angle + phase[1])) / 2
    d2 = (u * u + v * v) / (radius * uneven) ** 2
    body = np.sqrt(np.maximum(1 - d2, 0))
    if hollow > 0:
        body = (body - hollow * np.sqrt(np.maximum(1 - d2 / hollow**2, 0))) / np.sqrt(1 - hollow**2)
        if open_share > 0:  # only the part near the outline is left of a broken shell
            body = body * np.clip((1 + np.cos(angle + phase[2])) * 1.5 - 3 * open_share + 0.5, 0, 1)
            body = body * np.clip(4 * np.sqrt(d2) - 2.6, 0, 1)
    canvas[r0:r1, c0:c1] += (peak * body).astype(np.float32)


def cluster(
    rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float, view: ViewName
) -> bool:
    """Microcalcifications 0.1 to 0.6 mm: in a group, in a line, or as casts of a branching duct."""
    place = somewhere(rng, anatomy, pitch_mm, 3.0)
    if place is None:
        return False
    form = rng.choice(["group", "line", "casts"], p=[0.55, 0.2, 0.25])
    dense = log_uniform(rng, 0.3, 1.3) * DEPOSIT_MG_MM3
    if form == "casts":
        for path in _duct(rng, place, anatomy.nipple_mm, rng.uniform(8, 30), branching=0.8):
            # Fragments of uneven width with gaps between them, like crushed stone along the duct.
            keep = slow_noise(rng, len(path), 0.7) > rng.uniform(-0.5, 0.8)
            for k in np.nonzero(keep)[0][:: int(rng.integers(2, 5))]:
                spot = (path[k, 0] + rng.normal(0, 0.12), path[k, 1] + rng.normal(0, 0.12))
                size = log_uniform(rng, 0.05, 0.2)
                blob(rng, canvas, spot, size, dense * 2 * size, pitch_mm, stretch=2.5, lobes=0.3)
        return True
    spread = rng.uniform(1.5, 8.0)
    squeeze = rng.uniform(0.4, 1.0) if form == "group" else rng.uniform(0.04, 0.15)
    angle = np.arctan2(anatomy.nipple_mm[0] - place[0], anatomy.nipple_mm[1] - place[1]) + rng.normal(0, 0.3)
    for _ in range(int(rng.integers(5, 60))):
        u, v = rng.normal(0, spread), rng.normal(0, spread * squeeze)
        spot = (
            place[0] + u * np.sin(angle) + v * np.cos(angle),
            place[1] + u * np.cos(angle) - v * np.sin(angle),
        )
        size = log_uniform(rng, 0.06, 0.3)
        blob(
            rng,
            canvas,
            spot,
            size,
            dense * 2 * size * rng.uniform(0.5, 1.2),
            pitch_mm,
            stretch=2.0,
            lobes=0.3,
        )
    return True


def round_deposits(
    rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float, view: ViewName
) -> bool:
    """Round and punctate calcifications, smooth and dense, scattered."""
    for _ in range(int(rng.integers(1, 14))):
        place = somewhere(rng, anatomy, pitch_mm, 1.0)
        if place is None:
            return False
        radius = log_uniform(rng, 0.12, 1.3)
        peak = DEPOSIT_MG_MM3 * 2 * radius * rng.uniform(0.3, 1.0)
        blob(rng, canvas, place, radius, peak, pitch_mm, stretch=1.15)
    return True


def rim(
    rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float, view: ViewName
) -> bool:
    """Lucent-centred and eggshell calcifications: fat necrosis, oil cysts, shells that are not closed."""
    for _ in range(int(rng.integers(1, 5))):
        place = somewhere(rng, anatomy, pitch_mm, 2.0)
        if place is None:
            return False
        radius = log_uniform(rng, 0.4, 7.0)
        shell = log_uniform(rng, 0.12, 0.6)
        hollow = max(1 - shell / radius, 0.45)
        tangential = 2 * np.sqrt(1 - hollow**2) * radius
        blob(
            rng,
            canvas,
            place,
            radius,
            DEPOSIT_MG_MM3 * rng.uniform(0.15, 0.7) * tangential,
            pitch_mm,
            hollow=hollow,
            lobes=rng.uniform(0, 0.12),
            open_share=float(rng.choice([0.0, rng.uniform(0.05, 0.8)])),
        )
    return True


def popcorn(
    rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float, view: ViewName
) -> bool:
    """Draw the coarse calcification of an involuting fibroadenoma: lumps that grow together."""
    place = somewhere(rng, anatomy, pitch_mm, 4.0)
    if place is None:
        return False
    size = rng.uniform(1.0, 5.5)
    lump = np.zeros_like(canvas)
    for _ in range(int(rng.integers(5, 30))):
        radius = size * rng.uniform(0.12, 0.45)
        spot = (place[0] + rng.normal(0, size * 0.4), place[1] + rng.normal(0, size * 0.4))
        peak = DEPOSIT_MG_MM3 * 2 * radius * rng.uniform(0.2, 0.7)
        blob(rng, lump, spot, radius, peak, pitch_mm, stretch=1.8, lobes=0.35)
    canvas += np.minimum(lump, np.float32(DEPOSIT_MG_MM3 * 2 * size))
    return True


def _duct(
    rng: np.random.Generator, start: Point, nipple: Point, length_mm: float, branching: float
) -> list[Path]:
    """Draw a duct running towards the nipple from ``start``, with tributaries from the far side (Y)."""
    aim = np.arctan2(nipple[0] - start[0], nipple[1] - start[1])
    trunk = random_path(
        rng, start, aim + rng.normal(0, 0.2), length_mm, rng.uniform(0.0, 0.25), target=nipple
    )
    paths = [trunk]
    for _ in range(int(rng.poisson(branching))):
        k = int(rng.integers(len(trunk)))
        # A tributary comes from further out and joins at an acute angle: walk it away from the nipple.
        back = aim + np.pi + rng.choice([-1, 1]) * rng.uniform(0.25, 0.7)
        join = (float(trunk[k, 0]), float(trunk[k, 1]))
        paths.append(random_path(rng, join, back, length_mm * rng.uniform(0.2, 0.7), 0.1))
    return paths


def secretory_rods(
    rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float, view: ViewName
) -> bool:
    """Secretory disease: many dense needles with smooth edges in ducts, all pointing to the nipple."""
    centre = somewhere(rng, anatomy, pitch_mm, 6.0)
    if centre is None:
        return False
    spread = log_uniform(rng, 6.0, 30.0)
    widest, longest = log_uniform(rng, 0.2, 0.55), log_uniform(rng, 5.0, 16.0)
    dense = log_uniform(rng, 0.3, 1.2) * DEPOSIT_MG_MM3
    for _ in range(int(log_uniform(rng, 6, 60))):
        start = (centre[0] + rng.normal(0, spread), centre[1] + rng.normal(0, spread))
        length = min(float(rng.lognormal(np.log(0.5 * longest), 0.6)), 2 * longest)
        length = max(length, 1.5)
        for path in _duct(rng, start, anatomy.nipple_mm, length, branching=0.15 if length > 3 else 0.0):
            _rod(rng, canvas, anatomy, path, widest * rng.uniform(0.4, 1.0), dense, pitch_mm)
    return True


def _rod(
    rng: np.random.Generator,
    canvas: FloatArray,
    anatomy: Anatomy,
    path: Path,
    radius_mm: float,
    dense: float,
    pitch_mm: float,
) -> None:
    """One cast of a duct, cigar-shaped, now and then broken into pieces; nothing outside the breast."""
    cells = np.clip((path / pitch_mm).astype(int), 0, np.array(canvas.shape) - 1)
    inside = anatomy.depth_px[cells[:, 0], cells[:, 1]] * pitch_mm > 2.0
    path = path[: len(path) if inside.all() else int(np.argmin(inside))]
    cuts = np.sort(rng.integers(0, max(len(path), 1), int(rng.poisson(0.3))))
    for piece in np.split(path, cuts):
        piece = piece[: len(piece) - int(rng.integers(0, 6))]
        if len(piece) < 6:
            continue
        along = np.linspace(-1, 1, len(piece))
        ends = np.sqrt(np.maximum(1 - np.abs(along) ** rng.uniform(2.0, 8.0), 0.005))
        # Needles: several times as long as wide.
        uneven = (1 + 0.12 * slow_noise(rng, len(piece), 2.0)).clip(0.5, 1.5)
        radius = min(radius_mm, len(piece) * STEP_MM / 7) * ends * uneven
        # Short thick ones may have a lucent core; long ones are solid.
        hollow = 0.6 if len(piece) < 35 and rng.random() < 0.2 else 0.0
        amount = dense * (1 + 0.15 * slow_noise(rng, len(piece), 1.5)).clip(0.4, 1.6)
        paint_tube(canvas, piece, radius, amount, pitch_mm, hollow=hollow)


def sutures(
    rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float, view: ViewName
) -> bool:
    """Calcified suture material: thin even threads, loops and knots near one place."""
    place = somewhere(rng, anatomy, pitch_mm, 5.0)
    if place is None:
        return False
    radius, dense = rng.uniform(0.08, 0.22), DEPOSIT_MG_MM3 * rng.uniform(0.4, 1.2)
    for _ in range(int(rng.integers(1, 7))):
        start = (place[0] + rng.normal(0, 6), place[1] + rng.normal(0, 6))
        path = random_path(rng, start, rng.uniform(0, 6.28), rng.uniform(2, 14), rng.uniform(0.3, 1.6))
        paint_tube(canvas, path, np.full(len(path), radius), np.full(len(path), dense), pitch_mm)
        if rng.random() < 0.5:
            knot = (float(path[0, 0]), float(path[0, 1]))
            blob(rng, canvas, knot, 2.2 * radius, dense * 3 * radius, pitch_mm, stretch=1.6, lobes=0.3)
    return True


def skin_deposits(
    rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float, view: ViewName
) -> bool:
    """Tiny lucent-centred calcifications of the skin in groups, some of them seen edge-on in the rim."""
    for _ in range(int(rng.integers(1, 4))):
        edge_on = rng.random() < 0.3
        place = somewhere(rng, anatomy, pitch_mm, 0.3, 2.5 if edge_on else 18.0)
        if place is None:
            return False
        spread = rng.uniform(2, 9)
        for _ in range(int(rng.integers(3, 25))):
            spot = (place[0] + rng.normal(0, spread), place[1] + rng.normal(0, spread))
            row, column = int(spot[0] / pitch_mm), int(spot[1] / pitch_mm)
            radius = rng.uniform(0.15, 0.5)
            peak = DEPOSIT_MG_MM3 * radius * rng.uniform(0.3, 1.0)
            if not (0 <= row < canvas.shape[0] and 0 <= column < canvas.shape[1]):
                continue
            if anatomy.inside[row, column]:
                blob(rng, canvas, spot, radius, peak, pitch_mm, hollow=rng.uniform(0.5, 0.8), lobes=0.15)
    return True


def milk_of_calcium(
    rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float, view: ViewName
) -> bool:
    """Calcium that settles in small cysts: smudges from above (CC), cups and layers from the side (MLO)."""
    place = somewhere(rng, anatomy, pitch_mm, 6.0)
    if place is None:
        return False
    spread = rng.uniform(2, 14)
    for _ in range(int(rng.integers(4, 40))):
        spot = (place[0] + rng.normal(0, spread), place[1] + rng.normal(0, spread))
        radius = log_uniform(rng, 0.3, 1.6)
        depth_mm = radius * rng.uniform(0.1, 0.5)
        if view == "CC":
            blob(rng, canvas, spot, radius, DEPOSIT_MG_MM3 * 0.35 * depth_mm, pitch_mm, lobes=0.25)
        else:
            _cup(rng, canvas, spot, radius, depth_mm, pitch_mm)
    return True


def _cup(
    rng: np.random.Generator,
    canvas: FloatArray,
    place: Point,
    radius_mm: float,
    depth_mm: float,
    pitch_mm: float,
) -> None:
    """Sediment at the bottom of a round cyst, seen from the side; its upper face is level or hollow."""
    reach = int(radius_mm / pitch_mm) + 2
    row, column = int(place[0] / pitch_mm), int(place[1] / pitch_mm)
    hollow_mm = depth_mm * rng.uniform(0.0, 1.0)
    r0, r1 = max(row - reach, 0), min(row + reach + 1, canvas.shape[0])
    c0, c1 = max(column - reach, 0), min(column + reach + 1, canvas.shape[1])
    if r0 >= r1 or c0 >= c1:
        return
    yy, xx = np.mgrid[r0:r1, c0:c1].astype(np.float32) + np.float32(0.5)
    y, x = yy * pitch_mm - place[0], xx * pitch_mm - place[1]
    surface = radius_mm - depth_mm - hollow_mm * (x / radius_mm) ** 2
    floor = np.sqrt(np.maximum(radius_mm**2 - x * x, 0))
    # Rows grow downwards: sediment lies between its surface and the cyst's floor, a pixel's edge soft.
    within = np.clip((y - surface) / pitch_mm + 0.5, 0, 1) * np.clip((floor - y) / pitch_mm + 0.5, 0, 1)
    through = 2 * np.sqrt(np.maximum(radius_mm**2 - x * x - y * y, (0.3 * radius_mm) ** 2))
    canvas[r0:r1, c0:c1] += (DEPOSIT_MG_MM3 * 0.35 * within * through).astype(np.float32)
