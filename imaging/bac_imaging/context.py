"""What the second half of the pipeline must know of the first: a small JSON-able mapping."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_imaging.mask_bits import pack_mask, unpack_mask
from bac_imaging.read.mammogram import Mammogram
from bac_terms.beam import Beam

BoolArray = npt.NDArray[np.bool_]


def make_context(mammogram: Mammogram, breast: BoolArray, origins: npt.NDArray[np.int32]) -> dict[str, Any]:
    """Collect what `bac_imaging.pipeline.quantify` needs.

    Parameters
    ----------
    mammogram : Mammogram
        The image as read.
    breast : ndarray of bool, shape (h, w)
        Breast mask on the working grid.
    origins : ndarray of int32, shape (n, 2)
        First row and column of each tile.

    Returns
    -------
    dict
        JSON-able; spacing in mm at the detector, (between rows, between columns).
    """
    geometry = mammogram.geometry
    rows, columns = mammogram.signal.shape
    return {
        "rows": rows,
        "columns": columns,
        "grid": list(breast.shape),
        "origins": origins.tolist(),
        "breast": pack(breast),
        "pixel_spacing_mm": list(geometry.pixel_spacing_mm),
        "spacing_source": geometry.spacing_source,
        "magnification": geometry.magnification,
        "magnification_source": geometry.magnification_source,
        "beam": None if mammogram.beam is None else asdict(mammogram.beam),
        "signal_kind": mammogram.signal_kind,
        "exposure_scale_known": mammogram.exposure_scale_known,
        "mass_in_doubt": mammogram.mass_in_doubt,
        "size_known": mammogram.size_known,
        "presentation_intent": mammogram.presentation_intent,
        "sop_instance_uid": mammogram.sop_instance_uid,
        "study_instance_uid": mammogram.study_instance_uid,
        "laterality": mammogram.laterality,
        "view": mammogram.view,
        "warnings": [{"code": notice.code, "text": notice.text} for notice in mammogram.warnings],
    }


def read_beam(context: Mapping[str, Any]) -> Beam | None:
    """Give the beam back that `make_context` stored."""
    return None if context["beam"] is None else Beam(**context["beam"])


def pack(mask: BoolArray) -> str:
    """Write a mask as text: packed bits, zlib, base64. A breast takes a few kilobytes."""
    return base64.b64encode(zlib.compress(pack_mask(mask).tobytes(), 6)).decode("ascii")


def unpack(text: str, shape: tuple[int, int]) -> BoolArray:
    """Read a mask that `pack` wrote.

    Parameters
    ----------
    text : str
        Packed mask.
    shape : tuple of int
        Its shape (h, w).

    Returns
    -------
    ndarray of bool, shape `shape`
        The mask.
    """
    return unpack_mask(zlib.decompress(base64.b64decode(text)), shape)
