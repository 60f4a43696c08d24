"""Holding a server against its file: what is said where that cannot be done. tests/e2e does it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bac_export.errors import ExportError
from bac_export.served import served_engine, verify


def test_a_server_that_is_not_there_is_one_line() -> None:
    with pytest.raises(ExportError, match=r"bac_segment at 127\.0\.0\.1:9 does not answer") as caught:
        served_engine("127.0.0.1:9")(np.zeros((1, 1, 512, 512), np.float32))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("card", [None, {"sha256": "of another network"}, []])
def test_a_file_without_its_own_card_is_refused(card: object, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"weights")
    if card is not None:
        (tmp_path / "model_card.json").write_text(json.dumps(card))
    with pytest.raises(ExportError, match="its own model card"):
        verify("127.0.0.1:9", tmp_path, ())
