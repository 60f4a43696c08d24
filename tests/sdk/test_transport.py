"""Faults of the server, each as one of our errors; answers, none of them trusted."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from bacctl import errors
from bacctl._transport import Transport, _answer, _translated


@pytest.mark.parametrize(
    ("status", "message", "kind", "code"),
    [
        (
            "INVALID_ARGUMENT",
            "in ensemble 'bac', BAC-SPACING-MISSING: no spacing; give it",
            errors.RefusedError,
            "BAC-SPACING-MISSING",
        ),
        (
            "INVALID_ARGUMENT",
            "in ensemble 'bac', BAC-CODEC-MISSING: no codec; install it",
            errors.FailedError,
            "BAC-CODEC-MISSING",
        ),
        ("INVALID_ARGUMENT", "BAC-INVENTED-LATER: new; do", errors.FailedError, "BAC-INVENTED-LATER"),
        ("INTERNAL", "in ensemble 'bac', BAC-INTERNAL: x; y", errors.ServerFaultError, "BAC-INTERNAL"),
        ("INVALID_ARGUMENT", "unexpected shape", errors.ServerFaultError, "BAC-SERVER-FAULT"),
        (
            "UNAVAILABLE",
            "This protocol is restricted, expecting header 'triton-grpc-protocol-bacctl'",
            errors.PermissionDeniedError,
            "BAC-SERVER-PERMISSION",
        ),
        ("UNAUTHENTICATED", "who", errors.PermissionDeniedError, "BAC-SERVER-PERMISSION"),
        (
            "UNAVAILABLE",
            "failed to connect to all addresses",
            errors.ServerUnavailableError,
            "BAC-SERVER-UNAVAILABLE",
        ),
        (
            "NOT_FOUND",
            "Request for unknown model: 'bac' is not found",
            errors.ServerUnavailableError,
            "BAC-SERVER-UNAVAILABLE",
        ),
        ("UNAVAILABLE", "Exceeds maximum queue size", errors.ServerOverloadedError, "BAC-SERVER-OVERLOADED"),
        ("RESOURCE_EXHAUSTED", "memory", errors.ServerOverloadedError, "BAC-SERVER-OVERLOADED"),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", errors.ServerTimeoutError, "BAC-SERVER-TIMEOUT"),
        (
            "INTERNAL",
            "in ensemble 'bac', Stub process 'bac_segment_0_0' is not healthy.",
            errors.ServerFaultError,
            "BAC-SERVER-FAULT",
        ),
        ("UNKNOWN", "x\n" * 500, errors.ServerFaultError, "BAC-SERVER-FAULT"),
    ],
)
def test_fault_becomes_error(status, message, kind, code):
    error = _translated(InferenceServerException(message, status=f"StatusCode.{status}"), "host:1")
    assert type(error) is kind
    assert error.code == code
    assert "\n" not in str(error)
    assert len(str(error)) < 500


class Result:
    def __init__(self, report, mask, density):
        self._tensors = {
            "REPORT": np.frombuffer(json.dumps(report).encode(), np.uint8) if report is not None else None,
            "MASK": np.array(mask, np.uint8),
            "DENSITY": np.array(density, np.float32),
        }

    def as_numpy(self, name):
        return self._tensors[name]


def test_first_pixel_is_in_the_high_bit():
    # 3 x 5 pixels, row by row: bits 1000_0001 0100_000 with one bit of filling.
    answer = _answer(Result({"rows": 3, "columns": 5}, [0b1000_0001, 0b0100_0000], np.ones((3, 5))))
    assert np.argwhere(answer.mask).tolist() == [[0, 0], [1, 2], [1, 4]]
    assert answer.mask.dtype == bool
    assert answer.density.shape == (3, 5)


def test_no_mass_no_density():
    assert _answer(Result({"rows": 1, "columns": 8}, [0], np.zeros((0, 0)))).density is None


@pytest.mark.parametrize(
    "result",
    [
        Result(None, [0], np.zeros((0, 0))),
        Result({"rows": 3, "columns": 5}, [], np.zeros((0, 0))),
        Result({"rows": 3, "columns": 5}, [0], np.zeros((0, 0))),
        Result({"rows": 3, "columns": 5}, [0, 0, 0], np.zeros((0, 0))),
        Result({"rows": 3, "columns": 5}, [0, 0], np.zeros((2, 2))),
        Result({"rows": 3}, [0, 0], np.zeros((0, 0))),
    ],
)
def test_wrong_sizes_are_a_fault_of_the_server(result):
    with pytest.raises(errors.ServerFaultError, match="NumPy below 2"):
        _answer(result)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("localhost:8001", "localhost:8001"),
        ("gpu-host", "gpu-host:8001"),
        ("grpc://gpu-host:9000/", "gpu-host:9000"),
        ("[::1]:7", "[::1]:7"),
        ("[::1]", "[::1]:8001"),
    ],
)
def test_address(url, address):
    assert Transport(url, 1.0).url == address


@pytest.mark.parametrize("url", ["", "http://localhost:8000", "https://x"])
def test_what_is_no_grpc_address(url):
    with pytest.raises(errors.ServerUnavailableError, match="host:port"):
        Transport(url, 1.0)


def test_nobody_listens(unused_port):
    with pytest.raises(errors.ServerUnavailableError, match=f"127.0.0.1:{unused_port}"):
        Transport(f"127.0.0.1:{unused_port}", 5.0).infer(b"x", None)


def test_nobody_answers_in_time():
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(errors.ServerTimeoutError, match="more time"):
            Transport(f"127.0.0.1:{mute.getsockname()[1]}", 0.3).infer(b"x", None)


def test_close_ends_a_call_under_way():
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        transport = Transport(f"127.0.0.1:{mute.getsockname()[1]}", 600.0)
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(transport.infer, b"x", None)
            connection, _ = mute.accept()  # the call is on its way
            transport.close()
            with pytest.raises(errors.ServerUnavailableError):
                call.result(60)
            connection.close()


def test_no_proxy_for_this_machine(monkeypatch, unused_port):
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:3128")  # an address that never answers
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(errors.ServerUnavailableError):
        Transport(f"localhost:{unused_port}", 5.0).infer(b"x", None)


@pytest.fixture
def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
