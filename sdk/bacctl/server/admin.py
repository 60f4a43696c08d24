"""Calls that change a server, on a Unix socket that only its user can reach: Triton's HTTP, for nobody else.

No key is needed there, so that none stands on a command line.
"""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def load_model(path: Path, model: str, timeout: float) -> bool:
    """Have Triton load a model, or load it again; return whether it did.

    Parameters
    ----------
    path : Path
        The socket.
    model : str
        Its name.
    timeout : float
        In seconds.
    """
    return _call(path, "POST", f"/v2/repository/models/{model}/load", timeout) is not None


def count_answered(path: Path, model: str, timeout: float) -> int | None:
    """Return how many requests of a model were answered, refusals included; None where nobody answers."""
    answer = _call(path, "GET", f"/v2/models/{model}/stats", timeout)
    if answer is None:
        return None
    counted = [entry["inference_stats"] for entry in json.loads(answer)["model_stats"]]
    return sum(int(stats[kind]["count"]) for stats in counted for kind in ("success", "fail"))


def _call(path: Path, method: str, where: str, timeout: float) -> bytes | None:
    connection = _UnixConnection(path, timeout)
    try:
        connection.request(method, where, body=b"{}" if method == "POST" else None)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return body if answer.status == 200 else None
