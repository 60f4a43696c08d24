"""The client for event loops: the same methods as `bacctl.Client`, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from bac_terms.errors import BacctlError, FailedError, from_catalogue
from bacctl.client._many import in_flight, in_tasks
from bacctl.client.core import (
    Call,
    Core,
    Spacing,
    exam_sources,
    failed,
    import_for_calls,
    one_exam,
    operating_point,
    several,
)
from bacctl.client.retry import DEFAULT_RETRY_FOR_S, Retry
from bacctl.client.transports.endpoints import Endpoints, parse_urls
from bacctl.client.transports.security import Tls, make_security
from bacctl.client.transports.transport import DEFAULT_TIMEOUT_S, Answer, AsyncTransport
from bacctl.client.transports.weights import checked
from bacctl.results import ExamComparison, ExamResult, ImageResult

if TYPE_CHECKING:
    from bacctl.client.given_mask import Outline
    from bacctl.client.payload import Source
    from bacctl.client.transports.embedded import AsyncEmbeddedTransport


class AsyncClient:
    """A client of a bacctl server for one event loop: the one of its first call.

    Parameters
    ----------
    url, tls, token, timeout, retry_for, max_retries, cache, density, allow_plain_token, weights : optional
        As for `bacctl.Client`; `url` must be given.

    Raises
    ------
    ServerUnavailableError
        It is not an address.
    ClientUsageError
        Certificates, token or numbers that cannot work. Every method raises it too where the client is
        closed, or is called in another event loop or process than before.

    Examples
    --------
    >>> async with AsyncClient("localhost:8001") as client:  # doctest: +SKIP
    ...     async for result in client.analyze_many(paths):
    ...         print(result.path, result.calcium_mass_mg)
    """

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        tls: bool | Tls | None = None,
        token: str | PathLike[str] | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
        retry_for: float = DEFAULT_RETRY_FOR_S,
        max_retries: int | None = None,
        cache: str | PathLike[str] | None = None,
        density: bool = True,
        allow_plain_token: bool = False,
        weights: str | None = None,
    ) -> None:
        from bacctl.client.transports.asynchronous import AsyncGrpcTransport

        addresses, scheme = parse_urls(url)
        security = make_security(addresses, scheme, tls, token, allow_plain_token)
        self._core = Core(
            timeout, retry_for, max_retries, cache, with_density=density, servers=len(addresses)
        )
        self._transport: AsyncTransport = AsyncGrpcTransport(
            Endpoints(addresses), security, with_density=density, weights=checked(weights)
        )
        self._asking = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._own: AsyncEmbeddedTransport | None = None

    @classmethod
    def embedded(
        cls,
        *,
        repository: Path | None = None,
        log: Path | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
        retry_for: float = DEFAULT_RETRY_FOR_S,
        max_retries: int | None = None,
        cache: str | PathLike[str] | None = None,
        density: bool = True,
    ) -> AsyncClient:
        """Return a client of a server of its own, which ``async with`` or the first call starts.

        Parameters
        ----------
        repository, log, timeout, retry_for, max_retries, cache, density : optional
            As for `bacctl.Client.embedded`.

        Returns
        -------
        AsyncClient
            Entering it raises what `bacctl.Client.embedded` does.
        """
        from bacctl.client.transports.embedded import AsyncEmbeddedTransport
        from bacctl.server.embedded import EmbeddedServer

        server = EmbeddedServer(repository, log=log, private=True)
        transport = AsyncEmbeddedTransport(server, with_density=density)
        client = cls._over(transport, Core(timeout, retry_for, max_retries, cache, with_density=density))
        client._own = transport
        return client

    @classmethod
    def _over(cls, transport: AsyncTransport, core: Core) -> AsyncClient:
        """Make a client of any transport."""
        client = cls.__new__(cls)
        client._core, client._transport, client._asking = core, transport, asyncio.Lock()
        client._loop, client._own = None, None
        return client

    async def __aenter__(self) -> AsyncClient:
        if self._own is not None:
            try:
                # Once: what keeps it from starting is not over in a second.
                await asyncio.gather(self._own.start(), asyncio.to_thread(import_for_calls))
                await self.server_info()
            except BaseException:
                await self.close()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections, and stop the server if it is this client's own. May be called twice."""
        self._core.close()
        if not self._core.foreign:  # what a fork copied belongs to the parent process
            await self._transport.close()

    @property
    def url(self) -> str:
        """``host:port`` of the server, of several with commas between."""
        return self._transport.url

    async def analyze(
        self,
        source: Source,
        pixel_spacing_mm: Spacing | None = None,
        *,
        min_probability: float | None = None,
        timeout: float | None = None,
        retry_for: float | None = None,
        max_retries: int | None = None,
    ) -> ImageResult:
        """Measure one image. Parameters, result and errors are those of `bacctl.Client.analyze`."""
        return await self._measure(
            source, pixel_spacing_mm, min_probability, None, timeout, retry_for, max_retries
        )

    async def weigh(
        self,
        source: Source,
        mask: Outline,
        pixel_spacing_mm: Spacing | None = None,
        *,
        timeout: float | None = None,
        retry_for: float | None = None,
        max_retries: int | None = None,
    ) -> ImageResult:
        """Weigh what a reader marked on an image, as `bacctl.Client.weigh`."""
        return await self._measure(source, pixel_spacing_mm, None, mask, timeout, retry_for, max_retries)

    async def _measure(
        self,
        source: Source,
        pixel_spacing_mm: Spacing | None,
        min_probability: float | None,
        outline: Outline | None,
        timeout: float | None,
        retry_for: float | None,
        max_retries: int | None,
    ) -> ImageResult:
        retry = self._retry(timeout, retry_for, max_retries)
        if self._core.cache is not None:
            await self.server_info(timeout=timeout, retry_for=retry_for, max_retries=max_retries)
        # Disks are slow, and headers take their time: neither is for the thread of the loop.
        call = await asyncio.to_thread(Call, source, pixel_spacing_mm, min_probability, outline)
        try:
            known = await asyncio.to_thread(self._core.remembered, call)
            if known is not None:
                return known
            size = await asyncio.to_thread(self._core.admit, call)
            answer = await retry.run_async(lambda left: self._send(call, size, left, is_last=retry.is_last))
            warning = self._core.measured_by.notice(answer.report)
            result = await asyncio.to_thread(call.result, answer, again=retry.mixed_up, warning=warning)
        except BacctlError as error:
            raise call.identified(error) from None
        await asyncio.to_thread(self._core.remember, call, answer)
        return result

    async def _send(self, call: Call, size: int, left_s: float, *, is_last: bool) -> Answer:
        async with self._core.room.taken_async(size, left_s) as rest_s:
            with self._core.patience.call(rest_s, is_last=is_last) as now_s:
                return await self._transport.infer(call.data, call.options, now_s)

    async def analyze_many(
        self,
        sources: Iterable[Source] | AsyncIterable[Source],
        pixel_spacing_mm: Spacing | None = None,
        max_in_flight: int = 2,
        *,
        min_probability: float | None = None,
        ordered: bool = False,
        timeout: float | None = None,
        retry_for: float | None = None,
        max_retries: int | None = None,
    ) -> AsyncGenerator[ImageResult, None]:
        """Measure any number of images; a bad one never stops the rest.

        As `bacctl.Client.analyze_many`, to be gone through with ``async for``. The sources may be an
        asynchronous iterable too. Leaving the loop early cancels what is under way.
        """
        operating_point(min_probability)

        async def measure(source: Source) -> ImageResult:
            try:
                return await self.analyze(
                    source,
                    pixel_spacing_mm,
                    min_probability=min_probability,
                    timeout=timeout,
                    retry_for=retry_for,
                    max_retries=max_retries,
                )
            except Exception as error:
                return failed(error, source)

        self._retry(timeout, retry_for, max_retries)
        results = in_tasks(measure, several(sources), in_flight(max_in_flight), ordered)
        try:
            async for result in results:
                yield result
        finally:
            await results.aclose()

    async def analyze_exam(
        self,
        sources: str | PathLike[str] | Iterable[Source],
        pixel_spacing_mm: Spacing | None = None,
        *,
        min_probability: float | None = None,
        timeout: float | None = None,
        retry_for: float | None = None,
        max_retries: int | None = None,
    ) -> ExamResult:
        """Measure the images of one woman's exam and put them together, as `bacctl.Client.analyze_exam`."""
        self._retry(timeout, retry_for, max_retries)
        images, unreadable = await asyncio.to_thread(exam_sources, sources)
        measured = self.analyze_many(
            images,
            pixel_spacing_mm,
            min_probability=min_probability,
            ordered=True,
            timeout=timeout,
            retry_for=retry_for,
            max_retries=max_retries,
        )
        return one_exam([*[result async for result in measured], *unreadable])

    async def compare(
        self,
        prior: str | PathLike[str] | Iterable[Source],
        current: str | PathLike[str] | Iterable[Source],
        pixel_spacing_mm: Spacing | None = None,
        *,
        min_probability: float | None = None,
        timeout: float | None = None,
        retry_for: float | None = None,
        max_retries: int | None = None,
    ) -> ExamComparison:
        """Measure two exams of one woman and compare them, as `bacctl.Client.compare`."""
        from bacctl.exam.comparison import compare_exams

        earlier, later = [
            await self.analyze_exam(
                exam,
                pixel_spacing_mm,
                min_probability=min_probability,
                timeout=timeout,
                retry_for=retry_for,
                max_retries=max_retries,
            )
            for exam in (prior, current)
        ]
        return compare_exams(earlier, later)

    async def ready(self, *, timeout: float | None = None) -> bool:
        """Tell whether images can be measured now, as `bacctl.Client.ready`."""
        from bacctl.client.canary import probe_async

        retry = self._retry(timeout, 0.0, None)
        try:
            await retry.run_async(lambda left: probe_async(self._transport, left))
        except FailedError:
            return False
        return True

    async def server_info(
        self,
        *,
        timeout: float | None = None,
        retry_for: float | None = None,
        max_retries: int | None = None,
    ) -> dict[str, Any]:
        """Say what answers at the other end, as `bacctl.Client.server_info`."""
        retry = self._retry(timeout, retry_for, max_retries)
        from bacctl.client.canary import probe_async

        async with self._asking:
            known = self._core.known_info()
            if known is not None:
                return known
            metadata = await retry.run_async(self._transport.metadata)
            canary = await retry.run_async(lambda left: probe_async(self._transport, left))
            return self._core.keep_info(metadata, canary)

    def _retry(self, timeout: float | None, retry_for: float | None, max_retries: int | None) -> Retry:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise from_catalogue("BAC-CLIENT-LOOP")
        return self._core.retry(timeout, retry_for, max_retries)
