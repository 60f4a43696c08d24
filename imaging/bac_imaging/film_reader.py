"""PNG, TIFF and JPEG files: digitised films and research sets."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from bac_imaging.geometry import given_geometry
from bac_imaging.mammogram import Mammogram
from bac_imaging.spacing import Spacing


def read_film(data: bytes, given: Spacing | None) -> Mammogram:
    """Read a plain image (provisional)."""
    pixels = np.asarray(Image.open(io.BytesIO(data))).astype(np.float32)
    if pixels.ndim == 3:
        pixels = pixels[..., 0]
    geometry, notices = given_geometry(given, *pixels.shape)
    return Mammogram(
        signal=pixels / (255.0 if pixels.max() < 256 else 65535.0),
        valid=np.ones(pixels.shape, bool),
        signal_kind="display",
        exposure_scale_known=False,
        presentation_intent=None,
        geometry=geometry,
        beam=None,
        sop_instance_uid=None,
        study_instance_uid=None,
        laterality=None,
        view=None,
        warnings=notices,
    )
