"""What happens to a film: dust, hairs, scratches, roller marks, fingerprints."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_phantom.body.curves import STEP_MM, FloatArray, Path, random_path, stamp

_KINDS = ("straight", "bundle", "curved", "double", "hair")


def damage(rng: np.random.Generator, shape: tuple[int, ...], pitch_mm: float) -> tuple[FloatArray, bool]:
    """Draw the damage of one film, and say whether there is any.

    Nothing of it went through the screen, so it is sharper than anything in the breast; scratches run on
    beyond the breast. It is a change of the optical density, float32 (rows, columns): negative, which is
    bright, where emulsion is gone.
    """
    thin = np.zeros(shape, dtype=np.float32)
    scratches = int(rng.poisson(rng.choice([1.0, 4.0, 12.0], p=[0.35, 0.4, 0.25])))
    for _ in range(scratches):
        _scratch(rng, thin, pitch_mm, str(rng.choice(_KINDS, p=[0.24, 0.1, 0.2, 0.22, 0.24])))
    rollers = bool(rng.random() < 0.15)
    if rollers:
        _roller_marks(rng, thin, pitch_mm)
    if scratches or rollers:
        thin = ndimage.gaussian_filter(thin, rng.uniform(0.35, 0.6), truncate=2.5)
    specks = int(rng.choice([0, rng.integers(1, 40), rng.integers(40, 400)], p=[0.1, 0.55, 0.35]))
    if specks:
        _specks(rng, thin, specks)
    prints = bool(rng.random() < 0.06)
    if prints:
        _fingerprint(rng, thin, pitch_mm)
    return thin, bool(scratches or rollers or specks or prints)


def _draw(canvas: FloatArray, path: Path, pitch_mm: float, amount: npt.NDArray[np.float64]) -> None:
    """Stamp a line whose samples lie closer than pixels, or it would come out as dots."""
    share = max(1, int(np.ceil(STEP_MM / (0.7 * pitch_mm))))
    at = np.arange((len(path) - 1) * share + 1) / share
    known = np.arange(len(path))
    fine = np.column_stack([np.interp(at, known, path[:, k]) for k in (0, 1)])
    stamp(canvas, fine, pitch_mm, np.interp(at, known, amount) / share)


def _sign(rng: np.random.Generator) -> float:
    return float(rng.choice([-1.0, 1.0], p=[0.7, 0.3]))


def _strength(rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    """Strength along a scratch: fading ends, sometimes skipping. Density x mm of width."""
    knots = rng.uniform(0.4, 1.0, size=max(4, n // 40))
    if rng.random() < 0.35:
        knots *= rng.random(knots.size) < 0.6
    along = np.interp(np.linspace(0, 1, n), np.linspace(0, 1, knots.size), knots)
    fade = np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / max(n * rng.uniform(0.02, 0.3), 1))
    return np.asarray(along * fade * np.exp(rng.uniform(np.log(0.006), np.log(0.06))))


def _shifted(path: Path, offset_mm: float) -> Path:
    tangent = np.gradient(path, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    return path + offset_mm * np.column_stack([-tangent[:, 1], tangent[:, 0]])


def _straight(rng: np.random.Generator, start: tuple[float, float], length_mm: float, angle: float) -> Path:
    s = np.arange(max(8, int(length_mm / STEP_MM))) * STEP_MM
    bow = rng.normal(0, 0.0004) * s**2
    return np.column_stack(
        [
            start[0] + np.sin(angle) * s + np.cos(angle) * bow,
            start[1] + np.cos(angle) * s - np.sin(angle) * bow,
        ]
    )


def _scratch(rng: np.random.Generator, canvas: FloatArray, pitch_mm: float, kind: str) -> None:
    rows, columns = canvas.shape
    start = (float(rng.uniform(0, rows) * pitch_mm), float(rng.uniform(0, columns) * pitch_mm))
    angle = float(rng.uniform(0, 2 * np.pi))
    if rng.random() < 0.3:  # films are moved along their sides
        angle = float(rng.choice(4)) * np.pi / 2 + float(rng.normal(0, 0.03))
    sign, length = _sign(rng), float(np.exp(rng.uniform(np.log(8.0), np.log(100.0))))
    if kind == "hair":
        path = random_path(rng, start, angle, rng.uniform(3, 30), float(rng.uniform(0.5, 1.0)))
        _draw(canvas, path, pitch_mm, sign * np.full(len(path), rng.uniform(0.004, 0.04)))
        return
    if kind in ("curved", "double"):
        path = random_path(rng, start, angle, length, float(rng.choice([0.0, 0.15, 0.4])))
    else:
        path = _straight(rng, start, length, angle)
    strength = sign * _strength(rng, len(path))
    if kind == "double":
        apart = rng.uniform(0.25, 2.5)
        _draw(canvas, _shifted(path, apart / 2), pitch_mm, strength)
        _draw(canvas, _shifted(path, -apart / 2), pitch_mm, strength * rng.uniform(0.5, 1.0))
    elif kind == "bundle":
        for _ in range(int(rng.integers(3, 14))):
            part = slice(int(rng.uniform(0, 0.4) * len(path)), int(rng.uniform(0.6, 1.0) * len(path)) + 2)
            _draw(
                canvas,
                _shifted(path, rng.normal(0, 2.0))[part],
                pitch_mm,
                strength[part] * rng.uniform(0.2, 1.0),
            )
    else:
        # A wide scratch is several lines side by side.
        width = int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1]))
        for k in range(width):
            _draw(canvas, _shifted(path, 0.06 * k), pitch_mm, strength)


def _roller_marks(rng: np.random.Generator, canvas: FloatArray, pitch_mm: float) -> None:
    """Faint lines across the film at the turns of the processor's rollers."""
    field = canvas if rng.random() < 0.5 else canvas.T
    apart = rng.uniform(3.0, 40.0) / pitch_mm
    at = np.arange(rng.uniform(0, apart), field.shape[0] - 1, apart)
    at = (at + rng.normal(0, 0.5, size=at.size)).astype(int).clip(0, field.shape[0] - 1)
    width = max(1, round(rng.uniform(0.05, 0.3) / pitch_mm))
    left, right = sorted(rng.uniform(0, field.shape[1], size=2).astype(int))
    level = _sign(rng) * rng.uniform(0.01, 0.08)
    for row in at:
        field[row : row + width, left:right] += level * rng.uniform(0.5, 1.0)


def _specks(rng: np.random.Generator, canvas: FloatArray, count: int) -> None:
    """Dust: in the cassette it stops light and leaves bright specks, in the scanner it leaves dark ones."""
    rows = rng.uniform(2, canvas.shape[0] - 3, size=count)
    columns = rng.uniform(2, canvas.shape[1] - 3, size=count)
    level = np.where(rng.random(count) < 0.75, -1.0, 0.6) * np.exp(
        rng.uniform(np.log(0.05), np.log(1.5), count)
    )
    size = rng.geometric(0.45, size=count).clip(1, 10)
    for k in range(int(size.max())):
        on = size > k
        at = (rows[on].astype(int), columns[on].astype(int))
        np.add.at(canvas, at, (level[on] * (1.0 if k == 0 else 0.8)).astype(np.float32))
        rows[on] += rng.integers(-1, 2, size=int(on.sum()))
        columns[on] += rng.integers(-1, 2, size=int(on.sum()))
        np.clip(rows, 0, canvas.shape[0] - 1, out=rows)
        np.clip(columns, 0, canvas.shape[1] - 1, out=columns)


def _fingerprint(rng: np.random.Generator, canvas: FloatArray, pitch_mm: float) -> None:
    side = int(22.0 / pitch_mm)
    top = int(rng.integers(0, max(canvas.shape[0] - side, 1)))
    left = int(rng.integers(0, max(canvas.shape[1] - side, 1)))
    field = canvas[top : top + side, left : left + side]
    y, x = (np.arange(n, dtype=np.float32) * np.float32(pitch_mm) - 11.0 for n in field.shape)
    y, x = y[:, None], x[None, :]
    turn = rng.uniform(0, np.pi)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    # Ridges 0.45 mm apart around a core, within an oval.
    ridge = np.sin(
        2 * np.pi / 0.45 * np.hypot(u, v * rng.uniform(0.6, 1.0) + 2.0) + 2 * np.sin(u * 0.6 + v * 0.4)
    )
    oval = np.clip(1.4 - (u / 6.0) ** 2 - (v / 9.0) ** 2, 0, 1)
    field += (_sign(rng) * rng.uniform(0.01, 0.06) * oval * np.maximum(ridge, 0)).astype(np.float32)
