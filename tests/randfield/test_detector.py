"""The random-field phantom's detector: scatter, blur and noise on signals that can be worked out."""

import numpy as np
import pytest

from bac_randfield.image.detector import SYSTEMS, Exposure, add_noise, add_scatter, blur

PITCH_MM = 0.1


def test_scatter_in_the_middle_of_a_breast_is_its_share_of_the_primary() -> None:
    primary = np.full((1600, 1600), 0.03, dtype=np.float32)
    with_scatter = add_scatter(primary, np.ones_like(primary), 0.03, 0.15, PITCH_MM)
    assert with_scatter[800, 800] / primary[800, 800] - 1 == pytest.approx(0.15, rel=0.01)


def test_air_scatters_nothing_into_the_breast() -> None:
    """Beside the breast 30 times as much arrives, unscattered. 2 mm inside its edge, Gaussians of 6 and 18 mm
    keep 0.631 and 0.544 of themselves."""
    primary = np.full((1600, 1600), 0.03, dtype=np.float32)
    inside = np.ones_like(primary)
    primary[:, 800:], inside[:, 800:] = 1.0, 0.0
    with_scatter = add_scatter(primary, inside, 0.03, 0.15, PITCH_MM)
    share = with_scatter[800] / primary[800] - 1
    assert share[780] == pytest.approx(0.15 * (0.6 * 0.631 + 0.4 * 0.544), rel=0.04)
    assert share[1500] < 0.001


@pytest.mark.parametrize("name", SYSTEMS)
def test_blur_keeps_the_sum(name: str) -> None:
    signal = np.zeros((200, 200), dtype=np.float32)
    signal[100, 100] = 1
    spread = blur(signal, SYSTEMS[name])
    assert spread.sum() == pytest.approx(1.0, abs=0.01)
    assert spread[100, 100] < 0.97


@pytest.mark.parametrize("name", ["se-85", "csi-100"])
def test_the_variance_of_quantum_noise_follows_the_signal(name: str) -> None:
    exposure = Exposure(True, 0.1, 0.01, 0.0, 500.0)
    values = {}
    for level in (0.03, 0.12):
        signal = np.full((600, 600), level, dtype=np.float32)
        noisy = add_noise(np.random.default_rng(0), signal, exposure, 0.03, SYSTEMS[name])
        values[level] = float(noisy.std()) / level
    assert values[0.03] == pytest.approx(0.01, rel=0.03)
    assert values[0.12] == pytest.approx(0.005, rel=0.03)
