"""What a server tells Prometheus of its images, beside Triton's own metrics.

Triton counts a refused image twice as a failure of the ensemble, and as a success of the step that refused
it. Here each image counts once, by what became of it. No label tells an image, a woman or a caller, and each
has a known number of values: statuses, codes of the catalogue, steps, processes, weights.

Runs inside Triton's Python stub, as `bacctl.service.steps` does.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from bac_terms.errors import BacctlError, RefusedError
from bacctl._claim import TEST_IMAGE

if TYPE_CHECKING:
    from bac_terms.report import ImageReport

Tensors = Mapping[str, npt.NDArray[Any]]
Method = TypeVar("Method", bound=Callable[..., None])

MASS_BUCKETS_MG = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
"""The first holds the images without calcium."""
SECONDS_BUCKETS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)

_KINDS = {
    "bacctl_images_total": ("COUNTER", "Images by what became of them; test images are not among them"),
    "bacctl_test_images_total": ("COUNTER", "Test images by what became of them"),
    "bacctl_test_image_time_seconds": (
        "GAUGE",
        "Unix time of the last measured test image",
    ),
    "bacctl_warnings_total": ("COUNTER", "Warnings in results, by code"),
    "bacctl_step_seconds": ("HISTOGRAM", "Seconds of a measured image by step; segment holds its waits too"),
    "bacctl_calcium_mass_mg": ("HISTOGRAM", "Calcium masses of measured images, in milligrams"),
    "bacctl_weights_info": ("GAUGE", "1 for the weights and the version that measure"),
}


def _never_in_the_way(method: Method) -> Method:
    """Let a metric that cannot be written cost no image."""

    @wraps(method)
    def quiet(*args: Any, **kwargs: Any) -> None:
        with contextlib.suppress(Exception):
            method(*args, **kwargs)

    return quiet  # type: ignore[return-value]  # same signature


class Metrics:
    """The metrics of one process of one step.

    Parameters
    ----------
    pb_utils : module
        ``triton_python_backend_utils``.
    process : str
        Triton's name of the model instance. Labels every metric, so that no two processes write to one.
    """

    def __init__(self, pb_utils: Any, process: str) -> None:
        self._pb_utils = pb_utils
        self._process = process
        self._families: dict[str, Any] = {}
        # Held: a metric that is let go of is gone from what the server tells.
        self._metrics: dict[tuple[str, ...], Any] = {}

    @_never_in_the_way
    def weights(self, sha256: str, map_sha256: str | None, version: str) -> None:
        """Say what measures."""
        labels = {"sha256": sha256, "map_sha256": map_sha256 or "", "version": version}
        self._metric("bacctl_weights_info", labels).set(1)

    @_never_in_the_way
    def not_measured(self, inputs: Tensors, error: BacctlError) -> None:
        """Count an image that a step refused or failed on."""
        status = "refused" if isinstance(error, RefusedError) else "failed"
        self._count(inputs, status, error.code)

    @_never_in_the_way
    def measured(self, inputs: Tensors, report: ImageReport, timings_ms: Mapping[str, float]) -> None:
        """Count a measured image.

        Parameters
        ----------
        inputs : mapping of str to ndarray
            Of the last step.
        report : ImageReport
            Of the image.
        timings_ms : mapping of str to float
            By step.
        """
        self._count(inputs, "ok", "")
        if is_test_image(inputs):
            self._metric("bacctl_test_image_time_seconds", {}).set(time.time())
            return
        for step, milliseconds in timings_ms.items():
            self._observe("bacctl_step_seconds", {"step": step}, SECONDS_BUCKETS, milliseconds / 1000)
        if report.calcium_mass_mg is not None:
            self._observe("bacctl_calcium_mass_mg", {}, MASS_BUCKETS_MG, report.calcium_mass_mg)
        for code in {notice.code for notice in report.warnings}:
            self._metric("bacctl_warnings_total", {"code": code}).increment(1)

    def _count(self, inputs: Tensors, status: str, code: str) -> None:
        name = "bacctl_test_images_total" if is_test_image(inputs) else "bacctl_images_total"
        self._metric(name, {"status": status, "code": code}).increment(1)

    def _observe(self, name: str, labels: Mapping[str, str], buckets: Sequence[float], value: float) -> None:
        self._metric(name, labels, buckets=list(buckets)).observe(value)

    def _metric(self, name: str, labels: Mapping[str, str], **buckets: Sequence[float]) -> Any:
        key = (name, *labels.values())
        if key not in self._metrics:
            if name not in self._families:
                kind, description = _KINDS[name]
                made = self._pb_utils.MetricFamily
                self._families[name] = made(name=name, description=description, kind=getattr(made, kind))
            self._metrics[key] = self._families[name].Metric(
                labels={**labels, "process": self._process}, **buckets
            )
        return self._metrics[key]


def is_test_image(inputs: Tensors) -> bool:
    """Tell whether a request says that its image is the test image of who looks after the server.

    By the text that our clients write: options may hold a mask of megabytes.
    """
    options = inputs.get("OPTIONS", np.zeros(0, np.uint8))
    return f'"{TEST_IMAGE}": true'.encode() in options.tobytes()
