"""ONNX Runtime without its usage reports."""

from __future__ import annotations

import os
from typing import Any


def load_onnxruntime() -> Any:
    """Import ONNX Runtime such that it reports nothing to anybody.

    From 1.29 on it sends events to its maker, from a thread that the import starts, and keeps an identifier
    of the machine in the home directory. A server of medical images reports to nobody: the variable that
    turns all of it off is read on import.

    Returns
    -------
    module
        ``onnxruntime``.

    Raises
    ------
    ImportError
        ONNX Runtime is not installed.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime
