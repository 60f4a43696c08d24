"""A step that answers with another image's tensors: no client gets them for its own image."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.e2e.process_tree import command_line, descendants
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from bac_phantom.qa import make_qa_phantom, qa_specs
from bacctl import AsyncClient, BacctlError, Client, ServerFaultError
from bacctl.keeper.ask import ask
from bacctl.keeper.restart import Restarts
from bacctl.keeper.watch import Watch
from bacctl.server.embedded import EmbeddedServer
from bacctl.server.repository import default_repository

CODE = "BAC-SERVER-MIXED-UP"
# In place of a step's model.py: the outputs LATE are those of the request before.
LATE_STEP = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent))
from usual import TritonPythonModel as Usual

class TritonPythonModel(Usual):
    before = None

    def _answer(self, inputs):
        now = super()._answer(inputs)
        before, self.before = self.before, {name: array.copy() for name, array in now.items()}
        return now if before is None else {**now, **{name: before[name] for name in LATE}}
"""
# Every step with all that it gives on, and with each of its tensors alone.
INSIDE = [
    ("bac_preprocess", ("TILES", "SIGNAL", "CONTEXT", "TICKET")),
    ("bac_preprocess", ("TILES",)),
    ("bac_preprocess", ("SIGNAL",)),
    ("bac_preprocess", ("CONTEXT",)),
    ("bac_segment", ("PROBABILITY", "CHECKSUM")),
    ("bac_segment", ("PROBABILITY",)),
]
AT_THE_END = [("bac_quantify", ("REPORT", "MASK", "DENSITY"))] + [
    ("bac_quantify", (name,)) for name in ("REPORT", "MASK", "DENSITY")
]
# Tensor by tensor it is tested in tests/sdk/service/test_binding.py; each case here starts a server.
ALWAYS = (INSIDE[0], INSIDE[4], AT_THE_END[0], AT_THE_END[2])
CASES = [
    pytest.param(*case, marks=() if case in ALWAYS else pytest.mark.full) for case in (*INSIDE, *AT_THE_END)
]


def _late(folder: Path, step: str, outputs: tuple[str, ...]) -> Path:
    """Copy the model repository with a step that answers late."""
    repository = folder / f"{step}-{'-'.join(outputs)}"
    shutil.copytree(default_repository(), repository, ignore=shutil.ignore_patterns("__pycache__"))
    version = repository / step / "1"
    (version / "model.py").rename(version / "usual.py")
    (version / "model.py").write_text(LATE_STEP.replace("LATE", repr(outputs)))
    return repository


@pytest.fixture(scope="module")
def pair() -> tuple[bytes, bytes]:
    """One breast with 12 mg of calcium and without any: all else, size, beam and outline, is equal."""
    spec = next(spec for spec in qa_specs() if spec.calcium_mass_mg == 12.0)
    return make_qa_phantom(spec), make_qa_phantom(replace(spec, calcium_mass_mg=0.0))


@pytest.fixture(scope="module")
def masses(client: Client, pair: tuple[bytes, bytes]) -> tuple[float, float]:
    """What the server gives for them while all is well."""
    heavy, none = (client.analyze(data).calcium_mass_mg for data in pair)
    assert heavy == pytest.approx(12.0, rel=0.15)
    assert none == 0.0
    return heavy, none


@pytest.mark.parametrize(("step", "outputs"), CASES)
def test_client_refuses_it(
    tmp_path: Path,
    pair: tuple[bytes, bytes],
    masses: tuple[float, float],
    step: str,
    outputs: tuple[str, ...],
) -> None:
    first, second = pair
    server = EmbeddedServer(_late(tmp_path, step, outputs))
    with server, Client(server.url, max_retries=0) as client:
        assert client.analyze(first).calcium_mass_mg == masses[0]
        with pytest.raises(ServerFaultError) as caught:
            client.analyze(second)
        assert caught.value.code == CODE
        found_inside = step != "bac_quantify"
        assert server.mixed_up is found_inside
        if found_inside:
            # Even what would be right now: such a server is not believed again.
            with pytest.raises(ServerFaultError) as caught:
                client.analyze(second)
            assert caught.value.code == CODE
            assert "before" in caught.value.reason


@pytest.mark.parametrize(("step", "outputs"), [INSIDE[0], pytest.param(*INSIDE[4], marks=pytest.mark.full)])
def test_client_without_a_tag_is_told_too(
    tmp_path: Path, pair: tuple[bytes, bytes], step: str, outputs: tuple[str, ...]
) -> None:
    with EmbeddedServer(_late(tmp_path, step, outputs)) as server:
        report = json.loads(_ask(server.url, pair[0]).as_numpy("REPORT").tobytes())
        assert report["binding"]["tag"] is None
        with pytest.raises(InferenceServerException, match=CODE) as caught:
            _ask(server.url, pair[1])
        assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_report_says_whose_it_is(server: EmbeddedServer, pair: tuple[bytes, bytes]) -> None:
    digest = hashlib.sha256(pair[0]).hexdigest()
    sent = json.dumps({"tag": "one-request_1", "sha256": digest}).encode()
    report = json.loads(_ask(server.url, pair[0], sent).as_numpy("REPORT").tobytes())
    assert (report["binding"]["tag"], report["binding"]["sha256"]) == ("one-request_1", digest)
    report = json.loads(_ask(server.url, pair[0]).as_numpy("REPORT").tobytes())
    assert (report["binding"]["tag"], report["binding"]["sha256"]) == (None, digest)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"tag": ""}, "BAC-OPTIONS-INVALID"),
        ({"tag": 7}, "BAC-OPTIONS-INVALID"),
        ({"tag": "a b"}, "BAC-OPTIONS-INVALID"),
        ({"tag": "a" * 65}, "BAC-OPTIONS-INVALID"),
        ({"sha256": "abc"}, "BAC-OPTIONS-INVALID"),
        ({"sha256": "0" * 64}, CODE),
    ],
)
def test_tags_and_digests_that_are_none(
    server: EmbeddedServer, client: Client, pair: tuple[bytes, bytes], options: dict[str, object], code: str
) -> None:
    with pytest.raises(InferenceServerException, match=code):
        _ask(server.url, pair[0], json.dumps(options).encode())
    # A caller's own mistake costs nobody else the server.
    assert not server.mixed_up
    assert client.analyze(pair[1]).status == "ok"


def test_refusal_names_its_request(server: EmbeddedServer) -> None:
    with pytest.raises(InferenceServerException) as caught:
        _ask(server.url, b"no image", b'{"tag": "mine"}')
    assert caught.value.message().endswith("[request mine]")
    with pytest.raises(InferenceServerException) as caught:
        _ask(server.url, b"no image")
    assert "[request" not in caught.value.message()


@pytest.mark.parametrize(
    ("step", "outputs"),
    [INSIDE[0], *(pytest.param(*late, marks=pytest.mark.full) for late in (INSIDE[4], AT_THE_END[0]))],
)
def test_own_server_is_started_again_at_once(
    tmp_path: Path,
    pair: tuple[bytes, bytes],
    masses: tuple[float, float],
    step: str,
    outputs: tuple[str, ...],
) -> None:
    with Client.embedded(repository=_late(tmp_path, step, outputs)) as client:
        # The test image came before, so that the first image gets its answer.
        first = client.url
        results = [client.analyze(data) for data in pair]
    assert [result.calcium_mass_mg for result in results] == list(masses)
    for result in results:
        assert "BAC-W-MEASURED-AGAIN" in [notice.code for notice in result.warnings]
    assert client.url != first


def test_own_server_of_an_event_loop(
    tmp_path: Path, pair: tuple[bytes, bytes], masses: tuple[float, float]
) -> None:
    async def both() -> list[float | None]:
        repository = _late(tmp_path, *INSIDE[4])
        async with AsyncClient.embedded(repository=repository) as client:
            results = [await client.analyze(data) for data in pair]
        assert all("BAC-W-MEASURED-AGAIN" in [n.code for n in result.warnings] for result in results)
        return [result.calcium_mass_mg for result in results]

    assert asyncio.run(both()) == list(masses)


def test_another_server_is_asked(
    tmp_path: Path, server: EmbeddedServer, pair: tuple[bytes, bytes], masses: tuple[float, float]
) -> None:
    late = EmbeddedServer(_late(tmp_path, *AT_THE_END[0]))
    with late, Client([late.url, server.url]) as client:
        results = [client.analyze(data) for data in (*pair, *pair)]
    assert [result.calcium_mass_mg for result in results] == [*masses, *masses]
    again = ["BAC-W-MEASURED-AGAIN" in [notice.code for notice in result.warnings] for result in results]
    # In turn, the third went to the late one again; the fourth no more.
    assert again == [False, False, True, False]


def test_watched_server_is_started_again_at_once(
    tmp_path: Path, pair: tuple[bytes, bytes], masses: tuple[float, float]
) -> None:
    told: list[str] = []
    server = EmbeddedServer(_late(tmp_path, *INSIDE[4]))
    with server, Client(server.url, max_retries=0) as client:
        restarts = Restarts(
            server, lambda: ask(server.url), told.append, revive=lambda: False, wait=lambda seconds: False
        )
        watch = Watch(
            "the server",
            ask=lambda: ask(server.url),
            tell=told.append,
            ended=lambda: None,
            mixed_up=lambda: server.mixed_up,
        )
        client.analyze(pair[0])
        for again in (False, True):
            if again:
                with pytest.raises(ServerFaultError):
                    client.analyze(pair[1])
            looks = iter((False, True))
            once: Any = SimpleNamespace(wait=lambda _, looks=looks: next(looks))
            for why in watch.faults(once):
                restarts.start_again(why)
            assert bool(told) is again
        assert "the answer to another: starting it again" in told[0]
        assert "answers again" in told[-1]
        assert not server.mixed_up


@pytest.mark.parametrize(
    "step",
    [
        "bac_segment",
        *(pytest.param(step, marks=pytest.mark.full) for step in ("bac_preprocess", "bac_quantify")),
    ],
)
def test_real_step_that_stands_still(
    pair: tuple[bytes, bytes], masses: tuple[float, float], step: str
) -> None:
    expected = dict(zip(pair, masses, strict=True))
    wrong: list[float | None] = []
    right: list[float] = []
    over = threading.Event()

    def keep_asking(client: Client) -> None:
        while not over.is_set():
            for data in pair:
                try:
                    mass = client.analyze(data).calcium_mass_mg
                except BacctlError:
                    continue
                if mass == expected[data]:
                    right.append(time.monotonic())
                else:
                    wrong.append(mass)

    with Client.embedded() as client:
        stubs = list(_stubs(client, step))
        threads = [threading.Thread(target=keep_asking, args=(client,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(1.5)
        for stub in stubs:
            os.kill(stub, signal.SIGSTOP)
        time.sleep(3.0)
        for stub in stubs:
            try:
                os.kill(stub, signal.SIGCONT)
            except ProcessLookupError:
                continue  # ended with its server
        woken = time.monotonic()
        deadline = woken + 60.0
        while not (right and right[-1] > woken + 1.0) and time.monotonic() < deadline:
            time.sleep(0.2)
        over.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert right[-1] > woken + 1.0, "the server never came back"


def _stubs(client: Client, step: str) -> Iterator[int]:
    assert client._server is not None
    assert client._server._supervisor is not None
    for pid in descendants(client._server._supervisor.pid):
        command = command_line(pid)
        if "python_backend_stub" in command and step in command:
            yield pid


def _ask(url: str, data: bytes, options: bytes | None = None) -> grpc.InferResult:
    tensors = []
    for name, content in (("DICOM", data), ("OPTIONS", options)):
        if content is not None:
            tensor = grpc.InferInput(name, [len(content)], "UINT8")
            tensor.set_data_from_numpy(np.frombuffer(content, np.uint8))
            tensors.append(tensor)
    return grpc.InferenceServerClient(url).infer("bac", tensors)
