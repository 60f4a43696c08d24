"""The client: mammograms in, results out."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from bac_terms.errors import BacctlError, FailedError, ServerUnavailableError
from bacctl.client._many import in_flight, in_threads
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
from bacctl.client.retry import DEFAULT_RETRY_FOR_S
from bacctl.client.transports.endpoints import Endpoints, parse_urls
from bacctl.client.transports.security import Tls, make_security
from bacctl.client.transports.transport import DEFAULT_TIMEOUT_S, Answer, Transport
from bacctl.client.transports.weights import checked
from bacctl.results import ExamComparison, ExamResult, ImageResult

if TYPE_CHECKING:
    from bacctl.client.given_mask import Outline
    from bacctl.client.payload import Source
    from bacctl.server.embedded import EmbeddedServer


class Client:
    """A client of a bacctl server. May be used from several threads.

    Parameters
    ----------
    url : str or sequence of str
        ``host:port`` of the server's gRPC endpoint, or several, in a list or with commas between, which are
        called in turn; one that does not answer is left out for a while, and so is one of several addresses
        of a name. Nothing is sent before the first call.
    tls : bool or Tls, optional
        Speak TLS: True with public authorities, `Tls` with files of one's own. An address that begins with
        ``grpcs://`` asks for it too.
    token : str or path, optional
        Sent with every call as ``authorization: Bearer``; over TLS, or to this machine itself. A path is a
        file that holds it, read anew for each call.
    timeout : float, optional
        How long one image may take, in seconds, retries included. Be generous: it includes the wait for
        images sent before.
    retry_for : float, optional
        For how many seconds after its first failure a call is tried again when the server is away, is being
        started again, has no room or gave the answer of another image; 0 for never. Refusals never are.
    max_retries : int, optional
        How often at most. Default: as often as `retry_for` and `timeout` allow.
    cache : path, optional
        File that results are kept in, so that no image is measured twice by the same weights. It holds
        results of patients: keep it where their images are.
    density : bool, optional
        False leaves the density out of results: it is larger than the image, and takes a server about as long
        to make and send as all else that follows the network.
    allow_plain_token : bool, optional
        Send the token without TLS, to other machines too.
    weights : str, optional
        SHA-256 of the weights that all results are to be of, or eight or more of its first digits. An answer
        by others is thrown away, and the image sent again, to another server where there are several.
        Default: any; a result that is by others than the one before it has a warning.

    Raises
    ------
    ServerUnavailableError
        It is not an address.
    ClientUsageError
        Certificates, token or numbers that cannot work.

    Examples
    --------
    >>> with Client("localhost:8001") as client:  # doctest: +SKIP
    ...     client.analyze("mammogram.dcm").calcium_mass_mg
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
        from bacctl.client.transports.blocking import GrpcTransport

        addresses, scheme = parse_urls(url)
        security = make_security(addresses, scheme, tls, token, allow_plain_token)
        self._core = Core(
            timeout, retry_for, max_retries, cache, with_density=density, servers=len(addresses)
        )
        self._transport: Transport = GrpcTransport(
            Endpoints(addresses), security, with_density=density, weights=checked(weights)
        )
        self._asking = threading.Lock()
        self._server: EmbeddedServer | None = None

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
    ) -> Client:
        """Start a server on this machine and return its client; the server ends with it.

        A server that dies is started again by the next attempt, which takes its own time.

        Parameters
        ----------
        repository : Path, optional
            Model repository. Default: the one that belongs to this package.
        log : Path, optional
            File that the server's log is added to.
        timeout, retry_for, max_retries, cache, density : optional
            As for the client itself.

        Returns
        -------
        Client
            Its server has measured a test image.

        Raises
        ------
        ServerUnavailableError
            The server cannot run here or did not start.
        ServerFaultError
            It started and does not answer as it must.
        """
        from bacctl.server.embedded import EmbeddedServer

        core = Core(timeout, retry_for, max_retries, cache, with_density=density)
        server = EmbeddedServer(repository, log=log, private=True)
        try:
            with contextlib.suppress(ServerUnavailableError):  # start() says why
                server.launch()
                import_for_calls()  # while the server loads its models
            from bacctl.client.transports.embedded import EmbeddedTransport

            client = cls._over(EmbeddedTransport(server, with_density=density), core)
            client._server = server
        except BaseException:
            core.close()
            server.stop()
            raise
        try:
            server.start()
            client.server_info()
        except BaseException:
            client.close()
            raise
        return client

    @classmethod
    def _over(cls, transport: Transport, core: Core) -> Client:
        """Make a client of any transport."""
        client = cls.__new__(cls)
        client._core, client._transport = core, transport
        client._asking, client._server = threading.Lock(), None
        return client

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, and stop the server if it is this client's own. May be called twice."""
        self._core.close()
        if not self._core.foreign:  # what a fork copied belongs to the parent process
            self._transport.close()

    @property
    def url(self) -> str:
        """``host:port`` of the server, of several with commas between."""
        return self._transport.url

    def analyze(
        self,
        source: Source,
        pixel_spacing_mm: Spacing | None = None,
        *,
        min_probability: float | None = None,
        timeout: float | None = None,
        retry_for: float | None = None,
        max_retries: int | None = None,
    ) -> ImageResult:
        """Measure one image.

        Parameters
        ----------
        source : path, bytes, binary file or pydicom.Dataset
            A DICOM, PNG, TIFF or JPEG file, its bytes, or a dataset with its pixels.
        pixel_spacing_mm : float or tuple of float, optional
            (between rows, between columns), or one number for both, at the detector or on the film, for
            images that do not tell it.
        min_probability : float, optional
            The operating point, from 0 to 1: finds of a lower probability are not reported, and are in no
            mask, area, length or mass. Default: 0, every find.
        timeout, retry_for, max_retries : optional
            For this call instead of the client's.

        Returns
        -------
        ImageResult
            With status "ok" and mask; and density, where there is a mass and the client does not leave it
            out.

        Raises
        ------
        RefusedError
            The image can never be measured as it is.
        FailedError
            It could not be measured now; its subclasses tell faults of the server apart.
        """
        return self._measure(source, pixel_spacing_mm, min_probability, None, timeout, retry_for, max_retries)

    def weigh(
        self,
        source: Source,
        mask: Outline,
        pixel_spacing_mm: Spacing | None = None,
        *,
        timeout: float | None = None,
        retry_for: float | None = None,
        max_retries: int | None = None,
    ) -> ImageResult:
        """Weigh what a reader marked on an image, in place of what the network finds.

        Parameters
        ----------
        source : path, bytes, binary file or pydicom.Dataset
            The image.
        mask : path, bytes or ndarray of bool, shape (rows, columns)
            A DICOM SEG of this image, of which all segments are taken together; a PNG of one channel that is
            0 outside; or the mask itself. On the stored matrix.
        pixel_spacing_mm : float or tuple of float, optional
            As for `analyze`.
        timeout, retry_for, max_retries : optional
            For this call instead of the client's.

        Returns
        -------
        ImageResult
            Its ``outline_source`` is "given". What lies outside the breast is cut off, with
            ``BAC-W-MASK-CUT``.

        Raises
        ------
        RefusedError
            As for `analyze`, and BAC-MASK-*: the mask cannot be read, is of another image or of another size,
            is empty, or lies off the breast.
        FailedError
            As for `analyze`.
        """
        return self._measure(source, pixel_spacing_mm, None, mask, timeout, retry_for, max_retries)

    def _measure(
        self,
        source: Source,
        pixel_spacing_mm: Spacing | None,
        min_probability: float | None,
        outline: Outline | None,
        timeout: float | None,
        retry_for: float | None,
        max_retries: int | None,
    ) -> ImageResult:
        retry = self._core.retry(timeout, retry_for, max_retries)
        if self._core.cache is not None:
            self.server_info(timeout=timeout, retry_for=retry_for, max_retries=max_retries)
        call = Call(source, pixel_spacing_mm, min_probability, outline)
        try:
            known = self._core.remembered(call)
            if known is not None:
                return known
            size = self._core.admit(call)
            answer = retry.run(lambda left: self._send(call, size, left, is_last=retry.is_last))
            warning = self._core.measured_by.notice(answer.report)
            result = call.result(answer, again=retry.mixed_up, warning=warning)
        except BacctlError as error:
            raise call.identified(error) from None
        self._core.remember(call, answer)
        return result

    def _send(self, call: Call, size: int, left_s: float, *, is_last: bool) -> Answer:
        core = self._core
        with core.room.taken(size, left_s) as rest_s, core.patience.call(rest_s, is_last=is_last) as now_s:
            return self._transport.infer(call.data, call.options, now_s)

    def analyze_many(
        self,
        sources: Iterable[Source],
        pixel_spacing_mm: Spacing | None = None,
        max_in_flight: int = 2,
        *,
        min_probability: float | None = None,
        ordered: bool = False,
        timeout: float | None = None,
        retry_for: float | None = None,
        max_retries: int | None = None,
    ) -> Iterator[ImageResult]:
        """Measure any number of images; a bad one never stops the rest.

        Parameters
        ----------
        sources : iterable
            As for `analyze`. Taken only as fast as results are; one that is slow to come keeps results that
            are there waiting, unlike with `AsyncClient`.
        pixel_spacing_mm : float or tuple of float, optional
            For all of them.
        max_in_flight : int, optional
            How many images are with the server at a time. Two keep its steps busy on a CPU.
        min_probability : float, optional
            The operating point of all images, as for `analyze`.
        ordered : bool, optional
            Give results in the order of the sources; otherwise as they come, and ``path`` tells which it is.
        timeout, retry_for, max_retries : optional
            For each image instead of the client's.

        Yields
        ------
        ImageResult
            Refusals and failures are results with status, code and reason.

        Raises
        ------
        ClientUsageError
            The client is closed or of another process; or one image was given.
        RefusedError
            BAC-OPTIONS-INVALID: the operating point is no probability.
        """
        operating_point(min_probability)

        def measure(source: Source) -> ImageResult:
            try:
                return self.analyze(
                    source,
                    pixel_spacing_mm,
                    min_probability=min_probability,
                    timeout=timeout,
                    retry_for=retry_for,
                    max_retries=max_retries,
                )
            except Exception as error:
                return failed(error, source)

        self._core.retry(timeout, retry_for, max_retries)
        return in_threads(measure, several(sources), in_flight(max_in_flight), ordered)

    def analyze_exam(
        self,
        sources: str | PathLike[str] | Iterable[Source],
        pixel_spacing_mm: Spacing | None = None,
        *,
        min_probability: float | None = None,
        timeout: float | None = None,
        retry_for: float | None = None,
        max_retries: int | None = None,
    ) -> ExamResult:
        """Measure the images of one woman's exam and put them together.

        Parameters
        ----------
        sources : path or iterable
            A folder, of which files that are no image are left out, or the images themselves.
        pixel_spacing_mm : float or tuple of float, optional
            For all images.
        min_probability : float, optional
            The operating point of all images, as for `analyze`.
        timeout, retry_for, max_retries : optional
            For each image instead of the client's.

        Returns
        -------
        ExamResult
            Refusals and failures stand in its ``images``; their views are missing from the sums.

        Raises
        ------
        RefusedError
            BAC-OPTIONS-INVALID: there are no images, or images of several studies.
        FailedError
            BAC-FILE-UNREADABLE: the folder cannot be read.
        """
        self._core.check()
        images, unreadable = exam_sources(sources)
        measured = self.analyze_many(
            images,
            pixel_spacing_mm,
            min_probability=min_probability,
            ordered=True,
            timeout=timeout,
            retry_for=retry_for,
            max_retries=max_retries,
        )
        return one_exam([*measured, *unreadable])

    def compare(
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
        """Measure two exams of one woman and compare them.

        Parameters
        ----------
        prior, current : path or iterable
            The earlier exam and the later one, as for `analyze_exam`.
        pixel_spacing_mm : float or tuple of float, optional
            For all images.
        min_probability : float, optional
            The operating point of all images, as for `analyze`.
        timeout, retry_for, max_retries : optional
            For each image instead of the client's.

        Returns
        -------
        ExamComparison
            As `bacctl.compare_exams` gives it, which also takes exams that were measured before.

        Raises
        ------
        RefusedError
            As for `analyze_exam` and `bacctl.compare_exams`.
        FailedError
            As for `analyze_exam`.
        """
        from bacctl.exam.comparison import compare_exams

        earlier, later = (
            self.analyze_exam(
                exam,
                pixel_spacing_mm,
                min_probability=min_probability,
                timeout=timeout,
                retry_for=retry_for,
                max_retries=max_retries,
            )
            for exam in (prior, current)
        )
        return compare_exams(earlier, later)

    def ready(self, *, timeout: float | None = None) -> bool:
        """Tell whether images can be measured now, by measuring a test image. Not tried again.

        Parameters
        ----------
        timeout : float, optional
            Seconds, instead of the client's.

        Returns
        -------
        bool
            False where the server is away, does not let this client in, or does not answer as it must.

        Raises
        ------
        ClientUsageError
            The client is closed or of another process.
        """
        from bacctl.client.canary import probe

        retry = self._core.retry(timeout, 0.0, None)
        try:
            retry.run(lambda left: probe(self._transport, left))
        except FailedError:
            return False
        return True

    def server_info(
        self,
        *,
        timeout: float | None = None,
        retry_for: float | None = None,
        max_retries: int | None = None,
    ) -> dict[str, Any]:
        """Say what answers at the other end. Found out once, with a test image, and then kept.

        Parameters
        ----------
        timeout, retry_for, max_retries : optional
            For this call instead of the client's.

        Returns
        -------
        dict
            ``"name"`` and ``"triton"``, the server's name and version; ``"model"``, the SHA-256 of the
            weights; ``"bacctl"``, the release that the server runs, None where it does not tell;
            ``"probability_map"``, the SHA-256 of what makes probabilities of scores, None without it.

        Raises
        ------
        BacctlError
            The server does not answer, or not as it must.
        """
        retry = self._core.retry(timeout, retry_for, max_retries)
        from bacctl.client.canary import probe

        with self._asking:  # many threads at once need not all measure the test image
            known = self._core.known_info()
            if known is not None:
                return known
            metadata = retry.run(self._transport.metadata)
            return self._core.keep_info(metadata, retry.run(lambda left: probe(self._transport, left)))
