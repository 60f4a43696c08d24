"""Plain vessels: trees without calcium, of widely varying size and contrast, that cross and run in pairs."""

from __future__ import annotations

import numpy as np

from bac_randfield.body.curves import draw_cord, make_line, walk
from bac_randfield.body.outline import Outline
from bac_randfield.physics import Array64, FloatArray


def draw_plain_vessels(rng: np.random.Generator, outline: Outline, count: int, pitch_mm: float) -> FloatArray:
    """Path length through plain vessels, mm; they take the place of fat."""
    image = np.zeros(outline.edge_mm.shape, dtype=np.float32)
    places = np.argwhere(outline.edge_mm > 4)
    if not len(places):
        return image
    for _ in range(count):
        start = (places[rng.integers(len(places))] + 0.5) * pitch_mm
        away = np.arctan2(start[0] - outline.nipple_mm[0], start[1] - outline.nipple_mm[1])
        heading = float(away + np.pi + rng.normal(0, 0.7))
        radius = float(np.exp(rng.uniform(np.log(0.25), np.log(1.6))))
        contrast = float(rng.uniform(0.35, 1.0))
        points = start + walk(
            rng,
            float(rng.uniform(20, 100)),
            heading,
            float(rng.uniform(8, 40) * radius**0.3),
            float(rng.uniform(5, 20)),
        )
        _draw_tree(rng, image, points, radius, contrast, pitch_mm, 0)
        if rng.random() < 0.25:
            # An artery and its vein side by side: two lines that are no tram-track.
            gap = radius * rng.uniform(1.5, 4.0)
            _draw_tree(
                rng,
                image,
                points + np.array([gap, 0.3 * gap]),
                0.7 * radius,
                contrast * rng.uniform(0.6, 1.2),
                pitch_mm,
                1,
            )
    return image


def _draw_tree(
    rng: np.random.Generator,
    image: FloatArray,
    points: Array64,
    radius_mm: float,
    contrast: float,
    pitch_mm: float,
    generation: int,
) -> None:
    line = make_line(points, min(0.15, radius_mm / 2))
    along = np.linspace(1, rng.uniform(0.3, 0.9), len(line.points))
    fade = np.clip(np.minimum(np.arange(len(along)), np.arange(len(along))[::-1]) * line.step_mm / 3, 0, 1)
    draw_cord(image, line, radius_mm * along, contrast * fade, pitch_mm)
    if generation >= 2:
        return
    for _ in range(int(rng.poisson(1.0))):
        k = int(rng.integers(len(line.points) // 5, len(line.points)))
        ahead = line.points[min(k + 2, len(line.points) - 1)] - line.points[max(k - 2, 0)]
        heading = float(np.arctan2(ahead[0], ahead[1]) + rng.choice([-1, 1]) * rng.uniform(0.4, 1.1))
        child = line.points[k] + walk(
            rng, float(rng.uniform(8, 40)), heading, float(rng.uniform(6, 25)), float(rng.uniform(4, 12))
        )
        _draw_tree(rng, image, child, radius_mm * rng.uniform(0.5, 0.85), contrast, pitch_mm, generation + 1)
