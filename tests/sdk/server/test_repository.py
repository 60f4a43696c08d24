"""The model repository against the rules that Triton 2.51 and the imaging package set."""

import re
from pathlib import Path

import pytest

from bac_imaging.grid.tiles import MAX_TILES, TILE_PX
from bac_terms.errors import ServerUnavailableError
from bacctl.server.repository import MODELS, check_backends, default_repository, link_repository

CONFIGS = {name: (default_repository() / name / "config.pbtxt").read_text() for name in MODELS}


def test_batch_of_the_network_holds_the_most_tiles_of_an_image():
    assert f"max_batch_size: {MAX_TILES}\n" in CONFIGS["bac_segment"]
    assert CONFIGS["bac_segment"].count(f"dims: [ 1, {TILE_PX}, {TILE_PX} ]") == 2


@pytest.mark.parametrize("name", MODELS)
def test_nothing_that_the_server_chokes_on(name):
    config = CONFIGS[name]
    assert f'name: "{name}"' in config
    # Strings come out empty under NumPy 2; a full queue hangs an ensemble; the others are newer than 2.51.
    for word in ("TYPE_STRING", "max_queue_size", "max_inflight_requests"):
        assert word not in config


@pytest.mark.parametrize("name", [name for name in MODELS if name != "bac"])
def test_models_are_thin(name):
    lines = (default_repository() / name / "1" / "model.py").read_text().splitlines()
    assert len(lines) < 80


def test_every_model_has_its_version_folder():
    assert all(any((default_repository() / name / "1").iterdir()) for name in MODELS)


def test_ensemble_joins_the_tensors_of_its_steps():
    ensemble = CONFIGS["bac"]
    for step in ensemble.split("model_name")[1:]:
        model = re.search(r'"(bac_\w+)"', step)[1]
        for name in re.findall(r'put_map { key: "(\w+)"', step):
            assert f'name: "{name}"' in CONFIGS[model], (model, name)


def test_mirror_is_links_and_leaves_compiled_python_out(tmp_path):
    source = tmp_path / "source"
    for name in MODELS:
        (source / name / "1" / "__pycache__").mkdir(parents=True)
        (source / name / "config.pbtxt").touch()
        (source / name / "1" / "model.py").touch()
        (source / name / "1" / "__pycache__" / "model.pyc").touch()
    mirror = link_repository(source, tmp_path / "mirror")
    files = {str(path.relative_to(mirror)) for path in mirror.rglob("*") if path.is_symlink()}
    assert files == {f"{name}/{file}" for name in MODELS for file in ("config.pbtxt", "1/model.py")}


def test_folder_that_is_no_repository(tmp_path):
    with pytest.raises(ServerUnavailableError, match="no model bac"):
        link_repository(Path(tmp_path), tmp_path / "mirror")


def test_mirror_has_the_configuration_that_is_asked_for_and_no_other(tmp_path):
    mirror = link_repository(default_repository(), tmp_path / "mirror", "onnx")
    assert 'backend: "onnxruntime"' in (mirror / "bac_segment" / "config.pbtxt").read_text()
    assert (mirror / "bac_quantify" / "config.pbtxt").read_text() == CONFIGS["bac_quantify"]
    assert not list(mirror.rglob("configs"))


def test_configuration_that_triton_would_replace_by_the_default_is_refused(tmp_path):
    with pytest.raises(
        ServerUnavailableError, match=r"gpuu is unknown; there are cpu, .*the nearest is gpu$"
    ):
        link_repository(default_repository(), tmp_path / "mirror", "gpuu")


@pytest.mark.parametrize(("config", "backend"), [("gpu", "tensorrt"), ("onnx", "onnxruntime")])
def test_configuration_without_its_backend_is_refused(config, backend):
    check_backends(default_repository(), config, ["python", "ensemble", backend])
    with pytest.raises(ServerUnavailableError, match=f"needs Triton's backend {backend}"):
        check_backends(default_repository(), config, ["python", "ensemble"])
    check_backends(default_repository(), "cpu", ["python"])
