"""What we ask of TensorRT exists in both of its majors; a name that one of them lost is seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.export.tensorrt_surface import RELEASES, misuses

from bac_export import engine, tensorrt_export

TEN, ELEVEN = RELEASES


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("module", [tensorrt_export, engine])
def test_every_call_exists(version: str, module: object) -> None:
    source = Path(str(module.__file__)).read_text()  # type: ignore[attr-defined]
    assert misuses(source, RELEASES[version], {"config": "IBuilderConfig"}) == []


@pytest.mark.parametrize(
    ("line", "lost"),
    [
        ("config.set_flag(trt.BuilderFlag.FP16)", "BuilderFlag.FP16"),
        ("config.int8_calibrator = None", "IBuilderConfig.int8_calibrator"),
        ("fast = builder.platform_has_fast_fp16", "Builder.platform_has_fast_fp16"),
        (
            "network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))",
            "NetworkDefinitionCreationFlag.EXPLICIT_BATCH",
        ),
    ],
)
def test_what_was_removed_is_found(line: str, lost: str) -> None:
    source = (
        "def build():\n    trt = load_tensorrt()\n    builder = trt.Builder(trt.Logger())\n"
        f"    config = builder.create_builder_config()\n    {line}\n"
    )
    assert misuses(source, RELEASES[TEN], {}) == []
    assert misuses(source, RELEASES[ELEVEN], {}) == [lost]


def test_wrong_arguments_are_found() -> None:
    source = (
        "def build(config):\n    trt = load_tensorrt()\n    config.set_timing_cache(b'')\n"
        "    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size=1)\n    trt.Bilder()\n"
    )
    assert misuses(source, RELEASES[ELEVEN], {"config": "IBuilderConfig"}) == [
        "IBuilderConfig.set_timing_cache with 1 arguments",
        "IBuilderConfig.set_memory_pool_limit with 2 arguments",
        "tensorrt.Bilder",
    ]
