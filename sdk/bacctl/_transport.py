"""Calls to Triton over gRPC: tensors there, tensors back, and every fault as one of our errors."""

from __future__ import annotations

import json
import queue
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bacctl.errors import BacctlError, error_class, from_catalogue, unavailable
from bacctl.repository import ENSEMBLE

_DEFAULT_PORT = 8001
_CODED = re.compile(r"(BAC-[A-Z0-9-]+): (.+)", re.DOTALL)
_LOOPBACK = re.compile(r"localhost:|127\.|\[::1\]:")
_SHORT_CALL_S = 20.0  # for questions that no model has to work on
_LONGEST_QUOTE = 200


@dataclass(frozen=True)
class Answer:
    """What the ensemble sent back for one image.

    Attributes
    ----------
    report : dict
        The image object, and ``weights_sha256``.
    mask : numpy.ndarray of bool
        (rows, columns).
    density : numpy.ndarray of float32 or None
        (rows, columns), mg/mm2.
    """

    report: dict[str, Any]
    mask: npt.NDArray[np.bool_]
    density: npt.NDArray[np.float32] | None


class Transport:
    """Connections to one server, one for each thread that calls at the same time.

    Parameters
    ----------
    url : str
        ``host:port`` of the gRPC endpoint; the port is 8001 where none is given.
    timeout_s : float
        How long one image may take, in seconds.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self.url = _address(url)
        self._timeout_s = timeout_s
        # Given arguments replace all defaults of tritonclient, its message sizes included.
        self._channel_args = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
            # A proxy named in the environment would be asked even for this machine itself.
            ("grpc.enable_http_proxy", int(_LOOPBACK.match(self.url) is None)),
        ]
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        self._open: list[Any] = []

    def infer(self, data: bytes, options: dict[str, Any] | None) -> Answer:
        """Have one image measured.

        Parameters
        ----------
        data : bytes
            The file.
        options : dict, optional
            Sent as OPTIONS.

        Returns
        -------
        Answer

        Raises
        ------
        BacctlError
            The refusal, or what went wrong.
        """
        inputs = [_bytes_input("DICOM", data)]
        if options is not None:
            inputs.append(_bytes_input("OPTIONS", json.dumps(options).encode()))
        with self._connection() as connection:
            result = connection.infer(ENSEMBLE, inputs, client_timeout=self._timeout_s)
        return _answer(result)

    def metadata(self) -> tuple[str, str]:
        """Return the server's name and version.

        Raises
        ------
        BacctlError
            The server does not answer.
        """
        with self._connection() as connection:
            metadata = connection.get_server_metadata(client_timeout=_SHORT_CALL_S)
        return metadata.name, metadata.version

    def close(self) -> None:
        """Close all connections. Calls under way come back at once, as faults."""
        self._idle = queue.LifoQueue()
        while self._open:
            self._open.pop().close()

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        # tritonclient's objects are for one thread at a time.
        from tritonclient import grpc
        from tritonclient.utils import InferenceServerException

        idle = self._idle
        try:
            connection = idle.get_nowait()
        except queue.Empty:
            connection = grpc.InferenceServerClient(self.url, channel_args=self._channel_args)
            self._open.append(connection)
        try:
            yield connection
        except InferenceServerException as fault:
            raise _translated(fault, self.url) from None
        finally:
            idle.put(connection)  # nobody's any more where close() came in between


def _address(url: str) -> str:
    address = url.removeprefix("grpc://").rstrip("/")
    if "://" in address or not address:
        raise unavailable(f"{url!r} is no gRPC address; give host:port, such as localhost:{_DEFAULT_PORT}")
    has_port = re.search(r":\d+$", address) and (address.count(":") == 1 or "]" in address)
    return address if has_port else f"{address}:{_DEFAULT_PORT}"


def _bytes_input(name: str, data: bytes) -> Any:
    from tritonclient import grpc

    tensor = grpc.InferInput(name, [len(data)], "UINT8")
    tensor.set_data_from_numpy(np.frombuffer(data, np.uint8))
    return tensor


def _answer(result: Any) -> Answer:
    """Take the answer apart, and trust no size: Triton 2.51 under NumPy 2 sends right shapes of nothing."""
    try:
        report = json.loads(result.as_numpy("REPORT").tobytes())
        shape = (int(report["rows"]), int(report["columns"]))
        bits = np.unpackbits(result.as_numpy("MASK"), count=shape[0] * shape[1])
        mask = bits.reshape(shape).view(np.bool_)
        density = result.as_numpy("DENSITY")
        if result.as_numpy("MASK").size != -(-mask.size // 8) or density.shape not in (shape, (0, 0)):
            raise ValueError
    except Exception:
        raise from_catalogue(
            "BAC-SERVER-FAULT",
            "the server sent an empty or unreadable answer; its models need NumPy below 2, which "
            "`bacctl doctor` checks",
        ) from None
    return Answer(report, mask, density if density.size else None)


def _translated(fault: Any, url: str) -> BacctlError:
    status = str(fault.status() or "").removeprefix("StatusCode.")
    message = str(fault.message() or "")
    coded = _CODED.search(message)
    if coded:
        return error_class(coded[1])(coded[1], coded[2])
    if "protocol is restricted" in message or status in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
        return from_catalogue("BAC-SERVER-PERMISSION")
    if "Stub process" in message:
        return from_catalogue("BAC-SERVER-FAULT", "a model of the server has died; restart the server")
    if status == "DEADLINE_EXCEEDED":
        return from_catalogue("BAC-SERVER-TIMEOUT")
    if status == "RESOURCE_EXHAUSTED" or "maximum queue size" in message:
        return from_catalogue("BAC-SERVER-OVERLOADED")
    if "unknown model" in message or status in ("NOT_FOUND", "UNIMPLEMENTED"):
        return from_catalogue("BAC-SERVER-UNAVAILABLE", f"the server at {url} does not serve the model bac")
    if status in ("UNAVAILABLE", "CANCELLED"):
        return from_catalogue("BAC-SERVER-UNAVAILABLE", f"no server answers at {url}")
    quoted = " ".join(message.split())[:_LONGEST_QUOTE]
    return from_catalogue("BAC-SERVER-FAULT", f"the server met an error of its own ({status}: {quoted})")
