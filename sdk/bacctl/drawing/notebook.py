"""How a result shows itself in a notebook: the picture with the outline, and what was measured.

Names, identifiers and paths are left out, since notebooks are passed on.
"""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

from bacctl._discreet import discreet
from bacctl.wording import INTENDED_USE, milligrams, number

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    from bac_terms.report import ImageReport

    Mask = npt.NDArray[np.bool_]

_LONGEST_SIDE_PX = 640


def image_html(report: ImageReport, mask: Mask | None, path: Path | None) -> str:
    """Describe a result in HTML.

    Parameters
    ----------
    report : ImageReport
        Of an image that was measured, refused or failed.
    mask : ndarray of bool, shape (rows, columns), or None
        True where there is calcified artery.
    path : Path or None
        The file that was analysed.

    Returns
    -------
    str
        A ``div`` with a table and, where there is a mask, a PNG of at most 640 pixels: the mammogram with the
        outline where its file is still at hand and the package can read it, the mask alone otherwise.
    """
    rows = _rows(report)
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return (
        f"<div>{_picture_html(report, mask, path)}<table>{cells}</table>"
        f"<p><em>bacctl: {INTENDED_USE}, not for diagnosis</em></p></div>"
    )


def _rows(report: ImageReport) -> list[tuple[str, str]]:
    view = " ".join(part for part in (report.laterality, report.view) if part) or "-"
    rows = [("view", view), ("status", report.status)]
    if report.status != "ok":
        return [*rows, ("code", report.code or "-"), ("reason", report.reason or "-")]
    mass = milligrams(report.calcium_mass_mg, report.calcium_mass_interval_mg)
    rows += [
        ("BAC", "found" if report.bac_detected else "none found"),
        ("probability", number(report.bac_probability, 2)),
        ("calcium mass, mg", f"{mass} ({report.mass_basis})"),
        *_from_area(report),
        ("area, mm\u00b2", number(report.area_mm2)),
        ("length, mm", number(report.length_mm)),
    ]
    if report.warnings:
        rows.append(("warnings", ", ".join(notice.code for notice in report.warnings)))
    return rows


def _from_area(report: ImageReport) -> list[tuple[str, str]]:
    found = report.area_estimate
    if found is None:
        return []
    return [("estimate from the area, mg", milligrams(found.central_mg, found.interval_mg))]


def _picture_html(report: ImageReport, mask: Mask | None, path: Path | None) -> str:
    if mask is None:
        return ""
    picture = _overlay(report, mask, path) or _silhouette(mask)
    picture.thumbnail((_LONGEST_SIDE_PX, _LONGEST_SIDE_PX))
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    encoded = base64.b64encode(stream.getvalue()).decode()
    return f'<img alt="mammogram with the outline of what was found" src="data:image/png;base64,{encoded}">'


def _overlay(report: ImageReport, mask: Mask, path: Path | None) -> Image | None:
    if path is None:
        return None
    try:
        from PIL import Image

        from bac_imaging.read.reader import read_mammogram
        from bacctl.drawing.overlay import overlay_png

        # With the spacing of the result, which only an image that has none of its own needs.
        with discreet():
            image = read_mammogram(path.read_bytes(), report.pixel_spacing_mm)
        flatten = image.signal_kind == "log_exposure"
        return Image.open(io.BytesIO(overlay_png(image.signal, image.valid, mask, report, flatten=flatten)))
    except Exception:  # the file is gone or has changed, a decoder is missing: there is still a result
        return None


def _silhouette(mask: Mask) -> Image:
    import numpy as np
    from PIL import Image

    return Image.fromarray(np.where(mask, np.uint8(255), np.uint8(32)))
