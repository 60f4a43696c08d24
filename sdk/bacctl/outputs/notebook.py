"""How a result shows itself in a notebook: the picture with the outline, and what was measured.

Names, identifiers and paths are left out, since notebooks are passed on.
"""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

from bacctl._discreet import discreet
from bacctl.results import INTENDED_USE
from bacctl.wording import milligrams, number

if TYPE_CHECKING:
    from PIL.Image import Image

    from bacctl.results.image import ImageResult

_LONGEST_SIDE_PX = 640


def image_html(result: ImageResult) -> str:
    """Describe a result in HTML.

    Parameters
    ----------
    result : ImageResult
        Measured, refused or failed.

    Returns
    -------
    str
        A ``div`` with a table and, where there is a mask, a PNG of at most 640 pixels: the mammogram with the
        outline where its file is still at hand and the package can read it, the mask alone otherwise.
    """
    rows = _rows(result)
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return (
        f"<div>{_picture_html(result)}<table>{cells}</table><p><em>bacctl: {INTENDED_USE}, not for "
        "diagnosis</em></p></div>"
    )


def _rows(result: ImageResult) -> list[tuple[str, str]]:
    view = " ".join(part for part in (result.laterality, result.view) if part) or "-"
    rows = [("view", view), ("status", result.status)]
    if result.status != "ok":
        return [*rows, ("code", result.code or "-"), ("reason", result.reason or "-")]
    mass = milligrams(result.calcium_mass_mg, result.calcium_mass_interval_mg)
    rows += [
        ("BAC", "found" if result.bac_detected else "none found"),
        ("probability", number(result.bac_probability, 2)),
        ("calcium mass, mg", f"{mass} ({result.mass_basis})"),
        *_from_area(result),
        ("area, mm\u00b2", number(result.area_mm2)),
        ("length, mm", number(result.length_mm)),
    ]
    if result.warnings:
        rows.append(("warnings", ", ".join(notice.code for notice in result.warnings)))
    return rows


def _from_area(result: ImageResult) -> list[tuple[str, str]]:
    found = result.area_estimate
    if found is None:
        return []
    return [("estimate from the area, mg", milligrams(found.central_mg, found.interval_mg))]


def _picture_html(result: ImageResult) -> str:
    if result.mask is None:
        return ""
    picture = _overlay(result) or _silhouette(result)
    picture.thumbnail((_LONGEST_SIDE_PX, _LONGEST_SIDE_PX))
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    encoded = base64.b64encode(stream.getvalue()).decode()
    return f'<img alt="mammogram with the outline of what was found" src="data:image/png;base64,{encoded}">'


def _overlay(result: ImageResult) -> Image | None:
    if result.path is None:
        return None
    try:
        from PIL import Image

        from bac_imaging.read.reader import read_mammogram
        from bacctl.outputs.overlay import overlay_png

        # With the spacing of the result, which only an image that has none of its own needs.
        with discreet():
            image = read_mammogram(result.path.read_bytes(), result.pixel_spacing_mm)
        flatten = image.signal_kind == "log_exposure"
        return Image.open(io.BytesIO(overlay_png(image.signal, image.valid, result, flatten=flatten)))
    except Exception:  # the file is gone or has changed, a decoder is missing: there is still a result
        return None


def _silhouette(result: ImageResult) -> Image:
    import numpy as np
    from PIL import Image

    mask = np.zeros((1, 1), bool) if result.mask is None else result.mask
    return Image.fromarray(np.where(mask, np.uint8(255), np.uint8(32)))
