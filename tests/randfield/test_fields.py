"""Random fields, curves and outlines."""

from itertools import pairwise

import numpy as np
import pytest

from bac_randfield.body.curves import draw_cord, make_line, splat, walk
from bac_randfield.body.fields import enlarge, gaussian_field, shrink, zero_ridges
from bac_randfield.body.outline import Build, draw_outline


@pytest.mark.parametrize("beta", [2.0, 3.0])
def test_power_falls_as_frequency_to_the_minus_beta(beta: float) -> None:
    slopes = []
    for seed in range(4):
        field = gaussian_field(np.random.default_rng(seed), (512, 512), 0.1, beta, longest_mm=1e6)
        power = np.abs(np.fft.fft2(field * np.outer(np.hanning(512), np.hanning(512)))) ** 2
        radius = np.hypot(*np.meshgrid(np.fft.fftfreq(512), np.fft.fftfreq(512)))
        bins = np.geomspace(0.01, 0.3, 12)
        means = [power[(radius >= a) & (radius < b)].mean() for a, b in pairwise(bins)]
        slopes.append(np.polyfit(np.log(np.sqrt(bins[:-1] * bins[1:])), np.log(means), 1)[0])
    assert np.mean(slopes) == pytest.approx(-beta, abs=0.3)


def test_ridges_follow_zeros() -> None:
    ramp = np.tile(np.linspace(-5, 5, 201, dtype=np.float32), (50, 1))
    ridge = zero_ridges(ramp, 0.05, 0.2)
    assert (ridge.argmax(axis=1) == 100).all()
    assert ridge[:, 0].max() < 1e-3


def test_enlarging_a_shrunk_ramp_gives_the_ramp() -> None:
    ramp = np.add.outer(np.arange(60), 2 * np.arange(80)).astype(np.float32)
    assert enlarge(shrink(ramp, 2), ramp.shape, 2)[2:-2, 2:-2] == pytest.approx(ramp[2:-2, 2:-2], abs=1e-3)


def test_splatting_keeps_the_sum_and_the_place() -> None:
    image = np.zeros((40, 50), dtype=np.float32)
    splat(image, np.array([10.25, 20.0]), np.array([30.5, 5.75]), np.array([2.0, 4.0]))
    assert image.sum() == pytest.approx(6.0)
    assert (image.sum(axis=1) * np.arange(40)).sum() == pytest.approx(2 * 10.25 + 4 * 20.0)
    assert (image.sum(axis=0) * np.arange(50)).sum() == pytest.approx(2 * 30.5 + 4 * 5.75)


def test_a_cord_has_the_volume_of_a_cylinder() -> None:
    image = np.zeros((200, 400), dtype=np.float32)
    line = make_line(np.stack([np.full(50, 15.0), np.linspace(5, 45, 50)], axis=1), 0.1)
    n = len(line.points)
    draw_cord(image, line, np.full(n, 0.8), np.ones(n), 0.15)
    assert image.sum() * 0.15**2 == pytest.approx(np.pi * 0.8**2 * n * 0.1, rel=0.02)
    assert image.max() == pytest.approx(1.6, rel=0.08)


def test_walks_bend_no_more_than_asked() -> None:
    for seed in range(5):
        points = walk(np.random.default_rng(seed), 60.0, 0.3, 20.0, 8.0)
        line = make_line(points, 0.25)
        assert np.abs(line.curvature[5:-5]).mean() < 2 / 20.0


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_outlines_hang_at_the_chest_wall_and_have_a_nipple(view: str) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        outline = draw_outline(rng, Build(90, 85, 50), view, (1164, 640), 0.2)
        inside = outline.inside
        assert 3000 < inside.sum() * 0.04 < 25000  # mm2
        down, right = outline.nipple_mm
        assert outline.reach_mm.max() - right < 12
        # One piece in every row, from the chest wall on.
        assert (np.diff(inside.astype(int), axis=1).max(axis=1) <= 0).all()
        assert (outline.pectoral_mm > 0).any() or view == "CC"
        # The distance to the skin line, at the nipple's height some way inside, is no more than that way.
        row, column = int(down / 0.2), int((right - 15) / 0.2)
        assert 5 < outline.edge_mm[row, column] < 15.5
