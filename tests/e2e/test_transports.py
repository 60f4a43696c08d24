"""The same questions to a server of one's own and to a URL, with both clients: the answers are the same."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
import pytest

from bacctl import AsyncClient, Client, ExamResult, ImageResult, RefusedError, ServerUnavailableError
from bacctl.client.canary import canary_image
from bacctl.results import ExamComparison
from bacctl.server.embedded import EmbeddedServer

FILM_MM = (0.2, 0.2)
VIEWS = (("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))

T = TypeVar("T")


class Looped:
    """An `AsyncClient` behind the face of a `Client`, so that both pass the same tests."""

    def __init__(self, client: AsyncClient, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._client = client
        self._run = run

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def called(*args: Any, **kwargs: Any) -> Any:
            async def wait() -> Any:
                if name == "analyze_many":
                    return [result async for result in method(*args, **kwargs)]
                return await method(*args, **kwargs)

            return self._run(wait())

        return called


@pytest.fixture(scope="module")
def embedded() -> Iterator[Client]:
    with Client.embedded() as client:
        yield client


@pytest.fixture(scope="module")
def looped(server: EmbeddedServer) -> Iterator[Looped]:
    loop = asyncio.new_event_loop()
    client = AsyncClient(server.url)
    yield Looped(client, loop.run_until_complete)
    loop.run_until_complete(client.close())
    loop.close()


@pytest.fixture(params=["embedded", "url", "async url"])
def either(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(
        {"embedded": "embedded", "url": "client", "async url": "looped"}[request.param]
    )


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    """What the first way of a question said; the others must say the same."""
    return {}


def same(known: dict[str, Any], question: str, answer: Any) -> None:
    if isinstance(answer, ImageResult):
        answer = (
            comparable(answer),
            *(None if a is None else a.tobytes() for a in (answer.mask, answer.density)),
        )
    assert known.setdefault(question, answer) == answer


def comparable(result: ImageResult) -> dict[str, Any]:
    return {**result.to_dict(), "path": None, "timings_ms": {}, "weights": result.weights_sha256}


def test_one_mammogram(either: Client, known: dict[str, Any], raw_mammogram: bytes) -> None:
    result = either.analyze(raw_mammogram)
    assert result.mass_basis == "calibrated"
    assert result.density is not None
    same(known, "mammogram", result)


def test_one_film(either: Client, known: dict[str, Any]) -> None:
    same(known, "film", either.analyze(canary_image(), FILM_MM))


def test_refusal(either: Client, known: dict[str, Any], mammogram: Callable[..., bytes]) -> None:
    data = mammogram(Modality="CT")
    with pytest.raises(RefusedError) as caught:
        either.analyze(data)
    assert caught.value.triton_status == "INVALID_ARGUMENT"
    assert caught.value.sop_instance_uid is not None
    same(known, "refusal", (str(caught.value), caught.value.sop_instance_uid))


def test_many(either: Client, known: dict[str, Any], raw_mammogram: bytes, tmp_path: Path) -> None:
    sources = [raw_mammogram, tmp_path / "none", b"", canary_image(), raw_mammogram]
    results = list(either.analyze_many(sources, FILM_MM, 2, ordered=True))
    assert [r.code for r in results][1:3] == ["BAC-FILE-UNREADABLE", "BAC-FILE-EMPTY"]
    same(known, "many", [(r.status, r.code, r.calcium_mass_mg) for r in results])


def test_exam_and_comparison(
    either: Client, known: dict[str, Any], mammogram: Callable[..., bytes], tmp_path: Path
) -> None:
    exams = []
    for study in ("1.2.3.1", "1.2.3.2"):
        folder = tmp_path / study
        folder.mkdir()
        for side, view in VIEWS:
            data = mammogram(StudyInstanceUID=study, ImageLaterality=side, ViewPosition=view)
            (folder / f"{side}{view}.dcm").write_bytes(data)
        exams.append(folder)
    exam = either.analyze_exam(exams[0])
    assert exam.complete
    same(known, "exam", exam.to_dict())
    comparison = either.compare(*exams)
    assert comparison.calcium_mass_mg.verdict == "within_limit"
    same(known, "comparison", comparison.to_dict())
    # What was measured can be written and read back.
    for image in exam.images:
        read = ImageResult.from_dict(json.loads(json.dumps(image.to_dict())))
        assert read == dataclasses.replace(image, weights_sha256=None, map_sha256=None)
    document = json.loads(json.dumps(exam.to_dict()))
    assert ExamResult.from_dict(document) == dataclasses.replace(exam, images=(), software={})
    document = json.loads(json.dumps(comparison.to_dict()))
    assert ExamComparison.from_dict(document).to_dict() == comparison.to_dict()


def test_ready_and_info(either: Client, known: dict[str, Any]) -> None:
    assert either.ready()
    info = either.server_info()
    assert info["triton"] == "2.51.0"
    same(known, "info", {**info, "name": None})


def test_cache_gives_the_same_result(
    client: Client, server: EmbeddedServer, raw_mammogram: bytes, tmp_path: Path
) -> None:
    fresh = client.analyze(raw_mammogram)
    for _ in range(2):  # once measured, once remembered
        with Client(server.url, cache=tmp_path / "cache") as cached:
            result = cached.analyze(raw_mammogram)
        assert comparable(result) == comparable(fresh)
        assert np.array_equal(result.mask, fresh.mask)
        assert np.array_equal(result.density, fresh.density)
    first = result.timings_ms
    with Client(server.url, cache=tmp_path / "cache") as cached:
        assert cached.analyze(raw_mammogram).timings_ms == first  # those of the measurement


def kill(server: EmbeddedServer | None) -> None:
    assert server is not None
    assert server._supervisor is not None
    for child in psutil.Process(server._supervisor.pid).children():
        child.kill()


def test_dead_server_of_ones_own_is_started_again(embedded: Client) -> None:
    kill(embedded._server)
    with pytest.raises(ServerUnavailableError):
        embedded.analyze(canary_image(), FILM_MM, max_retries=0)
    assert embedded.analyze(canary_image(), FILM_MM).status == "ok"


def test_server_that_dies_under_many_images_costs_none(embedded: Client) -> None:
    results = embedded.analyze_many([canary_image()] * 8, FILM_MM, max_in_flight=3)
    states = [next(results).status]
    kill(embedded._server)
    assert [*states, *(result.status for result in results)] == ["ok"] * 8


def test_own_server_in_a_loop_starts_and_ends_with_its_client() -> None:
    async def main() -> tuple[str, str, bool]:
        async with AsyncClient.embedded() as client:
            result = await client.analyze(canary_image(), FILM_MM)
            server = client._transport._server  # type: ignore[attr-defined]
            url = client.url
        return result.status, url, server.running

    status, url, running = asyncio.run(main())
    assert (status, running) == ("ok", False)
    assert url.startswith("unix:/")
