"""One small inference through the whole ensemble, to see whether a server really answers.

Triton's health endpoints go on saying "ready" after a model's process has died, and they cannot see empty
answers.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from bac_terms.errors import BacctlError, RefusedError, from_catalogue
from bacctl._claim import TEST_IMAGE
from bacctl.client.transports.transport import DEFAULT_TIMEOUT_S

if TYPE_CHECKING:
    from bacctl.client.transports.transport import Answer, AsyncTransport, Transport

SHAPE = (480, 320)
OPTIONS = {"pixel_spacing_mm": [0.2, 0.2], TEST_IMAGE: True}


def canary_image() -> bytes:
    """Draw a picture that passes for a mammogram: a bright half disc at the left edge, on black.

    Returns
    -------
    bytes
        An 8-bit greyscale PNG of 480 rows and 320 columns, for a spacing of 0.2 mm.
    """
    from PIL import Image

    rows, columns = SHAPE
    row, column = np.ogrid[:rows, :columns]
    radius = np.hypot((row - rows / 2) / (0.45 * rows), column / (0.75 * columns))
    # Thinner towards the skin like a breast, with a little texture, so that no step sees a flat field.
    grey = 40.0 + 150.0 * np.sqrt(np.clip(1.0 - radius**2, 0.0, 1.0))
    grey = grey + 6.0 * np.sin(row / 9.0) * np.cos(column / 7.0)
    stream = io.BytesIO()
    Image.fromarray(np.where(radius < 1.0, grey, 4.0).astype(np.uint8)).save(stream, format="PNG")
    return stream.getvalue()


def probe(transport: Transport, timeout: float = DEFAULT_TIMEOUT_S) -> Answer:
    """Send the canary and hold the answer against what is known of it.

    Parameters
    ----------
    transport : Transport
        The way to the server.
    timeout : float, optional
        How long it may take, in seconds.

    Returns
    -------
    Answer
        A measured image; its report names the weights.

    Raises
    ------
    BacctlError
        The server does not answer, or not as it must.
    """
    try:
        return judged(transport.infer(canary_image(), OPTIONS, timeout))
    except RefusedError as refusal:
        raise misunderstood(refusal) from None


async def probe_async(transport: AsyncTransport, timeout: float = DEFAULT_TIMEOUT_S) -> Answer:
    """Do the same over a transport of an event loop."""
    try:
        return judged(await transport.infer(canary_image(), OPTIONS, timeout))
    except RefusedError as refusal:
        raise misunderstood(refusal) from None


def judged(answer: Answer) -> Answer:
    """Return an answer to the canary that is as it must be.

    Raises
    ------
    ServerFaultError
        It is not.
    """
    report = answer.report
    measured = report.get("status") == "ok" and report.get("mass_basis") == "none"
    if answer.mask.shape != SHAPE or not measured or "weights_sha256" not in report:
        raise from_catalogue("BAC-SERVER-FAULT", "the server measures the test image wrongly")
    return answer


def misunderstood(refusal: RefusedError) -> BacctlError:
    """Say of a server that refuses the canary what that means: not what was sent has reached its models."""
    return from_catalogue(
        "BAC-SERVER-FAULT",
        f"the server refuses the test image ({refusal.code}); its models may run under NumPy 2, which "
        "Triton 2.51 passes empty arrays",
    )
