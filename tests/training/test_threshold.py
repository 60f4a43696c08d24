from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bac_training import threshold
from bac_training.backends import Segmenter


def test_the_threshold_of_best_dice_is_found(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Truth is 5 above a background of SD 1, so that the best cut of the brightness lies between."""

    def ramp(tiles: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.clip(tiles / 10, 0, 1)

    monkeypatch.setattr(threshold, "load_segmenter", lambda path: Segmenter("", 0.5, "made", ramp))
    choice = threshold.choose_threshold(tmp_path / "any.onnx", [cache])
    assert choice.images == 3
    assert 0.25 < choice.threshold < 0.35
    assert choice.dice > 0.95
    assert choice.dice > choice.dice_at_half
    # By hand at 0.5: half of the truth is found and next to nothing else.
    assert choice.dice_at_half == pytest.approx(2 * 0.5 / 1.5, abs=0.05)
