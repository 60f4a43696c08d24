"""OpenVINO without its usage reports."""

from __future__ import annotations

import sys
from typing import Any


def load_openvino() -> Any:
    """Import OpenVINO such that it reports nothing to anybody.

    On import, OpenVINO's telemetry package sends the version, the operating system and a client id to an
    analytics service, from a forked process, and keeps its state in the home directory. A server of medical
    images reports to nobody: with the package hidden OpenVINO falls back on its own stand-in for it.

    Returns
    -------
    module
        ``openvino``.

    Raises
    ------
    ImportError
        OpenVINO is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
