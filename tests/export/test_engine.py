"""The TensorRT engine: how it is asked for, kept, taken and refused, on releases that build nothing."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from google.protobuf import text_format
from tests.export.conftest import REPOSITORY
from tests.export.tensorrt_surface import RELEASES, FakeRelease
from tritonclient.grpc.model_config_pb2 import ModelConfig
from typer.testing import CliRunner

from bac_export import engine
from bac_export.device import Device, find_device
from bac_export.engine import Wanted, keep_engine, make_engine, refuse_foreign
from bac_export.errors import ExportError
from bac_export.precision import Precision
from bac_export.tensorrt_export import Compatibility, Profile, build, load_tensorrt
from bacctl.cli.app import app
from bacctl.cli.commands import export as cli_export

TEN, ELEVEN = RELEASES
FOLDER = REPOSITORY / "bac_segment" / "1"
SINGLE = Wanted("fp32")
ANSWERS: dict[str, Any] = {
    "OnnxParser.parse_from_file": True,
    "INetworkDefinition.num_inputs": 1,
    "ITensor.name": "TILES",
    "IBuilderConfig.set_timing_cache": True,
    "IHostMemory": b"an engine",
}


def install(monkeypatch: pytest.MonkeyPatch, version: str = ELEVEN, **answers: Any) -> FakeRelease:
    release = FakeRelease(version, {**ANSWERS, **answers})
    monkeypatch.setitem(sys.modules, "tensorrt", release.module)
    monkeypatch.setattr(engine, "find_device", lambda: Device("NVIDIA L4", "8.9"))
    return release


@pytest.mark.parametrize("version", RELEASES)
def test_an_engine_is_built_as_it_will_be_served(
    version: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    release = install(monkeypatch, version)
    plan = tmp_path / "model.plan"
    assert make_engine(FOLDER, plan, SINGLE)
    assert plan.read_bytes() == b"an engine"
    served = text_format.Parse((FOLDER.parent / "configs" / "gpu.pbtxt").read_text(), ModelConfig())
    tile = list(served.input[0].dims)
    ((name, smallest, typical, largest),) = release.asked("IOptimizationProfile.set_shape")
    assert (name, smallest, largest) == (served.input[0].name, [1, *tile], [served.max_batch_size, *tile])
    assert 1 < typical[0] < served.max_batch_size
    assert len(release.asked("IBuilderConfig.add_optimization_profile")) == 1
    strongly_typed = release.module.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    assert release.asked("Builder.create_network") == [(1 << strongly_typed,)]
    assert release.asked("OnnxParser.parse_from_file") == [(str(FOLDER / "model_voted.onnx"),)]
    assert release.asked("IBuilderConfig.set_memory_pool_limit")[0][1] >= 1 << 30
    manifest = json.loads((tmp_path / "model.plan.json").read_text())
    assert manifest["tensorrt"] == version
    assert manifest["compute_capability"] == "8.9"
    card = json.loads((FOLDER / "model_card.json").read_text())
    assert manifest["weights_sha256"] == card["sha256"]
    assert manifest["onnx_sha256"] == card["voted_sha256"]
    # Looks side by side would need eight times the memory.
    assert ("IBuilderConfig.max_aux_streams =", (0,)) in release.calls
    assert not list(tmp_path.glob(".*.part"))


def test_half_precision_is_made_from_the_float32_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    release = install(monkeypatch)
    make_engine(FOLDER, tmp_path / "model.plan")
    ((parsed,),) = release.asked("OnnxParser.parse_from_file")
    assert Path(parsed).name == "model_voted.fp16.onnx"
    manifest = json.loads((tmp_path / "model.plan.json").read_text())
    assert manifest["precision"] == "fp16"
    card = json.loads((FOLDER / "model_card.json").read_text())
    assert manifest["weights_sha256"] == card["sha256"]
    assert manifest["onnx_sha256"] not in (card["sha256"], card["voted_sha256"])


def test_votes_of_other_weights_and_missing_ones_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch)
    for name in ("model.onnx", "model_voted.onnx"):
        shutil.copy(FOLDER / name, tmp_path)
    precisions: tuple[Precision, ...] = ("fp32", "fp16")
    for precision in precisions:
        with (tmp_path / "model.onnx").open("ab") as weights:
            weights.write(b"\0")
        with pytest.raises(ExportError, match=r"model_voted\.onnx is not of the model\.onnx beside it"):
            make_engine(tmp_path, tmp_path / "model.plan", Wanted(precision))
    (tmp_path / "model_voted.onnx").unlink()
    with pytest.raises(ExportError, match="not a file; write it with `bacctl export votes`"):
        make_engine(tmp_path, tmp_path / "model.plan")
    with pytest.raises(ExportError, match="write it with `bacctl export onnx CHECKPOINT --precision int8`"):
        make_engine(tmp_path, tmp_path / "model.plan", Wanted("int8"))


def test_every_error_of_the_parser_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = ["In node 3: UNSUPPORTED_NODE:\nResize", "In node 9: INVALID_GRAPH"]
    release = install(
        monkeypatch,
        **{
            "OnnxParser.parse_from_file": False,
            "OnnxParser.num_errors": 2,
            "OnnxParser.get_error": lambda index: faults[index],
        },
    )
    with pytest.raises(ExportError) as caught:
        build(FOLDER / "model.onnx", profile=Profile())
    assert str(caught.value).endswith("In node 3: UNSUPPORTED_NODE: Resize; In node 9: INVALID_GRAPH")
    assert not release.asked("Builder.build_serialized_network")


def test_a_build_without_result_and_a_foreign_network_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, **{"Builder.build_serialized_network": None})
    with pytest.raises(ExportError, match="built no engine"):
        build(FOLDER / "model.onnx", profile=Profile())
    install(monkeypatch, **{"ITensor.name": "image"})
    with pytest.raises(ExportError, match="'image'"):
        build(FOLDER / "model.onnx", profile=Profile())


def test_timings_are_read_and_written_and_foreign_ones_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    timings = tmp_path / "timing"
    release = install(monkeypatch)
    build(FOLDER / "model.onnx", profile=Profile(), timing_cache=timings)
    assert timings.read_bytes() == ANSWERS["IHostMemory"]
    build(FOLDER / "model.onnx", profile=Profile(), timing_cache=timings)
    assert release.asked("IBuilderConfig.create_timing_cache") == [(b"",), (ANSWERS["IHostMemory"],)]
    release = install(monkeypatch, **{"IBuilderConfig.set_timing_cache": False})
    build(FOLDER / "model.onnx", profile=Profile(), timing_cache=timings)
    assert release.asked("IBuilderConfig.create_timing_cache")[-1] == (b"",)


def test_a_file_that_holds_no_timings_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    timings = tmp_path / "timing"
    timings.write_bytes(b"cut short")
    kept = object()
    release = install(
        monkeypatch,
        **{"IBuilderConfig.create_timing_cache": lambda blob: kept if blob == b"" else None},
    )
    build(FOLDER / "model.onnx", profile=Profile(), timing_cache=timings)
    assert release.asked("IBuilderConfig.set_timing_cache") == [(kept, False)]


def test_an_engine_that_fits_is_kept_and_another_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plan = tmp_path / "model.plan"
    release = install(monkeypatch)
    assert make_engine(FOLDER, plan, SINGLE, if_needed=True)
    assert not make_engine(FOLDER, plan, SINGLE, if_needed=True)
    assert make_engine(FOLDER, plan, SINGLE)
    assert make_engine(FOLDER, plan, Wanted("fp32", profile=Profile(8, 32)), if_needed=True)
    assert make_engine(FOLDER, plan, Wanted("fp32", "ampere-plus"), if_needed=True)
    level = release.module.HardwareCompatibilityLevel
    assert ("IBuilderConfig.hardware_compatibility_level =", (level.AMPERE_PLUS,)) in release.calls
    plan.write_bytes(b"cut short")
    assert make_engine(FOLDER, plan, Wanted("fp32", "ampere-plus"), if_needed=True)


def test_machines_share_a_folder_of_engines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[str] = []
    install(monkeypatch)
    first = keep_engine(FOLDER, tmp_path, SINGLE, notice=told.append)
    assert keep_engine(FOLDER, tmp_path, SINGLE, notice=told.append) == first
    monkeypatch.setattr(engine, "find_device", lambda: Device("NVIDIA H100", "9.0"))
    hopper = keep_engine(FOLDER, tmp_path, SINGLE, notice=told.append)
    install(monkeypatch, TEN)
    ten = keep_engine(FOLDER, tmp_path, SINGLE, notice=told.append)
    assert len({first, hopper, ten}) == 3
    assert all(path.is_file() for path in (first, hopper, ten))
    assert [text.split()[0] for text in told] == ["building", str(first), "building", "building"]


def test_a_foreign_engine_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plan = tmp_path / "model.plan"
    install(monkeypatch)
    with pytest.raises(ExportError, match="no manifest"):
        refuse_foreign(FOLDER, plan, SINGLE)
    make_engine(FOLDER, plan, SINGLE)
    refuse_foreign(FOLDER, plan, SINGLE)
    install(monkeypatch, TEN)
    monkeypatch.setattr(engine, "find_device", lambda: Device("NVIDIA H100", "9.0"))
    with pytest.raises(ExportError) as caught:
        refuse_foreign(FOLDER, plan, SINGLE)
    text = str(caught.value)
    assert "\n" not in text
    for part in (f"tensorrt '{ELEVEN}' and not '{TEN}'", "compute_capability '8.9' and not '9.0'"):
        assert part in text
    install(monkeypatch)
    plan.write_bytes(b"another")
    with pytest.raises(ExportError, match="damaged"):
        refuse_foreign(FOLDER, plan, SINGLE)


def test_the_command_builds_keeps_and_checks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch)
    plan = str(tmp_path / "model.plan")
    command = ["export", "tensorrt", "--precision", "fp32", "--repository", str(REPOSITORY)]
    for options in ([plan], [plan, "--if-needed"], [plan, "--check"], ["--cache", str(tmp_path / "kept")]):
        done = CliRunner().invoke(app, [*command, *options])
        assert done.exit_code == 0, done.output
        assert "research use only" in done.stdout
    (tmp_path / "model.plan").write_bytes(b"x")
    done = CliRunner().invoke(app, [*command, plan, "--check"])
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert CliRunner().invoke(app, [*command, plan, "--cache", str(tmp_path)]).exit_code == 2
    done = CliRunner().invoke(app, [*command[:3], "int8", *command[4:], plan])
    assert "--precision int8" in done.stderr


def test_the_command_knows_every_precision_and_compatibility() -> None:
    assert [choice.value for choice in cli_export.Precision] == list(get_args(Precision))
    assert [choice.value for choice in cli_export.Compatibility] == list(get_args(Compatibility))


def test_a_build_that_fails_is_no_missing_tensorrt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "bac_segment" / "1"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr("bac_export.onnx_export.run", lambda *given, **options: folder / "model.onnx")
    monkeypatch.setattr("bac_export.device.find_device", lambda: Device("NVIDIA L4", "8.9"))
    install(monkeypatch, **{"Builder.build_serialized_network": None})
    done = CliRunner().invoke(app, ["export", "all", str(folder / "model.onnx"), f"--repository={tmp_path}"])
    assert done.exit_code == 1
    assert "built no engine" in done.stderr
    assert "ready" not in done.stdout


def test_missing_tensorrt_driver_or_network_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="not a file"):
        make_engine(tmp_path, tmp_path / "model.plan")
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(ExportError, match="TensorRT is not installed"):
        make_engine(FOLDER, tmp_path / "model.plan")
    monkeypatch.setattr("bac_export.device._DRIVER", "libno-such-driver.so")
    with pytest.raises(ExportError, match="--gpus"):
        find_device()
    with pytest.raises(ExportError, match="in order"):
        Profile(16, 8)
    assert not list(tmp_path.iterdir())


class _Driver:
    """libcuda as its header describes it: results through pointers, 0 for success."""

    def __init__(self, error: int = 0) -> None:
        def function(name: str, work: Any) -> Any:
            def call(*arguments: Any) -> int:
                if not error:
                    work(*arguments)
                return error

            call.__name__ = name
            return call

        values = {75: 8, 76: 9}
        self.cuInit = function("cuInit", lambda flags: None)
        self.cuDeviceGet = function("cuDeviceGet", lambda out, index: None)
        self.cuDeviceGetAttribute = function(
            "cuDeviceGetAttribute", lambda out, which, device: setattr(out._obj, "value", values[which])
        )
        self.cuDeviceGetName = function(
            "cuDeviceGetName", lambda out, size, device: setattr(out, "value", b"NVIDIA L4")
        )


def test_the_driver_is_asked_for_the_compute_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: _Driver())
    assert find_device() == Device("NVIDIA L4", "8.9")
    monkeypatch.setattr("ctypes.CDLL", lambda name: _Driver(100))
    with pytest.raises(ExportError, match=r"cuInit gives 100"):
        find_device()


def test_a_real_build(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt", reason="TensorRT is installed only where there is a GPU")
    assert make_engine(FOLDER, tmp_path / "model.plan")
    trt = load_tensorrt()
    loaded = trt.Runtime(trt.Logger(trt.Logger.WARNING)).deserialize_cuda_engine(
        (tmp_path / "model.plan").read_bytes()
    )
    tensors = {loaded.get_tensor_name(i) for i in range(loaded.num_io_tensors)}
    assert tensors == {"TILES", "PROBABILITY", "CHECKSUM"}
