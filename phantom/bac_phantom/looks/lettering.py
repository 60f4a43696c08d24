"""What lies on or over a film: lead letters, name plates, stickers, handwriting, tape."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from bac_phantom.body.curves import FloatArray, random_path
from bac_phantom.looks.stored import BoolArray

# No vowels: random letters must not come out as anybody's name.
_LETTERS = "BCDFGHJKLMNPRSTVWXZ"
_DIGITS = "0123456789"


def _code(rng: np.random.Generator, most: int) -> str:
    signs = [*(2 * _DIGITS), *_LETTERS, "-", " ", "."]
    return "".join(rng.choice(signs, size=int(rng.integers(2, most))))


def _printed(size: int, text: str) -> FloatArray:
    font = ImageFont.load_default(size=size)
    left, top, right, bottom = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), text, font=font)
    canvas = Image.new("L", (int(right - left) + 4, int(bottom - top) + 4), 0)
    ImageDraw.Draw(canvas).text((2 - left, 2 - top), text, fill=255, font=font)
    return np.asarray(canvas, dtype=np.float32) / 255.0


def _turned(rng: np.random.Generator, patch: FloatArray, most_degrees: float) -> FloatArray:
    """Turn by quarters and a little more, at times mirrored: films are scanned from either side."""
    patch = patch[:, ::-1] if rng.random() < 0.4 else patch
    image = Image.fromarray(np.rint(patch * 255).astype(np.uint8))
    angle = 90.0 * int(rng.integers(0, 4)) + float(np.clip(rng.normal(0, most_degrees), -30, 30))
    return np.asarray(image.rotate(angle, expand=True), dtype=np.float32) / 255.0


def _plate(rng: np.random.Generator, pitch_mm: float) -> tuple[FloatArray, FloatArray]:
    """Print a block; return its area and its writing."""
    size = max(6, int(rng.uniform(1.8, 4.0) / pitch_mm))
    lines = [_printed(size, _code(rng, 18)) for _ in range(int(rng.integers(1, 6)))]
    margin = int(rng.uniform(0.8, 4.0) / pitch_mm)
    width = max(line.shape[1] for line in lines) + 2 * margin
    height = int(1.5 * size * len(lines)) + 2 * margin
    block = np.zeros((height, width), dtype=np.float32)
    for k, line in enumerate(lines):
        top = margin + int(1.5 * size * k)
        part = line[: height - top]
        block[top : top + part.shape[0], margin : margin + part.shape[1]] = part
    return np.ones_like(block), block


def _handwriting(rng: np.random.Generator, pitch_mm: float) -> FloatArray:
    side = (int(12.0 / pitch_mm), int(rng.uniform(12.0, 35.0) / pitch_mm))
    canvas = Image.new("L", side[::-1], 0)
    pen = ImageDraw.Draw(canvas)
    for column in np.arange(3.0, side[1] * pitch_mm - 6.0, 4.0):
        path = random_path(rng, (6.0, float(column)), rng.uniform(0, 6.28), rng.uniform(6, 14), 1.0)
        line = [(float(x) / pitch_mm, float(y) / pitch_mm) for y, x in path[::4]]
        pen.line(line, fill=255, width=max(1, int(rng.uniform(0.3, 0.9) / pitch_mm)))
    return np.asarray(canvas, dtype=np.float32) / 255.0


def _place(
    rng: np.random.Generator, patch: tuple[int, ...], inside: BoolArray, anywhere: bool
) -> tuple[slice, slice] | None:
    """Find a place for a patch beside the breast, or anywhere; None where there is no room."""
    rows, columns = inside.shape
    if patch[0] >= rows or patch[1] >= columns:
        return None
    for _ in range(12):
        top, left = int(rng.integers(0, rows - patch[0])), int(rng.integers(0, columns - patch[1]))
        place = slice(top, top + patch[0]), slice(left, left + patch[1])
        if anywhere or not inside[place][::8, ::8].any():
            return place
    return None


def letter(
    rng: np.random.Generator, density: FloatArray, inside: BoolArray, pitch_mm: float, text: str, base: float
) -> tuple[BoolArray | None, bool]:
    """Draw letters and labels into ``density``, in place.

    Parameters
    ----------
    rng
        Draws what there is and where.
    density
        Optical density, float32, (rows, columns).
    inside
        Breast, bool, (rows, columns).
    pitch_mm
        Pixel pitch.
    text
        Lead letters for side and view.
    base
        Density of unexposed film.

    Returns
    -------
    BoolArray or None
        bool, (rows, columns): where opaque things hide what is below; None where nothing is hidden.
    bool
        Whether anything was drawn.
    """
    covered: BoolArray | None = None
    drawn = False

    def put(
        patch: FloatArray, writing: FloatArray | None, level: float, ink: float, often_over: float
    ) -> None:
        """Cover by ``patch`` (0 to 1) at density ``level``, with ``writing`` of density ``ink`` on it."""
        nonlocal covered, drawn
        place = _place(rng, patch.shape, inside, bool(rng.random() < often_over))
        if place is None:
            return
        below = density[place]
        target = level if writing is None else level + (ink - level) * writing
        density[place] = below + patch * (target - below)
        drawn = True
        if inside[place].any():
            covered = np.zeros(inside.shape, dtype=bool) if covered is None else covered
            covered[place] |= patch > 0.6

    if rng.random() < 0.8:
        words = [text, *(_code(rng, 6) for _ in range(int(rng.integers(0, 3))))]
        for word in words[int(rng.random() < 0.15) :]:
            patch = _turned(rng, _printed(int(rng.uniform(5, 13) / pitch_mm), word), 8.0)
            # Lead lies on the cassette's cover, so the screen blurs it; thin lead lets some light through.
            patch = ndimage.gaussian_filter(patch, 0.1 / pitch_mm)
            put(patch * rng.uniform(0.5, 1.0), None, base + 0.05, 0.0, 0.08)
    if rng.random() < 0.3:
        area, writing = _plate(rng, pitch_mm)
        turn = int(rng.integers(0, 8))
        both = [_quarters(patch, turn) for patch in (area, writing)]
        light = rng.random() < 0.6
        level, ink = (base, base + rng.uniform(0.5, 2.5)) if light else (base + 2.8, base + 0.1)
        put(both[0], both[1], level, ink, 0.05)
    if rng.random() < 0.2:
        patch = _turned(rng, _handwriting(rng, pitch_mm), 12.0)
        put(patch * rng.uniform(0.1, 0.8), None, base + float(rng.choice([0.1, 3.0])), 0.0, 0.1)
    if rng.random() < 0.12:
        shape = int(rng.uniform(10, 22) / pitch_mm), int(rng.uniform(20, 70) / pitch_mm)
        tape = _turned(rng, np.ones(shape, dtype=np.float32), 6.0)
        place = _place(rng, tape.shape, inside, True)
        if place is not None:  # clear: a little denser, and nothing is hidden
            density[place] += tape * np.float32(rng.uniform(0.02, 0.12))
            drawn = True
    return covered, drawn


def _quarters(patch: FloatArray, turn: int) -> FloatArray:
    patch = patch[:, ::-1] if turn >= 4 else patch
    return np.ascontiguousarray(np.rot90(patch, turn % 4))
