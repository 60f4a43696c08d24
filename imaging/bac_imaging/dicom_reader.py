"""DICOM files: parsed, judged by their header, decoded, turned into a signal."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pydicom

from bac_imaging.beam import read_beam
from bac_imaging.errors import RefusedError
from bac_imaging.geometry import read_geometry
from bac_imaging.header import Header
from bac_imaging.mammogram import Mammogram
from bac_imaging.spacing import Spacing


def read_dicom(data: bytes, given: Spacing | None) -> Mammogram:
    """Read a DICOM file (provisional)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(io.BytesIO(data), force=True)
        except Exception:
            raise RefusedError("BAC-FILE-NOT-IMAGE") from None
        header = Header(dataset)
        rows, columns = int(dataset.Rows), int(dataset.Columns)
        beam = read_beam(header)
        geometry, notices = read_geometry(header, rows, columns, given, beam.thickness_mm)
        values = dataset.pixel_array.astype(np.float32)
    intent = header.text("PresentationIntentType")
    if intent == "FOR PROCESSING":
        signal = -np.log(np.maximum(values, 1))
    else:
        signal = values / max(1.0, float(values.max()))
    if intent != "FOR PROCESSING" and header.text("PhotometricInterpretation") == "MONOCHROME1":
        signal = 1 - signal
    side = header.text("ImageLaterality")
    return Mammogram(
        signal=signal,
        valid=np.ones(signal.shape, bool),
        signal_kind="log_exposure" if intent == "FOR PROCESSING" else "display",
        exposure_scale_known=intent == "FOR PROCESSING",
        presentation_intent="FOR PROCESSING" if intent == "FOR PROCESSING" else "FOR PRESENTATION",
        geometry=geometry,
        beam=beam,
        sop_instance_uid=header.uid("SOPInstanceUID"),
        study_instance_uid=header.uid("StudyInstanceUID"),
        laterality="L" if side == "L" else "R" if side == "R" else None,
        view=header.text("ViewPosition") or None,
        warnings=notices,
    )
