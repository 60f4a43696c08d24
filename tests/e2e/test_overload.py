"""More than the real server can do: what is dropped, refused, and whose turn it is."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient import grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from bac_imaging.read.size import work_bytes
from bacctl import Client, ServerOverloadedError, ServerTimeoutError
from bacctl.client.canary import canary_image
from bacctl.server.embedded import EmbeddedServer
from bacctl.server.flags import KEY_HEADER
from bacctl.server.repository import default_repository

# One tile of the network, so that many of them take no time.
IMAGE = canary_image()
SPACING_MM = 0.1


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server in which one image may wait, where hundreds may in the usual one."""
    repository = tmp_path_factory.mktemp("narrow") / "models"
    shutil.copytree(default_repository(), repository, ignore=shutil.ignore_patterns("__pycache__"))
    config = repository / "bac_preprocess" / "config.pbtxt"
    usual = config.read_text()
    narrowed = usual.replace(
        '"max_waiting_mb" value: { string_value: "512"', '"max_waiting_mb" value: { string_value: "0"'
    )
    assert narrowed != usual
    config.write_text(narrowed)
    with EmbeddedServer(repository) as server:
        yield server


def test_what_nobody_waits_for_is_not_done(server: EmbeddedServer, client: Client) -> None:
    alone_s = min(_seconds(client) for _ in range(4))  # on a busy machine one may take many times as long
    before = _executed(server, "bac_quantify")
    sent = 24

    def measure(_: int) -> str:
        try:
            return _measure(client, timeout=2.0 * alone_s, max_retries=0)
        except ServerTimeoutError as error:
            return error.code

    with ThreadPoolExecutor(sent) as pool:
        answers = list(pool.map(measure, range(sent)))
    assert set(answers) <= {"ok", "BAC-SERVER-TIMEOUT"}
    answered = answers.count("ok")
    assert answered < sent / 2
    assert _measure(client) == "ok"
    # The last step has seen what was answered, and of the others only those that were on their way already.
    assert _executed(server, "bac_quantify") - before <= answered + 1 + 4
    assert _under_way(server) == 0


def test_each_step_looks_whether_somebody_waits(server: EmbeddedServer) -> None:
    options = b'{"pixel_spacing_mm": [0.1, 0.1]}'
    sent = {"DICOM": np.frombuffer(IMAGE, np.uint8), "OPTIONS": np.frombuffer(options, np.uint8)}
    in_no_time = b'{"pixel_spacing_mm": [0.1, 0.1], "timeout_s": 1e-9}'
    too_late = pytest.raises(InferenceServerException, match="BAC-SERVER-TIMEOUT: ")
    with grpc.InferenceServerClient(server.url) as triton:
        for model in ("bac", "bac_preprocess"):
            with too_late:
                _infer(triton, model, {**sent, "OPTIONS": np.frombuffer(in_no_time, np.uint8)})
            with too_late:
                _infer(triton, model, sent, timeout=1)
        prepared = _infer(triton, "bac_preprocess", sent)
        over = np.tile(np.array([[1, 1]], np.int64), (len(prepared["TILES"]), 1))
        with too_late:
            _infer(triton, "bac_segment", {"TILES": prepared["TILES"], "TICKET": over})
        found = _infer(triton, "bac_segment", {name: prepared[name] for name in ("TILES", "TICKET")})
        context = json.loads(prepared["CONTEXT"].tobytes())
        late = {**context, "ticket": [context["ticket"][0], 1]}
        rest = {**found, **sent, "SIGNAL": prepared["SIGNAL"]}
        with too_late:
            text = np.frombuffer(json.dumps(late).encode(), np.uint8)
            _infer(triton, "bac_quantify", {**rest, "CONTEXT": text})
        assert _under_way(server) == 0
        report = _infer(triton, "bac_quantify", {**rest, "CONTEXT": prepared["CONTEXT"]})["REPORT"]
    assert json.loads(report.tobytes())["status"] == "ok"


def test_a_caller_with_many_images_does_not_hold_up_the_others(server: EmbeddedServer) -> None:
    done: list[str] = []
    heavy, light = Client(server.url), Client(server.url)

    def measure(client: Client, name: str) -> None:
        assert _measure(client) == "ok"
        done.append(name)

    with heavy, light, ThreadPoolExecutor(13) as pool:
        many = [pool.submit(measure, heavy, "heavy") for _ in range(12)]
        _wait_for(lambda: done.count("heavy") >= 1)
        before = len(done)
        pool.submit(measure, light, "light").result()
        # Those under way, and one of the other's: in the order of arrival it would have been the last.
        assert done.index("light") - before <= 7
        for one in many:
            one.result()
    assert len(done) == 13


def test_no_room_is_said_with_when_to_come_back(narrow: EmbeddedServer) -> None:
    refusals: list[ServerOverloadedError] = []

    def measure(_: int) -> str:
        with Client(narrow.url, max_retries=0) as client:
            try:
                return _measure(client)
            except ServerOverloadedError as error:
                refusals.append(error)
                return error.code

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(measure, range(12)))
    # One is under way and one waits at least; the others are told at once.
    assert set(answers) == {"ok", "BAC-SERVER-OVERLOADED"}
    assert answers.count("ok") >= 2
    assert all(error.triton_status == "UNAVAILABLE" for error in refusals)
    assert all(error.retry_after_s is not None and 1.0 <= error.retry_after_s <= 60.0 for error in refusals)
    # Whoever comes back is let in.
    with Client(narrow.url) as client:
        assert _measure(client) == "ok"


def test_other_clients_are_refused_in_the_protocols_own_words(narrow: EmbeddedServer) -> None:
    refusals: list[str] = []

    def measure(_: int) -> str:
        options = b'{"pixel_spacing_mm": [0.1, 0.1]}'
        sent = {"DICOM": np.frombuffer(IMAGE, np.uint8), "OPTIONS": np.frombuffer(options, np.uint8)}
        with grpc.InferenceServerClient(narrow.url) as triton:
            try:
                report = _infer(triton, "bac", sent)["REPORT"]
            except InferenceServerException as error:
                refusals.append(error.message())
                return str(error.status())
        return str(json.loads(report.tobytes())["status"])

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(measure, range(12)))
    assert set(answers) == {"ok", "StatusCode.UNAVAILABLE"}
    assert all(re.search(r"BAC-SERVER-OVERLOADED: .* \[retry after \d+ s\]$", said) for said in refusals)


def test_a_client_holds_back_what_would_be_too_much(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bacctl.client.core.MOST_BYTES", 2 * work_bytes(IMAGE))
    with Client(server.url) as client:
        usual, under_way, most = client._transport.infer, [0], [0]
        counting = threading.Lock()

        def counted(*arguments: object) -> object:
            with counting:
                under_way[0] += 1
                most[0] = max(most[0], under_way[0])
            try:
                return usual(*arguments)  # type: ignore[arg-type]
            finally:
                with counting:
                    under_way[0] -= 1

        monkeypatch.setattr(client._transport, "infer", counted)
        results = list(client.analyze_many([IMAGE] * 6, SPACING_MM, max_in_flight=6))
    assert [result.status for result in results] == ["ok"] * 6
    assert most[0] == 2


def _seconds(client: Client) -> float:
    start = time.monotonic()
    _measure(client)
    return time.monotonic() - start


def _measure(client: Client, timeout: float | None = None, max_retries: int | None = None) -> str:
    return client.analyze(IMAGE, SPACING_MM, timeout=timeout, max_retries=max_retries).status


def _infer(triton: Any, model: str, arrays: dict[str, np.ndarray], timeout: int | None = None) -> Any:
    tensors = []
    for name, array in arrays.items():
        tensors.append(grpc.InferInput(name, array.shape, np_to_triton_dtype(array.dtype)))
        tensors[-1].set_data_from_numpy(array)
    answer = triton.infer(model, tensors, timeout=timeout)
    return {output.name: answer.as_numpy(output.name) for output in answer.get_response().outputs}


def _executed(server: EmbeddedServer, model: str) -> int:
    with grpc.InferenceServerClient(server.url) as triton:
        statistics = triton.get_inference_statistics(model, headers={KEY_HEADER: server.key}, as_json=True)
    (entry,) = statistics["model_stats"]
    return int(entry.get("execution_count", 0))


def _under_way(server: EmbeddedServer) -> int:
    assert server._mark is not None
    tickets: Path = server._mark.parent / "tickets"
    return len(list(tickets.iterdir()))


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120.0
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
