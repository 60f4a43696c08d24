# pyright: strict
"""A user's program that calls every public method, for type checkers; it is never run."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pydicom

import bacctl
from bacctl import (
    AsyncClient,
    BacctlError,
    Client,
    ClientUsageError,
    ExamComparison,
    ExamResult,
    FailedError,
    ImageResult,
    IncompatibleServerError,
    PermissionDeniedError,
    RefusedError,
    ServerError,
    ServerFaultError,
    ServerOverloadedError,
    ServerTimeoutError,
    ServerUnavailableError,
    Source,
    Tls,
    TlsError,
    to_frame,
)
from bacctl.testing import FakeServer, Request, make_report, refusal


def describe(result: ImageResult) -> str:
    mass: float | None = result.calcium_mass_mg
    interval: tuple[float, float] | None = result.calcium_mass_interval_mg
    widths = [vessel.mean_width_mm for vessel in result.vessels if vessel.mean_width_mm is not None]
    codes = [notice.code for notice in result.warnings]
    kvp = None if result.beam is None else result.beam.kvp
    pixels = 0 if result.mask is None else int(result.mask.sum())
    heaviest = 0.0 if result.density is None else float(result.density.max())
    return f"{result.path} {mass} {interval} {widths} {codes} {kvp} {pixels} {heaviest} {result.status}"


def explain(error: BacctlError) -> str:
    kinds: tuple[type[BacctlError], ...] = (
        ClientUsageError,
        IncompatibleServerError,
        PermissionDeniedError,
        ServerError,
        ServerFaultError,
        ServerOverloadedError,
        ServerTimeoutError,
        ServerUnavailableError,
        TlsError,
    )
    again = isinstance(error, kinds)
    return f"{error.code} {error.message} {error.hint} {error.sop_instance_uid} {error.triton_status} {again}"


def with_threads(path: Path) -> None:
    tls = Tls(ca="ca.pem", certificate="client.pem", key="client.key", server_name="gpu")
    with Client(
        ["grpcs://a:8001", "grpcs://b"],
        tls=tls,
        token="t",
        timeout=60.0,
        retry_for=30,
        max_retries=3,
        cache=path,
    ) as client:
        sources: list[Source] = [path, str(path), path.read_bytes(), pydicom.Dataset()]
        sources += [io.BytesIO(b""), path.open("rb")]
        try:
            print(describe(client.analyze(sources[0], 0.1, timeout=10.0, retry_for=0, max_retries=0)))
        except RefusedError as refused:
            print(explain(refused))
        except FailedError as failed:
            print(explain(failed))
        for result in client.analyze_many(sources, (0.1, 0.2), 4, ordered=True, timeout=5, max_retries=1):
            print(describe(result))
        exam: ExamResult = client.analyze_exam(path)
        drawn = client.weigh(path, path.read_bytes(), 0.1, timeout=5.0)
        print(drawn.outline_source, None if drawn.device is None else drawn.device.model)
        change: ExamComparison = client.compare(path, [path, b""])
        print(client.ready(timeout=5.0), client.server_info()["model"], client.url)
    print(exam.breasts["L"].by_view["CC"].vessel_count, exam.mass_category, exam.csbi_grade)
    print(change.calcium_mass_mg.verdict, change.breasts["R"].area_mm2.difference, change.notices)
    print(bacctl.compare_exams(exam, exam).to_dict(), bacctl.__version__)
    print(to_frame(exam.images), to_frame([exam], library="polars"), exam.to_frame(library="pandas"))
    print(
        ImageResult.from_dict(exam.images[0].to_dict()), ExamResult.from_dict(exam.to_dict(), exam.software)
    )
    print(ExamComparison.from_dict(change.to_dict()))
    with Client.embedded(log=path, timeout=5.0, max_retries=1, cache=path) as own:
        own.close()


async def coming(paths: list[Path]) -> AsyncIterator[Path]:
    for path in paths:
        await asyncio.sleep(0)
        yield path


async def in_a_loop(path: Path) -> None:
    async with AsyncClient("localhost", tls=True, token="t", allow_plain_token=True) as client:
        print(describe(await client.analyze(path, 0.1, timeout=10.0, max_retries=0)))
        async for result in client.analyze_many(coming([path]), max_in_flight=4, ordered=True):
            print(describe(result))
        exam: ExamResult = await client.analyze_exam(path)
        print((await client.weigh(path, "corrected.png")).nipple_px)
        change: ExamComparison = await client.compare([path], [path], 0.1)
        print(await client.ready(), (await client.server_info())["triton"], client.url, exam, change)
    async with AsyncClient.embedded(cache=path) as own:
        await own.close()


def in_a_test() -> None:
    def measure(request: Request) -> dict[str, object]:
        if request.data == b"spot":
            raise refusal("BAC-VIEW-SPOT")
        return make_report(calcium_mass_mg=12.0)

    fake = FakeServer(measure)
    fake.fail_next("BAC-SERVER-UNAVAILABLE", times=2)
    with fake.client(max_retries=3) as client:
        print(describe(client.analyze(b"x")), fake.requests[0].options)
    asyncio.run(fake.async_client().close())
