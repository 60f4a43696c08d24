"""The network on a CPU: tiles side by side, each as if it were alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bac_imaging.onnxruntime import load_onnxruntime
from bac_imaging.openvino import load_openvino
from bacctl.server.repository import default_repository
from bacctl.service import network as network_module
from bacctl.service.engines import OnnxRuntime, OpenVino
from bacctl.service.network import CpuNetwork, has_bfloat16, streams_of

MODEL = default_repository() / "bac_segment" / "1" / "model.onnx"


@pytest.fixture(scope="module", params=[OnnxRuntime, OpenVino])
def engine(request: pytest.FixtureRequest) -> type[OnnxRuntime | OpenVino]:
    return request.param


@pytest.fixture(scope="module")
def network(engine: type[OnnxRuntime | OpenVino]) -> CpuNetwork:
    return CpuNetwork(MODEL, engine)


@pytest.fixture(scope="module")
def tiles() -> np.ndarray:
    return np.random.default_rng(7).normal(size=(5, 1, 512, 512)).astype(np.float32)


def _by_the_other(engine: type[OnnxRuntime | OpenVino], tiles: np.ndarray) -> list[np.ndarray]:
    """Segment one tile at a time in float32, by the engine that is not under test and with its defaults."""
    if engine is OpenVino:
        session = load_onnxruntime().InferenceSession(MODEL, providers=["CPUExecutionProvider"])
        return [session.run(["PROBABILITY"], {"TILES": tile[None]})[0][0] for tile in tiles]
    compiled = load_openvino().Core().compile_model(MODEL, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [np.array(compiled([tile[None]])["PROBABILITY"][0]) for tile in tiles]


def _log_odds(probability: np.ndarray) -> np.ndarray:
    held = np.clip(probability.astype(np.float64), 1e-12, 1 - 1e-12)
    return np.log(held / (1 - held))


def test_each_tile_has_its_own_answer(
    engine: type[OnnxRuntime | OpenVino], network: CpuNetwork, tiles: np.ndarray
) -> None:
    """That of another engine, which sees one tile at a time, and the same whatever is beside it."""
    found = network(tiles)
    assert found.shape == tiles.shape
    assert found.dtype == np.float32
    alone = _by_the_other(engine, tiles)
    # In log-odds, since the network is sure that noise is no artery. bfloat16, where the processor has it, is
    # not as close as float32, and yet far closer to the same tile's than to any other's.
    distances = np.array(
        [[np.abs(_log_odds(mine) - _log_odds(one)).mean() for one in alone] for mine in found]
    )
    assert distances.argmin(axis=1).tolist() == list(range(len(tiles)))
    assert (distances.diagonal() < 0.5 * distances[~np.eye(len(tiles), dtype=bool)].min()).all()
    if engine is OnnxRuntime:
        np.testing.assert_allclose(found, np.stack(alone), rtol=0, atol=1e-6)
    for index in range(len(tiles)):
        np.testing.assert_array_equal(found[index], network(tiles[index : index + 1])[0])
    np.testing.assert_array_equal(found[::-1], network(tiles[::-1].copy()))


def test_several_threads_to_a_tile(
    engine: type[OnnxRuntime | OpenVino],
    network: CpuNetwork,
    tiles: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network_module, "usable_cores", lambda: 9)
    shared = CpuNetwork(MODEL, engine)
    assert shared.streams == 4
    np.testing.assert_allclose(shared(tiles), network(tiles), rtol=0, atol=1e-5)


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


class Slow:
    """An engine whose tiles end when they are waited for; some of them fail."""

    def __init__(self, failing: set[int]) -> None:
        self.failing = failing
        self.begun: list[int] = []
        self.under_way: dict[int, int] = {}

    def begin(self, place: int, tile: np.ndarray) -> Callable[[], np.ndarray]:
        assert place not in self.under_way
        number = int(tile.flat[0])
        self.begun.append(number)
        self.under_way[place] = number

        def wait() -> np.ndarray:
            del self.under_way[place]
            if number in self.failing:
                raise RuntimeError(f"tile {number}")
            return tile

        return wait


@pytest.mark.parametrize(
    ("failing", "begun", "error"), [({0}, 3, "tile 0"), ({1, 2}, 4, "tile 1"), ({5, 6}, 7, "tile 5")]
)
def test_nothing_reads_the_tiles_after_a_failure(
    failing: set[int], begun: int, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many of the three side by side fail."""
    monkeypatch.setattr(network_module, "usable_cores", lambda: 3)
    slow = Slow(failing)
    tiles = np.arange(7, dtype=np.float32)[:, None, None, None]
    network = CpuNetwork(MODEL, lambda path, places, threads: slow)
    with pytest.raises(RuntimeError, match=error):
        network(tiles)
    assert slow.begun == list(range(begun))
    assert slow.under_way == {}
    slow.failing = set()
    np.testing.assert_array_equal(network(tiles), tiles)


@pytest.mark.parametrize(
    ("cores", "streams"), [(1, 1), (2, 2), (6, 6), (8, 8), (9, 4), (16, 8), (17, 5), (64, 16)]
)
def test_tiles_side_by_side(cores: int, streams: int) -> None:
    assert streams_of(cores) == streams


# Of the kernel's lines about a Skylake, which has AVX-512 without bfloat16, a Sapphire Rapids and an ARM.
SKYLAKE = "processor\t: 0\nmodel name\t: a name with avx512_bf16\nflags\t\t: fpu avx512f avx512vl\n"
SAPPHIRE_RAPIDS = "processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 amx_bf16 amx_tile\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd bf16\n"


@pytest.mark.parametrize(
    ("text", "has"), [(SKYLAKE, False), (SAPPHIRE_RAPIDS, True), (ARM, False), ("", False), (None, False)]
)
def test_bfloat16_is_looked_up(text: str | None, has: bool, tmp_path: Path) -> None:
    cpus = tmp_path / "cpuinfo"
    if text is not None:
        cpus.write_text(text)
    assert has_bfloat16(cpus) is has


def test_openvino_agrees_on_bfloat16() -> None:
    """Where this CPU has it; of CPUs with AVX-512 alone OpenVINO says so too."""
    capabilities = load_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert not has_bfloat16() or "BF16" in capabilities


def test_the_other_engine_is_not_loaded() -> None:
    program = (
        "import sys; from pathlib import Path; from bacctl.service.network import CpuNetwork\n"
        "CpuNetwork(Path(sys.argv[1])); print(*{'onnxruntime', 'openvino'} & sys.modules.keys())"
    )
    call = [sys.executable, "-c", program, str(MODEL)]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ("openvino" if has_bfloat16() else "onnxruntime")
