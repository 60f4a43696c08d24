"""The client: mammograms in, results out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from bacctl._payload import identified, origin_of, path_of, read_source
from bacctl._transport import Transport
from bacctl.errors import BacctlError, FailedError, RefusedError, from_catalogue
from bacctl.results import ExamComparison, ExamResult, ImageResult

if TYPE_CHECKING:
    from bacctl._payload import Source
    from bacctl.embedded import EmbeddedServer

_TIMEOUT_S = 300.0

Spacing = float | tuple[float, float]


class Client:
    """A client of a bacctl server. May be used from several threads.

    Parameters
    ----------
    url : str
        ``host:port`` of the server's gRPC endpoint. Nothing is sent before the first call.
    timeout_s : float, optional
        How long one image may take, in seconds. Be generous: it includes the wait for images sent before.

    Raises
    ------
    ServerUnavailableError
        The address is none.

    Examples
    --------
    >>> with Client("localhost:8001") as client:  # doctest: +SKIP
    ...     client.analyze("mammogram.dcm").calcium_mass_mg
    """

    def __init__(self, url: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._transport = Transport(url, timeout_s)
        self._server: EmbeddedServer | None = None
        self._info: dict[str, Any] | None = None

    @classmethod
    def embedded(
        cls, *, repository: Path | None = None, log: Path | None = None, timeout_s: float = _TIMEOUT_S
    ) -> Client:
        """Start a server on this machine and return its client; the server ends with it.

        Parameters
        ----------
        repository : Path, optional
            Model repository. Default: the one that belongs to this package.
        log : Path, optional
            File that the server's log is added to.
        timeout_s : float, optional
            How long one image may take, in seconds.

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
        from bacctl.embedded import EmbeddedServer

        server = EmbeddedServer(repository, log=log).start()
        client = cls(server.url, timeout_s=timeout_s)
        client._server = server
        try:
            client.server_info()
        except BaseException:
            client.close()
            raise
        return client

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, and stop the server if it is this client's own."""
        self._transport.close()
        if self._server is not None:
            self._server.stop()

    @property
    def url(self) -> str:
        """``host:port`` of the server."""
        return self._transport.url

    def analyze(self, source: Source, pixel_spacing_mm: Spacing | None = None) -> ImageResult:
        """Measure one image.

        Parameters
        ----------
        source : path, bytes or pydicom.Dataset
            A DICOM, PNG, TIFF or JPEG file, its bytes, or a dataset with its pixels.
        pixel_spacing_mm : float or tuple of float, optional
            (between rows, between columns), or one number for both, at the detector or on the film, for
            images that do not tell it.

        Returns
        -------
        ImageResult
            With status "ok", mask and, where there is a mass, density.

        Raises
        ------
        RefusedError
            The image can never be measured as it is.
        FailedError
            It could not be measured now; its subclasses tell faults of the server apart.
        """
        data = read_source(source)
        options = None if pixel_spacing_mm is None else {"pixel_spacing_mm": _pair(pixel_spacing_mm)}
        try:
            answer = self._transport.infer(data, options)
        except BacctlError as error:
            raise identified(error, data) from None
        return ImageResult.from_report(
            answer.report,
            path=path_of(source),
            mask=answer.mask,
            density=answer.density,
            origin=origin_of(data),
        )

    def analyze_many(
        self,
        sources: Iterable[Source],
        pixel_spacing_mm: Spacing | None = None,
        max_in_flight: int = 2,
    ) -> Iterator[ImageResult]:
        """Measure images one after the other; a bad one never stops the rest.

        Parameters
        ----------
        sources : iterable
            As for `analyze`. Taken only as fast as results are.
        pixel_spacing_mm : float or tuple of float, optional
            For all of them.
        max_in_flight : int, optional
            How many images are with the server at a time. Two keep its steps busy on a CPU.

        Yields
        ------
        ImageResult
            In the order of the sources. Refusals and failures are results with status, code and reason.
        """

        def measure(source: Source) -> ImageResult:
            try:
                return self.analyze(source, pixel_spacing_mm)
            except BacctlError as error:
                return ImageResult.from_error(error, path=path_of(source))
            except Exception as error:
                fault = from_catalogue("BAC-INTERNAL", f"an error in bacctl itself ({type(error).__name__})")
                return ImageResult.from_error(fault, path=path_of(source))

        pool = ThreadPoolExecutor(max_in_flight, thread_name_prefix="bacctl")
        waiting: deque[Future[ImageResult]] = deque()
        try:
            for source in sources:
                waiting.append(pool.submit(measure, source))
                if len(waiting) >= max_in_flight:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            # Not waited for: after Ctrl-C the caller wants to leave, and close() ends what is under way.
            pool.shutdown(wait=False, cancel_futures=True)

    def analyze_exam(
        self,
        sources: str | PathLike[str] | Iterable[Source],
        pixel_spacing_mm: Spacing | None = None,
    ) -> ExamResult:
        """Measure the images of one woman's exam and put them together.

        Parameters
        ----------
        sources : path or iterable
            A folder, of which files that are no image are left out, or the images themselves.
        pixel_spacing_mm : float or tuple of float, optional
            For all images.

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
        from bacctl.exam import build_exam
        from bacctl.sources import find_sources

        images: Iterable[Source]
        unreadable: list[ImageResult] = []
        if isinstance(sources, (str, PathLike)):
            try:
                found = find_sources([Path(sources)])
            except OSError as error:
                raise from_catalogue(
                    "BAC-FILE-UNREADABLE", f"the folder could not be read: {error.strerror}"
                ) from None
            images = found.files
            for path, reason in found.faults:
                fault = FailedError("BAC-FILE-UNREADABLE", reason)
                unreadable.append(ImageResult.from_error(fault, path=path))
        else:
            images = sources
        results = [*self.analyze_many(images, pixel_spacing_mm), *unreadable]
        studies = {result.study_instance_uid for result in results} - {None}
        if not results or len(studies) > 1:
            raise RefusedError(
                "BAC-OPTIONS-INVALID",
                f"an exam is the images of one study, and these are {len(results)} images of "
                f"{len(studies)} studies; analyze_many and bacctl.exam.build_exams take any number",
            )
        return build_exam(results, next(iter(studies), None))

    def compare(
        self,
        prior: str | PathLike[str] | Iterable[Source],
        current: str | PathLike[str] | Iterable[Source],
        pixel_spacing_mm: Spacing | None = None,
    ) -> ExamComparison:
        """Measure two exams of one woman and compare them.

        Parameters
        ----------
        prior, current : path or iterable
            The earlier exam and the later one, as for `analyze_exam`.
        pixel_spacing_mm : float or tuple of float, optional
            For all images.

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
        from bacctl.comparison import compare_exams

        return compare_exams(
            self.analyze_exam(prior, pixel_spacing_mm), self.analyze_exam(current, pixel_spacing_mm)
        )

    def server_info(self) -> dict[str, Any]:
        """Say what answers at the other end. Found out once, with a test image, and then kept.

        Returns
        -------
        dict
            ``"name"`` and ``"triton"``, the server's name and version; ``"model"``, the SHA-256 of the
            weights.

        Raises
        ------
        BacctlError
            The server does not answer, or not as it must.
        """
        from bacctl.canary import probe

        if self._info is None:
            name, version = self._transport.metadata()
            weights = probe(self._transport).report["weights_sha256"]
            self._info = {"name": name, "triton": version, "model": weights}
        return dict(self._info)


def _pair(spacing: Spacing) -> list[float]:
    try:
        row, column = (spacing, spacing) if isinstance(spacing, (int, float)) else spacing
        return [float(row), float(column)]
    except (TypeError, ValueError):
        raise from_catalogue(
            "BAC-OPTIONS-INVALID", "pixel_spacing_mm is neither a number nor a pair of numbers"
        ) from None
