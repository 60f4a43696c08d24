"""The configurations of the segmentation step, read by Triton's own message definition."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format
from tests.export.conftest import REPOSITORY
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from bac_export.tensorrt_export import Profile
from bac_imaging.grid.tiles import MAX_TILES, TILE_PX

FOLDER = REPOSITORY / "bac_segment"
NAMES = ("config.pbtxt", "configs/gpu.pbtxt", "configs/onnx.pbtxt", "configs/torch.pbtxt")
BACKENDS = {
    "config.pbtxt": ("python", ""),
    "configs/gpu.pbtxt": ("tensorrt", "model.plan"),
    "configs/onnx.pbtxt": ("onnxruntime", "model_voted.onnx"),
    "configs/torch.pbtxt": ("python", "model_torch.py"),
}
# What a configuration that the embedded Triton 2.51 loads may say at all.
KNOWN_TO_2_51 = {
    "name",
    "backend",
    "max_batch_size",
    "input",
    "output",
    "instance_group",
    "default_model_filename",
    "platform",
    "ensemble_scheduling",
    "parameters",
}
# Engines of Triton's own backends run no code of ours that could read a ticket.
WITH_TICKET = {"config.pbtxt", "configs/torch.pbtxt"}


def read(path: Path) -> ModelConfig:
    return text_format.Parse(path.read_text(), ModelConfig())


@pytest.mark.parametrize("name", NAMES)
def test_every_configuration_has_the_same_tensors(name: str) -> None:
    config = read(FOLDER / name)
    assert config.name == "bac_segment"
    assert config.max_batch_size == MAX_TILES
    (tiles, *ticket), (probability, checksum) = config.input, config.output
    assert [(t.name, list(t.dims), t.data_type) for t in ticket] == (
        [("TICKET", [2], 9)] if name in WITH_TICKET else []  # TYPE_INT64
    )
    for tensor, expected in ((tiles, "TILES"), (probability, "PROBABILITY")):
        assert tensor.name == expected
        assert list(tensor.dims) == [1, TILE_PX, TILE_PX]
        assert tensor.data_type == 11  # TYPE_FP32
    # Whose answer it is: of the tile and of its probabilities.
    assert (checksum.name, list(checksum.dims), checksum.data_type) == ("CHECKSUM", [2], 8)  # TYPE_INT32
    assert (config.backend, config.default_model_filename) == BACKENDS[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_ensemble_hands_on_what_the_network_takes(name: str) -> None:
    own = REPOSITORY / "bac" / name
    config = read(own if own.is_file() else REPOSITORY / "bac" / "config.pbtxt")
    entry, network, _ = config.ensemble_scheduling.step
    assert set(network.input_map) == {tensor.name for tensor in read(FOLDER / name).input}
    assert set(network.input_map.values()) <= set(entry.output_map.values())
    # In all else the ensembles are one.
    usual = read(REPOSITORY / "bac" / "config.pbtxt")
    for kept in (config, usual):
        for step, tensors in zip(kept.ensemble_scheduling.step, ("output_map", "input_map"), strict=False):
            getattr(step, tensors).pop("TICKET", None)
    assert config == usual


def test_no_configuration_is_untested() -> None:
    assert {f"configs/{path.name}" for path in (FOLDER / "configs").iterdir()} == set(NAMES[1:])


@pytest.mark.parametrize(
    "path",
    [*sorted(REPOSITORY.glob("*/config.pbtxt")), *sorted(REPOSITORY.glob("*/configs/torch.pbtxt"))],
    ids=lambda path: str(path.relative_to(REPOSITORY)),
)
def test_what_the_embedded_server_loads_holds_nothing_newer(path: Path) -> None:
    config = read(path)
    assert {field.name for field, _ in config.ListFields()} <= KNOWN_TO_2_51
    (group,) = config.instance_group or [ModelInstanceGroup(kind=ModelInstanceGroup.KIND_CPU)]
    assert group.kind == ModelInstanceGroup.KIND_CPU
    if config.HasField("ensemble_scheduling"):
        steps = config.ensemble_scheduling
        assert {field.name for field, _ in steps.ListFields()} == {"step"}


def test_the_engine_fills_the_gpu_at_every_batch() -> None:
    config = read(FOLDER / "configs" / "gpu.pbtxt")
    assert config.instance_group[0].kind == ModelInstanceGroup.KIND_GPU
    assert config.instance_group[0].count == 2
    assert config.HasField("dynamic_batching")
    # An overflow inside an ensemble hangs servers older than 2.67.
    assert not config.dynamic_batching.default_queue_policy.max_queue_size
    assert config.optimization.cuda.graphs
    served = 0
    for graph in config.optimization.cuda.graph_spec:
        # Each graph begins where the one before it ends.
        assert graph.graph_lower_bound.batch_size == served + 1
        for shape in (graph.input["TILES"], graph.graph_lower_bound.input["TILES"]):
            assert list(shape.dim) == [1, TILE_PX, TILE_PX]
        served = graph.batch_size
    assert served == config.max_batch_size == Profile().largest
    assert {warm.batch_size for warm in config.model_warmup} == {Profile().typical, config.max_batch_size}
    for warm in config.model_warmup:
        assert list(warm.inputs["TILES"].dims) == [1, TILE_PX, TILE_PX]
        assert warm.inputs["TILES"].random_data


@pytest.mark.parametrize("name", NAMES)
def test_the_file_that_is_loaded_is_here_or_built(name: str) -> None:
    file = read(FOLDER / name).default_model_filename or "model.py"
    assert file == "model.plan" or (FOLDER / "1" / file).is_file()


@pytest.mark.parametrize("model", ["bac_preprocess", "bac_quantify"])
def test_beside_a_gpu_only_the_number_of_instances_differs(model: str) -> None:
    folder = REPOSITORY / model
    default, beside = (read(folder / name) for name in ("config.pbtxt", "configs/gpu.pbtxt"))
    # Whatever the network runs on there.
    assert read(folder / "configs" / "torch.pbtxt") == beside
    assert beside.instance_group[0].count > default.instance_group[0].count == 1
    beside.instance_group[0].count = 1
    # More instances, more under way.
    assert set(beside.parameters) == set(default.parameters)
    for name in ("max_work_images", "max_work_mb"):
        if name in default.parameters:
            assert int(beside.parameters[name].string_value) > int(default.parameters[name].string_value)
            beside.parameters[name].string_value = default.parameters[name].string_value
    assert beside == default
