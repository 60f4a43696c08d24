"""One small inference through the whole ensemble, to see whether a server really answers.

Triton's health endpoints go on saying "ready" after a model's process has died, and they cannot see empty
answers.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from bacctl.errors import RefusedError, from_catalogue

if TYPE_CHECKING:
    from bacctl._transport import Answer, Transport

SHAPE = (480, 320)
_SPACING_MM = (0.2, 0.2)


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


def probe(transport: Transport) -> Answer:
    """Send the canary and hold the answer against what is known of it.

    Parameters
    ----------
    transport : Transport
        The way to the server.

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
        answer = transport.infer(canary_image(), {"pixel_spacing_mm": list(_SPACING_MM)})
    except RefusedError as refusal:
        # What reached the models was not what was sent.
        raise from_catalogue(
            "BAC-SERVER-FAULT",
            f"the server refuses the test image ({refusal.code}); its models may run under NumPy 2, which "
            "Triton 2.51 passes empty arrays",
        ) from None
    report = answer.report
    if answer.mask.shape != SHAPE or report["status"] != "ok" or report["mass_basis"] != "none":
        raise from_catalogue("BAC-SERVER-FAULT", "the server measures the test image wrongly")
    return answer
