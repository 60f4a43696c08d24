"""Processing for presentation on a breast that is flat inside and thins out at its rim."""

import numpy as np
import pytest

from bac_randfield.image.processing import STYLES, process

PITCH_MM = 0.1


@pytest.fixture(scope="module")
def breast() -> tuple[np.ndarray, np.ndarray]:
    right = (np.arange(700, dtype=np.float32) + 0.5) * PITCH_MM
    depth = np.clip((60 - right) / 15, 0, 1)
    attenuation = np.tile(3.0 * np.sqrt(1 - (1 - depth) ** 2), (600, 1)).astype(np.float32)
    # A bright line, 0.5 mm wide, and a little noise.
    attenuation[:, 200:205] += 0.15
    attenuation += np.random.default_rng(0).normal(0, 0.01, attenuation.shape).astype(np.float32)
    inside = np.tile((right < 60).astype(np.float32), (600, 1))
    return attenuation, inside


@pytest.mark.parametrize("style", STYLES)
def test_brightness_is_between_0_and_1_and_shows_a_line(
    breast: tuple[np.ndarray, np.ndarray], style: str
) -> None:
    bright = process(np.random.default_rng(1), *breast, STYLES[style], PITCH_MM)
    assert bright.min() >= 0
    assert bright.max() <= 1
    assert bright[:, 201:204].mean() > bright[:, 180:190].mean() + 0.02
    assert bright[:, 650:].max() <= 0.06


def test_equalised_styles_lift_the_rim_and_the_plain_curve_does_not(
    breast: tuple[np.ndarray, np.ndarray],
) -> None:
    """5 mm inside the skin line, against the middle of the breast."""
    rim = {}
    for style in ("flat", "curve"):
        bright = process(np.random.default_rng(1), *breast, STYLES[style], PITCH_MM)
        rim[style] = bright[:, 545:555].mean() / bright[:, 100:180].mean()
    assert rim["flat"] > rim["curve"] + 0.1


def test_synthetic_2d_rings_less_dark_than_bright(breast: tuple[np.ndarray, np.ndarray]) -> None:
    bright = process(np.random.default_rng(1), *breast, STYLES["synthetic"], PITCH_MM).mean(axis=0)
    level = np.median(bright[100:180])
    line, beside = bright[200:205].max() - level, level - min(bright[190:200].min(), bright[205:215].min())
    assert line > 2 * beside
