from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bac_export import tensorrt_export
from bac_export.errors import ExportError


def test_missing_tensorrt_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    onnx = tmp_path / "model.onnx"
    onnx.write_bytes(b"")
    with pytest.raises(ExportError, match="TensorRT is not installed") as caught:
        tensorrt_export.run(onnx, tmp_path / "model.plan", 64)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "model.plan").exists()


def test_a_missing_file_and_a_batch_of_none_are_refused_first(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no file"):
        tensorrt_export.run(tmp_path / "lost.onnx", tmp_path / "model.plan")
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(ExportError, match="largest batch"):
        tensorrt_export.run(tmp_path / "model.onnx", tmp_path / "model.plan", 0)
