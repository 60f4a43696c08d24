"""The network on a CPU: tiles side by side, each as if it were alone."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from bacctl.server.repository import default_repository
from bacctl.service.network import CpuNetwork, streams_of

MODEL = default_repository() / "bac_segment" / "1" / "model.onnx"


@pytest.fixture(scope="module")
def network() -> CpuNetwork:
    return CpuNetwork(MODEL)


@pytest.fixture(scope="module")
def tiles() -> np.ndarray:
    return np.random.default_rng(7).normal(size=(5, 1, 512, 512)).astype(np.float32)


def _log_odds(probability: np.ndarray) -> np.ndarray:
    held = np.clip(probability.astype(np.float64), 1e-12, 1 - 1e-12)
    return np.log(held / (1 - held))


def test_each_tile_has_its_own_answer(network: CpuNetwork, tiles: np.ndarray) -> None:
    """That of another engine, which sees one tile at a time, and the same whatever is beside it."""
    found = network(tiles)
    assert found.shape == tiles.shape
    assert found.dtype == np.float32
    session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    alone = [session.run(["PROBABILITY"], {"TILES": tile[None]})[0][0] for tile in tiles]
    # In log-odds, since the network is sure that noise is no artery. bfloat16, where the processor has it, is
    # not as close as float32, and yet far closer to the same tile's than to any other's.
    distances = np.array(
        [[np.abs(_log_odds(mine) - _log_odds(one)).mean() for one in alone] for mine in found]
    )
    assert distances.argmin(axis=1).tolist() == list(range(len(tiles)))
    assert (distances.diagonal() < 0.5 * distances[~np.eye(len(tiles), dtype=bool)].min()).all()
    for index in range(len(tiles)):
        np.testing.assert_array_equal(found[index], network(tiles[index : index + 1])[0])
    np.testing.assert_array_equal(found[::-1], network(tiles[::-1].copy()))


def test_no_tiles(network: CpuNetwork, tiles: np.ndarray) -> None:
    assert network(tiles[:0]).shape == (0, 1, 512, 512)


def test_it_is_asked_before_each_tile_and_ends_when_told(network: CpuNetwork, tiles: np.ndarray) -> None:
    asked: list[int] = []

    def stop() -> None:
        asked.append(len(asked))
        if len(asked) == 4:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        network(tiles, before_each=stop)
    assert len(asked) == 4
    # What was under way when it ended is nobody's answer afterwards.
    np.testing.assert_array_equal(network(tiles[4:]), network(tiles)[4:])


@pytest.mark.parametrize(
    ("cores", "streams"), [(1, 1), (2, 2), (6, 6), (8, 8), (9, 4), (16, 8), (17, 5), (64, 16)]
)
def test_tiles_side_by_side(cores: int, streams: int) -> None:
    assert streams_of(cores) == streams
