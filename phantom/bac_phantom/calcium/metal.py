"""Metal in and on the breast, and what sticks to the skin: opaque, sharp, and no calcium."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bac_phantom.body.anatomy import Anatomy, ViewName
from bac_phantom.body.curves import FloatArray, Path, random_path
from bac_phantom.body.tubes import paint_tube
from bac_phantom.calcium.deposits import blob, log_uniform, somewhere

# Calcium equivalent of metal that lets nothing through: 6 mg/mm2 leaves about 0.1 % of the beam.
OPAQUE_MG_MM2 = 6.0


def _thread(canvas: FloatArray, path: Path, radius_mm: float, amount: float, pitch_mm: float) -> None:
    """Draw a wire of even width whose middle stops ``amount`` mg/mm2."""
    per_mm = np.full(len(path), amount / (2 * radius_mm))
    paint_tube(canvas, path, np.full(len(path), radius_mm), per_mm, pitch_mm)


def clip(
    rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float, view: ViewName
) -> bool:
    """Biopsy markers (bent wires, rings) and surgical clips (short bars, several in a row)."""
    place = somewhere(rng, anatomy, pitch_mm, 4.0)
    if place is None:
        return False
    if rng.random() < 0.4:
        for _ in range(int(rng.integers(1, 7))):
            start = (place[0] + rng.normal(0, 12), place[1] + rng.normal(0, 12))
            path = random_path(rng, start, rng.uniform(0, 6.28), rng.uniform(3, 7), 0.1)
            cells = np.clip((path / pitch_mm).astype(int), 0, np.array(canvas.shape) - 1)
            if (anatomy.depth_px[cells[:, 0], cells[:, 1]] * pitch_mm > 2.0).all():
                _thread(canvas, path, rng.uniform(0.25, 0.5), OPAQUE_MG_MM2, pitch_mm)
        return True
    if rng.random() < 0.3:
        turn = np.linspace(0, rng.uniform(3.5, 6.28), 120)
        size = rng.uniform(0.8, 1.6)
        path = np.column_stack([place[0] + size * np.sin(turn), place[1] + size * np.cos(turn)])
    else:
        path = random_path(rng, place, rng.uniform(0, 6.28), rng.uniform(2, 5), rng.uniform(0, 3.0))
    _thread(canvas, path, rng.uniform(0.15, 0.4), OPAQUE_MG_MM2 * rng.uniform(0.4, 1), pitch_mm)
    return True


def bb(
    rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float, view: ViewName
) -> bool:
    """Metal ball taped to the nipple or over a finding."""
    place = somewhere(rng, anatomy, pitch_mm, 0.5)
    if place is None:
        return False
    if rng.random() < 0.5:
        place = (anatomy.nipple_mm[0] + rng.normal(0, 2), anatomy.nipple_mm[1] + rng.normal(0, 3))
    blob(rng, canvas, place, rng.uniform(0.7, 1.4), 2 * OPAQUE_MG_MM2, pitch_mm, stretch=1.02)
    return True


def scar(
    rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float, view: ViewName
) -> bool:
    """Wire or beaded thread taped along a scar."""
    place = somewhere(rng, anatomy, pitch_mm, 3.0)
    if place is None:
        return False
    path = random_path(rng, place, rng.uniform(0, 6.28), rng.uniform(15, 80), rng.uniform(0, 0.25))
    if rng.random() < 0.3:
        for k in range(0, len(path), int(rng.uniform(15, 40))):
            spot = (float(path[k, 0]), float(path[k, 1]))
            blob(rng, canvas, spot, 0.35, 0.4 * OPAQUE_MG_MM2, pitch_mm, stretch=1.05)
        return True
    _thread(canvas, path, rng.uniform(0.15, 0.45), log_uniform(rng, 0.15, OPAQUE_MG_MM2), pitch_mm)
    return True


def pacemaker(
    rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float, view: ViewName
) -> bool:
    """Draw a pulse generator in the upper corner of an MLO view, cut by the image's edge, with its leads."""
    if view == "CC":
        return False
    row, column = rng.uniform(-8, 45), rng.uniform(-12, 18)
    half_height, half_width, corner = rng.uniform(18, 27), rng.uniform(17, 25), rng.uniform(5, 14)
    turn = rng.uniform(-0.7, 0.7)
    reach = int(40 / pitch_mm)
    r0, r1 = max(int(row / pitch_mm) - reach, 0), min(int(row / pitch_mm) + reach, canvas.shape[0])
    c1 = min(int(column / pitch_mm) + reach, canvas.shape[1])
    yy, xx = np.mgrid[r0:r1, 0:c1].astype(np.float32) * np.float32(pitch_mm)
    u = np.abs(np.cos(turn) * (yy - row) + np.sin(turn) * (xx - column))
    v = np.abs(-np.sin(turn) * (yy - row) + np.cos(turn) * (xx - column))
    # A rounded box: negative inside, in mm; the case is opaque, its seam and header let a little through.
    outside = (
        np.hypot(np.maximum(u - half_height + corner, 0), np.maximum(v - half_width + corner, 0)) - corner
    )
    case = np.clip(0.5 - outside / pitch_mm, 0, 1) * np.where(
        outside > -rng.uniform(0.6, 1.5), 0.5, np.where(v < half_width * rng.uniform(0.3, 0.8), 1.0, 0.75)
    )
    canvas[r0:r1, :c1] += (OPAQUE_MG_MM2 * case).astype(np.float32)
    for _ in range(int(rng.integers(1, 4))):
        # The lead leaves the header, loops around the case and goes up to the shoulder.
        start = (
            row + rng.uniform(-0.5, 1.0) * half_height,
            max(column + rng.uniform(0.4, 1.1) * half_width, 1.0),
        )
        up = (-30.0, rng.uniform(-20, 40))
        path = random_path(
            rng, start, rng.uniform(-1.8, 0.6), rng.uniform(50, 130), rng.uniform(0.1, 0.6), target=up
        )
        radius = np.full(len(path), rng.uniform(0.5, 1.1))
        # A coiled conductor in a sheath: bright borders, fine turns.
        coil = 1 + 0.4 * np.sin(np.arange(len(path)) * 2 * np.pi / rng.uniform(4, 9))
        paint_tube(canvas, path, radius, coil * rng.uniform(0.5, 1.8), pitch_mm, hollow=rng.uniform(0.4, 0.8))
    return True


def deodorant(
    rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float, view: ViewName
) -> bool:
    """Specks and smears of aluminium salts in the folds of the armpit, MLO only."""
    if view == "CC":
        return False
    upper = np.nonzero(anatomy.inside[: anatomy.inside.shape[0] // 3 : 8, ::8])
    if upper[0].size == 0:
        return False
    k = int(rng.integers(upper[0].size))
    row, column = upper[0][k] * 8 * pitch_mm, upper[1][k] * 8 * pitch_mm
    heading = rng.uniform(-0.6, 1.2)
    amount = log_uniform(rng, 0.04, 0.3)
    for _ in range(int(rng.integers(2, 9))):
        start = (row + rng.normal(0, 9), column + rng.normal(0, 6))
        path = random_path(rng, start, heading + rng.normal(0, 0.3), rng.uniform(4, 28), 0.15)
        for point in path[rng.random(len(path)) < rng.uniform(0.05, 0.4)]:
            spot = (point[0] + rng.normal(0, 0.35), point[1] + rng.normal(0, 0.35))
            if min(spot) >= 0:
                size = log_uniform(rng, 0.05, 0.22)
                blob(rng, canvas, spot, size, amount * rng.uniform(0.3, 1.5), pitch_mm, lobes=0.3)
    return True


def letters(
    rng: np.random.Generator, canvas: FloatArray, anatomy: Anatomy, pitch_mm: float, view: ViewName
) -> bool:
    """Lead letters of side and view, and the initials of who took it, in the air or just over the rim."""
    side = str(rng.choice(["L", "R"]))
    texts = [str(rng.choice([f"{side}{view}", f"{side} {view}", side, view]))]
    if rng.random() < 0.4:
        texts.append("".join(chr(65 + int(n)) for n in rng.integers(0, 26, int(rng.integers(2, 4)))))
    drawn = False
    for text in texts:
        size = max(int(rng.uniform(5, 13) / pitch_mm), 6)
        font = ImageFont.load_default(size=size)
        box = Image.new("L", (int(size * len(text) * 0.8) + 8, int(size * 1.4)), 0)
        ImageDraw.Draw(box).text((4, 0), text, fill=255, font=font, stroke_width=int(rng.integers(0, 2)))
        if rng.random() < 0.5:  # seen from the other side of the film
            box = box.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        box = box.rotate(float(rng.normal(0, 12)) + 90.0 * int(rng.choice([0, 0, 0, 1, 3])), expand=True)
        mark = np.asarray(box, dtype=np.float32) / 255.0
        amount = log_uniform(rng, 0.5, OPAQUE_MG_MM2)
        overlap = float(rng.choice([0.0, 0.35], p=[0.75, 0.25]))
        room = np.array(canvas.shape) - mark.shape
        if (room <= 0).any():
            continue
        for _ in range(40):
            row, column = int(rng.integers(room[0])), int(rng.integers(room[1]))
            under = anatomy.inside[row : row + mark.shape[0] : 4, column : column + mark.shape[1] : 4].mean()
            if under <= overlap and (overlap == 0 or under > 0):
                canvas[row : row + mark.shape[0], column : column + mark.shape[1]] += amount * mark
                drawn = True
                break
    return drawn
