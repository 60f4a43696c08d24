"""What `Client` and `AsyncClient` do alike: everything between the caller and the wire but the waiting."""

from __future__ import annotations

import contextlib
import inspect
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bac_terms.errors import (
    BacctlError,
    ClientUsageError,
    FailedError,
    RefusedError,
    from_catalogue,
    internal,
)
from bacctl._discreet import discreet
from bacctl.client._room import MOST_BYTES, Room
from bacctl.client.patience import Patience
from bacctl.client.payload import identified, not_awaited, origin_of, path_of, position_of, read_source
from bacctl.client.retry import Retry
from bacctl.client.transports.weights import MeasuredBy
from bacctl.results import ExamResult, ImageResult, Notice

if TYPE_CHECKING:
    from bacctl.client._cache import ResultCache
    from bacctl.client.given_mask import Outline
    from bacctl.client.payload import Source
    from bacctl.client.transports.transport import Answer

Spacing = float | tuple[float, float]
Many = TypeVar("Many")
_POINT = "min_probability"


class Call:
    """One image on its way: what is sent, how often it is tried, and what becomes of the answer.

    Parameters
    ----------
    source : path, bytes, binary file or pydicom.Dataset
        The image.
    pixel_spacing_mm : float, tuple of float or None
        As for `bacctl.Client.analyze`.
    min_probability : float or None
        Likewise.
    outline : path, bytes, ndarray or None
        As for `bacctl.Client.weigh`.

    Raises
    ------
    BacctlError
        The source cannot be read or sent.
    """

    def __init__(
        self,
        source: Source,
        pixel_spacing_mm: Spacing | None,
        min_probability: float | None = None,
        outline: Outline | None = None,
    ) -> None:
        options: dict[str, Any] = {}
        if pixel_spacing_mm is not None:
            options["pixel_spacing_mm"] = _pair(pixel_spacing_mm)
        # 0 leaves out nothing, and is what servers of every release do.
        if point := operating_point(min_probability):
            options[_POINT] = point
        self._start = position_of(source)
        self.data = read_source(source)
        if outline is not None:
            from bacctl.client.given_mask import outline_option

            options["mask"] = outline_option(outline, self.data)
        self.options = options or None
        self._path = path_of(source)

    def check_header(self) -> None:
        """Refuse here what the server would refuse for its header alone, by the same rules.

        The pixels of such an image, which may be many, are sent nowhere.

        Raises
        ------
        RefusedError
            As the server would give it, gRPC status included.
        """
        from bac_imaging.read.reader import refuse_header

        spacing = (self.options or {}).get("pixel_spacing_mm")
        try:
            with discreet():
                refuse_header(self.data, spacing)
        except RefusedError as refusal:
            refusal.triton_status = "INVALID_ARGUMENT"
            raise
        except Exception:  # what cannot be judged here is judged where it is read
            return

    def work_bytes(self) -> int:
        """Estimate what the image takes of a server's memory while it is under way."""
        from bac_imaging.read.size import work_bytes

        with discreet():
            return work_bytes(self.data)

    def result(self, answer: Answer, *, again: bool = False, warning: Notice | None = None) -> ImageResult:
        """Turn the answer into the result.

        Parameters
        ----------
        answer : Answer
            Of this image.
        again : bool, optional
            Whether another image's was thrown away before.
        warning : Notice, optional
            What else is to be said of it.

        Raises
        ------
        IncompatibleServerError
            The report is none that this client understands.
        """
        try:
            result = ImageResult.from_report(
                answer.report,
                path=self._path,
                mask=answer.mask,
                density=answer.density,
                origin=origin_of(self.data),
            )
        except ValueError:
            raise from_catalogue(
                "BAC-SERVER-INCOMPATIBLE", "the server's report is not what this client understands"
            ) from None
        if ("mask" in (self.options or {})) is not (result.outline_source == "given"):
            raise from_catalogue(
                "BAC-SERVER-INCOMPATIBLE", "the server weighed another outline than was asked"
            )
        if result.min_probability != (self.options or {}).get(_POINT, 0.0):
            raise from_catalogue(
                "BAC-SERVER-INCOMPATIBLE",
                "the server did not measure at the operating point that was asked for",
            )
        told = [Notice.of("BAC-W-MEASURED-AGAIN")] if again else []
        told += [] if warning is None else [warning]
        return replace(result, warnings=(*result.warnings, *told)) if told else result

    def identified(self, error: BacctlError) -> BacctlError:
        """Add to an error which image it is about, and say where only half of a file was given."""
        if self._start and error.code == "BAC-FILE-NOT-IMAGE":
            return RefusedError(
                error.code,
                f"the file object stood at byte {self._start}, and what follows is no image",
                "call seek(0) on it first, or give its bytes",
                triton_status=error.triton_status,
            )
        return identified(error, self.data)


class Core:
    """The state of a client that is not its connection.

    Parameters
    ----------
    timeout : float
        How long one image may take, in seconds, retries included.
    retry_for : float
        For how many seconds after its first failure a call is tried again.
    max_retries : int or None
        How often at most.
    cache : path or None
        File that results are kept in.
    judges_headers : bool
        Whether what a header alone can refuse is refused here. A server made for tests answers anything.
    with_density : bool
        Whether results are to have the density.
    servers : int
        How many share the images.

    Raises
    ------
    ClientUsageError
        One of them cannot work.
    """

    def __init__(
        self,
        timeout: float,
        retry_for: float,
        max_retries: int | None,
        cache: str | os.PathLike[str] | None,
        *,
        judges_headers: bool = True,
        with_density: bool = True,
        servers: int = 1,
    ) -> None:
        Retry(timeout, retry_for, max_retries)  # refuses what cannot work, before the first call
        self.cache: ResultCache | None = None
        self.judges_headers = judges_headers
        self.room = Room(servers * MOST_BYTES)
        self.patience = Patience()
        self.measured_by = MeasuredBy()
        self._with_density = with_density
        self._info: dict[str, Any] | None = None
        self._timeout = timeout
        self._retry_for = retry_for
        self._max_retries = max_retries
        self._closed = False
        self._process = os.getpid()
        if cache is not None:
            from bacctl.client._cache import ResultCache

            self.cache = ResultCache(Path(cache))

    @property
    def foreign(self) -> bool:
        """Whether this is the copy that a fork made, whose connections belong to the parent process."""
        return os.getpid() != self._process

    def check(self) -> None:
        """Refuse at once what gRPC would answer late or never.

        Raises
        ------
        ClientUsageError
            The client is closed, or of another process.
        """
        if self.foreign:
            raise from_catalogue("BAC-CLIENT-FORKED")
        if self._closed:
            raise from_catalogue("BAC-CLIENT-CLOSED")

    def close(self) -> None:
        """Remember that the client is closed."""
        self._closed = True
        if self.cache is not None and not self.foreign:
            self.cache.close()

    def retry(self, timeout: float | None, retry_for: float | None, max_retries: int | None) -> Retry:
        """Return the attempts of one call; None stands for what the client was given."""
        self.check()
        return Retry(
            self._timeout if timeout is None else timeout,
            self._retry_for if retry_for is None else retry_for,
            self._max_retries if max_retries is None else max_retries,
        )

    def admit(self, call: Call) -> int:
        """Return what an image will take of a server's memory; raises as `Call.check_header` does."""
        if not self.judges_headers:
            return len(call.data)
        call.check_header()
        return call.work_bytes()

    def known_info(self) -> dict[str, Any] | None:
        """Return what the server told of itself, where it has been asked."""
        return None if self._info is None else dict(self._info)

    def keep_info(self, metadata: tuple[str, str], canary: Answer) -> dict[str, Any]:
        """Remember what the server told of itself."""
        name, version = metadata
        self.measured_by.notice(canary.report)
        self._info = {
            "name": name,
            "triton": version,
            "model": canary.report["weights_sha256"],
            "bacctl": canary.report.get("bacctl"),
            "probability_map": canary.report.get("map_sha256"),
        }
        return dict(self._info)

    def remembered(self, call: Call) -> ImageResult | None:
        """Return the result of an image that was measured before by what now answers."""
        if self.cache is None or self._info is None:
            return None
        measured_by = self._measured_by(self._info)
        answer = self.cache.get(call.data, call.options, *measured_by)
        if not self._with_density:
            if answer is None:
                answer = self.cache.get(call.data, _without_density(call.options), *measured_by)
            answer = None if answer is None else replace(answer, density=None)
        if answer is None:
            return None
        return call.result(answer, warning=self.measured_by.notice(answer.report))

    def remember(self, call: Call, answer: Answer) -> None:
        """Keep an answer under what it says of the server, which may have changed since it was asked."""
        report = answer.report
        if self.cache is None or report.get("weights_sha256") is None:
            return
        told = {
            "model": report["weights_sha256"],
            "bacctl": report.get("bacctl"),
            "probability_map": report.get("map_sha256"),
        }
        # An answer without density is no answer to who wants it.
        options = call.options if self._with_density else _without_density(call.options)
        self.cache.put(call.data, options, *self._measured_by(told), answer)
        if self._info is not None:
            self._info = {**self._info, **told}

    @staticmethod
    def _measured_by(info: Mapping[str, Any]) -> tuple[str, str | None, str | None]:
        return info["model"], info["bacctl"], info["probability_map"]


def import_for_calls() -> None:
    """Import what calls need when they are made, and their answers: for the time of waiting for a server."""
    for name in (
        "bac_imaging.read.reader",
        "bacctl._origin",
        "bacctl.client.canary",
        "bacctl.client.transports.blocking",
        "stamina",
        "tritonclient.grpc.service_pb2",
    ):
        with contextlib.suppress(ImportError):  # whatever needs it says so better
            import_module(name)


def _without_density(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the options that an answer without density is remembered by."""
    return {**(options or {}), "density": False}


def failed(error: Exception, source: Source) -> ImageResult:
    """Return the result of an image that was refused or failed.

    Raises
    ------
    ClientUsageError
        Handed on: no other image would fare better.
    """
    if isinstance(error, ClientUsageError):
        raise error
    fault = error if isinstance(error, (RefusedError, FailedError)) else internal(error)
    return ImageResult.from_error(fault, path=path_of(source))


def several(sources: Many) -> Many:
    """Return what is given for several images, unless it is one.

    Paths, bytes, files and datasets can all be gone through, letter by letter and line by line.

    Raises
    ------
    ClientUsageError
        It is one image.
    """
    if inspect.isawaitable(sources):
        raise not_awaited(sources)
    one = isinstance(sources, (str, os.PathLike, bytes, bytearray, memoryview))
    if one or hasattr(sources, "read") or hasattr(sources, "save_as"):
        raise ClientUsageError(
            "BAC-CLIENT-OPTIONS", "one image was given in place of several", "put it in a list"
        )
    return sources


def exam_sources(
    sources: str | os.PathLike[str] | Iterable[Source],
) -> tuple[Iterable[Source], list[ImageResult]]:
    """Find the images of an exam.

    Parameters
    ----------
    sources : path or iterable
        A folder, or the images themselves.

    Returns
    -------
    images : iterable
        What is to be analysed.
    unreadable : list of ImageResult
        What is in the folder and cannot be.

    Raises
    ------
    FailedError
        BAC-FILE-UNREADABLE: the folder cannot be read.
    RefusedError
        BAC-OPTIONS-INVALID: it holds no image.
    ClientUsageError
        It is one image.
    """
    if not isinstance(sources, (str, os.PathLike)):
        return several(sources), []
    from bacctl.sources import find_sources
    from bacctl.wording import packed_text

    try:
        found = find_sources([Path(sources)])
    except OSError as error:
        raise from_catalogue(
            "BAC-FILE-UNREADABLE", f"the folder could not be read: {error.strerror}"
        ) from error
    if not found.files and not found.faults:
        packed = f", but {packed_text(len(found.packed))}" if found.packed else ""
        raise RefusedError(
            "BAC-OPTIONS-INVALID",
            f"the folder holds 0 images{packed}",
            "unpack them first" if packed else "check the path",
        )
    return found.files, [
        ImageResult.from_error(FailedError("BAC-FILE-UNREADABLE", reason, ""), path=path)
        for path, reason in found.faults
    ]


def one_exam(results: Sequence[ImageResult]) -> ExamResult:
    """Put the images of one study together.

    Parameters
    ----------
    results : sequence of ImageResult
        All of them.

    Returns
    -------
    ExamResult

    Raises
    ------
    RefusedError
        BAC-OPTIONS-INVALID: there are no images, or images of several studies.
    """
    from bacctl.exam.build import build_exam, only_study
    from bacctl.exam.choice import study_of

    studies = {study_of(result) for result in results} - {None}
    if not results or len(studies) > 1:
        raise RefusedError(
            "BAC-OPTIONS-INVALID",
            f"an exam is the images of one study, and these are {len(results)} images of "
            f"{len(studies)} studies",
            "analyze_many and bacctl.exam.build.build_exams take any number",
        )
    return build_exam(results, only_study(results))


def operating_point(probability: float | None) -> float:
    """Check an operating point; None stands for 0, which leaves out nothing.

    Raises
    ------
    RefusedError
        BAC-OPTIONS-INVALID: it is no probability.
    """
    if probability is None:
        return 0.0
    # Of numpy's numbers only float64 is a float; NaN is in no range.
    try:
        point = math.nan if isinstance(probability, (str, bytes, bool)) else float(probability)
    except (TypeError, ValueError, OverflowError):
        point = math.nan
    if not 0.0 <= point <= 1.0:
        raise from_catalogue("BAC-OPTIONS-INVALID", "min_probability is not a number from 0 to 1")
    return point


def _pair(spacing: Spacing) -> list[float]:
    try:
        if isinstance(spacing, (str, bytes, bool)):  # "12" would pass for 1 mm by 2 mm, and True for 1 mm
            raise TypeError
        row, column = (spacing, spacing) if isinstance(spacing, (int, float)) else spacing
        return [float(row), float(column)]
    except (TypeError, ValueError):
        raise from_catalogue(
            "BAC-OPTIONS-INVALID", "pixel_spacing_mm is neither a number nor a pair of numbers"
        ) from None
