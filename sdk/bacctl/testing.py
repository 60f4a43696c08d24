"""A stand-in for a server, for tests of programs that use bacctl: no Triton, no GPU, no waiting.

It answers by a function of the bytes that it is sent, so that a test says what an image shows. What comes
back goes the way of real answers: through the same clients, results, errors and retries.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from bac_terms.errors import BacctlError, from_catalogue
from bac_terms.report import ImageReport
from bacctl._version import __version__
from bacctl.client.asynchronous import AsyncClient
from bacctl.client.blocking import Client
from bacctl.client.canary import OPTIONS, SHAPE, canary_image
from bacctl.client.core import Core
from bacctl.client.retry import DEFAULT_RETRY_FOR_S
from bacctl.client.transports.transport import DEFAULT_TIMEOUT_S, Answer
from bacctl.results import SCHEMA

__all__ = ["FakeServer", "Measure", "Request", "make_report", "refusal"]

_WEIGHTS = "0" * 64


@dataclass(frozen=True)
class Request:
    """What the fake was sent for one image.

    Attributes
    ----------
    data : bytes
        The file.
    options : mapping or None
        What was sent with it, such as ``{"pixel_spacing_mm": [0.1, 0.1], "min_probability": 0.5}``.
    timeout : float
        Seconds that the call had left.
    """

    data: bytes
    options: Mapping[str, Any] | None
    timeout: float


Measure = Callable[[Request], Mapping[str, Any]]


def make_report(**values: Any) -> dict[str, Any]:
    """Write what a server says of one image: a left CC view of 4 x 3 pixels with no calcified artery.

    Parameters
    ----------
    **values
        What is different, by the names of `bacctl.ImageResult`: ``calcium_mass_mg=12.0``, ``laterality="R"``.

    Returns
    -------
    dict
        The image object of ``schema/analysis-1.json``.
    """
    report = ImageReport(
        "ok",
        study_instance_uid="1.2.3",
        laterality="L",
        view="CC",
        rows=4,
        columns=3,
        bac_detected=False,
        bac_probability=0.01,
        calcium_mass_mg=0.0,
        calcium_mass_interval_mg=(0.0, 0.0),
        mass_basis="calibrated",
        area_mm2=0.0,
        length_mm=0.0,
        breast_area_mm2=0.12,
        area_percent_of_breast=0.0,
        length_mm_per_cm2_of_breast=0.0,
        pixel_spacing_mm=(0.1, 0.1),
        spacing_source="ImagerPixelSpacing",
        magnification=1.0,
        magnification_source="distances",
        timings_ms={"preprocess": 1.0, "segment": 1.0, "quantify": 1.0},
    ).to_dict()
    del report["min_probability"]  # the one that was asked for
    return {**report, **values}


class FakeServer:
    """Answers images, refuses them, or is away, as a test says.

    Parameters
    ----------
    measure : callable, optional
        From a `Request` to the report of the image, as `make_report` writes it; ``mask`` and ``density`` in
        it are the arrays. What it raises is what the caller gets: `refusal` makes a refusal. Default: every
        image shows no calcified artery.

    Attributes
    ----------
    requests : list of Request
        All images that came, in their order; the test image of ``server_info`` is not among them.

    Examples
    --------
    >>> from bacctl.testing import FakeServer, make_report
    >>> fake = FakeServer(lambda request: make_report(calcium_mass_mg=12.0, bac_detected=True))
    >>> with fake.client() as client:
    ...     client.analyze(b"any bytes").calcium_mass_mg
    12.0
    """

    url = "fake:8001"

    def __init__(self, measure: Measure | None = None) -> None:
        self.requests: list[Request] = []
        self._measure = measure or (lambda request: make_report())
        self._faults: deque[BacctlError] = deque()
        self._lock = threading.Lock()

    def client(self, *, cache: str | PathLike[str] | None = None, max_retries: int = 2) -> Client:
        """Return a client of this server. It tries again twice unless told otherwise."""
        return Client._over(_FakeTransport(self), self._core(max_retries, cache))

    def async_client(self, *, cache: str | PathLike[str] | None = None, max_retries: int = 2) -> AsyncClient:
        """Return a client of this server for an event loop."""
        return AsyncClient._over(_AsyncFakeTransport(self), self._core(max_retries, cache))

    @staticmethod
    def _core(max_retries: int, cache: str | PathLike[str] | None) -> Core:
        return Core(DEFAULT_TIMEOUT_S, DEFAULT_RETRY_FOR_S, max_retries, cache, judges_headers=False)

    def fail_next(self, code: str, times: int = 1) -> None:
        """Answer the next calls with a fault, those of ``ready`` and ``server_info`` among them.

        Parameters
        ----------
        code : str
            Such as ``"BAC-SERVER-UNAVAILABLE"``; ``docs/errors.md`` has them all.
        times : int, optional
            How many calls. Calls are tried again, so that one fault may never be seen.
        """
        with self._lock:
            self._faults.extend(from_catalogue(code) for _ in range(times))

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        is_test_image = request.data == canary_image() and request.options == OPTIONS
        with self._lock:
            if not is_test_image:
                self.requests.append(request)
            if self._faults:
                raise self._faults.popleft()
        if is_test_image:
            report = make_report(rows=SHAPE[0], columns=SHAPE[1], mass_basis="none", calcium_mass_mg=None)
        else:
            report = dict(self._measure(request))
        shape = (report["rows"], report["columns"])
        mask = report.pop("mask", None)
        density = report.pop("density", None)
        identity = {
            "schema": SCHEMA,
            "bacctl": __version__,
            "weights_sha256": _WEIGHTS,
            "map_sha256": None,
            "min_probability": (request.options or {}).get("min_probability", 0.0),
        }
        return Answer(
            {**identity, **report},
            np.zeros(shape, bool) if mask is None else np.asarray(mask, bool),
            None if density is None else np.asarray(density, np.float32),
        )


def refusal(code: str) -> BacctlError:
    """Return the error of a code, to be raised by a `Measure`.

    Parameters
    ----------
    code : str
        Such as ``"BAC-VIEW-SPOT"``; ``docs/errors.md`` has them all.
    """
    return from_catalogue(code)


class _FakeTransport:
    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self.url = server.url

    def infer(
        self, data: bytes, options: Mapping[str, Any] | None, timeout: float = DEFAULT_TIMEOUT_S
    ) -> Answer:
        return self._server.answer(Request(data, options, timeout))

    def metadata(self, timeout: float = DEFAULT_TIMEOUT_S) -> tuple[str, str]:
        return "fake", "0"

    def close(self) -> None:
        pass


class _AsyncFakeTransport:
    def __init__(self, server: FakeServer) -> None:
        self._inner = _FakeTransport(server)
        self.url = server.url

    async def infer(
        self, data: bytes, options: Mapping[str, Any] | None, timeout: float = DEFAULT_TIMEOUT_S
    ) -> Answer:
        return self._inner.infer(data, options, timeout)

    async def metadata(self, timeout: float = DEFAULT_TIMEOUT_S) -> tuple[str, str]:
        return self._inner.metadata(timeout)

    async def close(self) -> None:
        pass
