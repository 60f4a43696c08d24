"""The network with votes, by ONNX Runtime, against votes that are counted here in numpy."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.export.conftest import REPOSITORY, Served
from typer.testing import CliRunner

from bac_export import parity, votes_export
from bac_export.errors import ExportError
from bac_export.graph import check
from bac_export.parity import REDUCED, onnxruntime_engine, voted_engine
from bac_export.precision import to_half, to_quantised
from bac_export.votes import add_votes, require_own
from bac_export.votes_export import renew
from bac_imaging.grid.tiles import TILE_PX
from bac_imaging.onnxruntime import load_onnxruntime
from bac_imaging.vessels.demands import PostProcessing
from bac_imaging.vessels.votes import below, vote
from bacctl.cli.app import app

Array = np.ndarray
Look = Callable[[Array], Array]
SERVED = REPOSITORY / "bac_segment" / "1"
MIRRORS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


def turned(tiles: Array, mirrors: tuple[int, int], exchanged: bool) -> Array:
    mirrored = tiles[:, :, :: mirrors[0], :: mirrors[1]]
    return np.ascontiguousarray(mirrored.transpose(0, 1, 3, 2) if exchanged else mirrored)


def turned_back(tiles: Array, mirrors: tuple[int, int], exchanged: bool) -> Array:
    return (tiles.transpose(0, 1, 3, 2) if exchanged else tiles)[:, :, :: mirrors[0], :: mirrors[1]]


def counted(look: Look, tiles: Array, core: float, seed: float) -> Array:
    """What has to come out: the rule, read aloud."""
    first = look(tiles)
    orientations = [(mirrors, exchanged) for mirrors in MIRRORS for exchanged in (False, True)]
    looks = np.stack([turned_back(look(turned(tiles, *which)), *which) for which in orientations])
    ordered = np.sort(looks, axis=0)[::-1]
    outline, agreed = ordered[2], np.minimum(ordered[5], first)
    voted = np.where(agreed >= np.float32(seed), outline, np.minimum(outline, below(seed)))
    peak = first.max(axis=(1, 2, 3), keepdims=True)
    return np.where(peak >= np.float32(core), voted, first)


@pytest.fixture(scope="module")
def tiles() -> Array:
    """Three that the network says different things of: noise of growing strength."""
    noise = np.random.default_rng(5).normal(size=(3, 1, TILE_PX, TILE_PX))
    return np.clip(noise * np.array([0.5, 1.0, 3.0]).reshape(3, 1, 1, 1), -4, 12).astype(np.float32)


@pytest.fixture(scope="module")
def limits(exported: Path, tiles: Array) -> tuple[float, float]:
    """Core and seed that the untrained network reaches here and there: two of the three tiles have a core.

    It says nearly the same everywhere, so that its seed lies below the core, which counting does not mind.
    """
    first = onnxruntime_engine(exported)(tiles)
    peaks = np.sort(first.max(axis=(1, 2, 3)))
    return float(peaks[:2].mean()), float(np.quantile(first[first.max(axis=(1, 2, 3)) >= peaks[1]], 0.8))


@pytest.fixture(scope="module")
def voted(exported: Path, limits: tuple[float, float], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("votes") / "model_voted.onnx"
    add_votes(exported, path, *limits)
    check(path)
    return path


def test_the_graph_counts_as_numpy_does(
    exported: Path, voted: Path, tiles: Array, limits: tuple[float, float]
) -> None:
    """To the bit: the same convolutions on the same numbers, and nothing but comparisons after them."""
    look = onnxruntime_engine(exported)
    expected = counted(look, tiles, *limits)
    answer = onnxruntime_engine(voted)(tiles)
    np.testing.assert_array_equal(answer, expected)
    # What the export's own gate holds it against.
    np.testing.assert_array_equal(voted_engine(look, *limits)(tiles), expected)
    first, seed = look(tiles), np.float32(limits[1])
    for said in (answer != first, (first >= seed) & (answer < seed), answer >= seed):
        assert said.any()


def test_optimised_or_not_it_says_the_same(voted: Path, tiles: Array) -> None:
    plain = onnxruntime_engine(voted, optimised=False)(tiles[1:2])
    optimised = onnxruntime_engine(voted)(tiles[1:2])
    # Rounding moves a pixel across the seed at most, from just below to what the outline has.
    assert np.mean(np.abs(plain - optimised) > 1e-5) < 1e-3


def test_a_tile_without_a_core_gets_its_own_look(exported: Path, voted: Path, tiles: Array) -> None:
    first, answer = onnxruntime_engine(exported)(tiles), onnxruntime_engine(voted)(tiles)
    core = json.loads(about(voted))["core"]
    without = first.max(axis=(1, 2, 3)) < core
    assert without.sum() == 1
    np.testing.assert_array_equal(answer[without], first[without])
    assert (answer[~without] != first[~without]).any()


def about(path: Path) -> str:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}["bacctl.votes"]


def test_a_tile_is_answered_alike_alone_and_beside_others(voted: Path, tiles: Array) -> None:
    session = load_onnxruntime().InferenceSession(str(voted), providers=["CPUExecutionProvider"])
    together, sums = session.run(None, {"TILES": tiles})
    for place in range(len(tiles)):
        alone, own = session.run(None, {"TILES": tiles[place : place + 1]})
        np.testing.assert_array_equal(alone[0], together[place])
        np.testing.assert_array_equal(own[0], sums[place])


def test_a_turned_tile_has_the_same_outline(exported: Path, tiles: Array, tmp_path: Path) -> None:
    """The eight looks are the same; only which of them is the tile's own, and must reach the seed, is not."""
    path = tmp_path / "voted.onnx"
    seed = 0.5
    add_votes(exported, path, 0.0, seed)
    engine = onnxruntime_engine(path)
    expected = np.minimum(engine(tiles[1:2]), below(seed))
    for which in (((1, -1), False), ((-1, 1), True)):
        answer = turned_back(engine(turned(tiles[1:2], *which)), *which)
        np.testing.assert_array_equal(np.minimum(answer, below(seed)), expected)


@pytest.mark.slow
def test_a_quantised_network_votes_too(exported: Path, tiles: Array, tmp_path: Path) -> None:
    to_quantised(exported, tmp_path / "int8.onnx", [tiles], "int8")
    core, seed = 0.0, 0.55
    add_votes(tmp_path / "int8.onnx", tmp_path / "voted.onnx", core, seed)
    check(tmp_path / "voted.onnx")
    look, voted = (
        onnxruntime_engine(tmp_path / name, optimised=False) for name in ("int8.onnx", "voted.onnx")
    )
    np.testing.assert_array_equal(voted(tiles[1:2]), counted(look, tiles[1:2], core, seed))
    # Of the weights in float32, whichever the precision: what an engine's builder asks.
    of = hashlib.sha256(exported.read_bytes()).hexdigest()
    require_own(tmp_path / "voted.onnx", of)


def test_looks_follow_one_another_and_share_the_weights(exported: Path, voted: Path) -> None:
    single, model = onnx.load(exported), onnx.load(voted)
    numbers = [int(node.name[4]) for node in model.graph.node if node.name.startswith("look")]
    assert sorted(set(numbers)) == list(range(8))
    assert numbers == sorted(numbers)
    convolutions = [node.input[1] for node in model.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 8 * len(set(convolutions))
    weights = {value.name: value.SerializeToString() for value in model.graph.initializer}
    assert len(weights) == len(model.graph.initializer)
    for value in single.graph.initializer:
        assert weights[value.name] == value.SerializeToString()


def test_the_checked_in_file_is_that_of_the_checked_in_weights(tmp_path: Path) -> None:
    card = json.loads((SERVED / "model_card.json").read_text())
    chosen = PostProcessing.of(card["threshold"], card["post_processing"])
    add_votes(SERVED / "model.onnx", tmp_path / "voted.onnx", chosen.core, chosen.seed)
    data = (SERVED / "model_voted.onnx").read_bytes()
    assert (tmp_path / "voted.onnx").read_bytes() == data
    assert hashlib.sha256(data).hexdigest() == card["voted_sha256"]
    said = json.loads(about(SERVED / "model_voted.onnx"))
    assert said == {
        "orientations": 8,
        "outline": 3,
        "find": 6,
        "core": chosen.core,
        "seed": chosen.seed,
        "of_sha256": card["sha256"],
    }


@pytest.mark.slow
def test_the_checked_in_network_votes_on_a_faint_artery(served: Served, tmp_path: Path) -> None:
    """By itself to the bit, and in half precision within the limits of the gate."""
    chosen = PostProcessing.of(served.card["threshold"], served.card["post_processing"])
    look = onnxruntime_engine(served.path)
    peaks = look(served.case.tiles).max(axis=(1, 2, 3))
    tile = served.case.tiles[peaks.argmax()][None]
    expected = counted(look, tile, chosen.core, chosen.seed)
    assert expected.max() >= chosen.seed
    # What `cpu` and `torch` answer.
    np.testing.assert_array_equal(vote(tile, look, chosen.core, chosen.seed), expected)
    voted = served.path.with_name("model_voted.onnx")
    np.testing.assert_array_equal(onnxruntime_engine(voted)(tile), expected)
    to_half(voted, tmp_path / "half.onnx")
    half = onnxruntime_engine(tmp_path / "half.onnx", optimised=False)(tile)
    assert 1e-5 < np.abs(half - expected).max() < REDUCED.difference


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """A copy of what was exported, with another seed in its card."""
    shutil.copytree(exported.parent, tmp_path / "bac_segment" / "1")
    version = tmp_path / "bac_segment" / "1"
    card = json.loads((version / "model_card.json").read_text())
    card["post_processing"]["seed"] = 0.8
    (version / "model_card.json").write_text(json.dumps(card))
    return version


def test_votes_are_written_anew_beside_weights_that_stay(
    folder: Path, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "phantom_cases", lambda numbers=(): [])
    done = CliRunner().invoke(app, ["export", "votes", f"--repository={folder.parents[1]}"])
    assert done.exit_code == 0, done.output
    assert "research use only" in done.stdout
    assert (folder / "model.onnx").read_bytes() == exported.read_bytes()
    data = (folder / "model_voted.onnx").read_bytes()
    assert data != exported.with_name("model_voted.onnx").read_bytes()
    said = json.loads(about(folder / "model_voted.onnx"))
    # Without a core of its own the threshold is that too.
    assert (said["core"], said["seed"]) == (0.4, 0.8)
    card = json.loads((folder / "model_card.json").read_text())
    before = json.loads((exported.parent / "model_card.json").read_text())
    assert card["voted_sha256"] == hashlib.sha256(data).hexdigest() != before["voted_sha256"]
    assert list(card) == list(before)
    # It had the votes of the earlier seed.
    assert not (folder / "model_voted.fp16.onnx").exists()


def test_votes_that_are_miscounted_are_not_written(
    folder: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    view = replace(served.case, tiles=np.zeros((1, 1, TILE_PX, TILE_PX), np.float32))
    monkeypatch.setattr(parity.Reference, "_report", lambda *given: (np.zeros((4, 4), bool), 0.0))
    monkeypatch.setattr(votes_export, "voted_engine", lambda *given: lambda tiles: tiles + 2.0)
    with pytest.raises(ExportError, match="the network with votes differs from the network: probability by"):
        renew(folder, [view])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_votes_of_weights_without_their_card_are_refused(folder: Path) -> None:
    with (folder / "model.onnx").open("ab") as weights:
        weights.write(b"\0")
    with pytest.raises(ExportError, match="its own model card"):
        renew(folder, [])
