"""An exam of four small DICOM files whose headers name a person and hold what no page should run."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from bacctl.client.payload import origin_of
from bacctl.exam.build import build_exams
from bacctl.results import ExamResult, ImageResult
from bacctl.testing import make_report

SECRET = "SECRETPERSON"
SHAPE = (240, 180)
STUDY = "1.2.826.0.1.3680043.8.498.77"
HOSTILE = "<script>document.title='HACKED'</script>"


def _file(side: str, view: str, number: int, patient: str, study: str) -> bytes:
    down = {"CC": "R" if side == "L" else "L", "MLO": "FR" if side == "L" else "FL"}[view]
    across = np.arange(SHAPE[1])
    grey = np.tile(across if side == "R" else across[::-1], (SHAPE[0], 1)).astype(np.uint16) * 16
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{study}.{number}"
    ds.StudyInstanceUID = study
    ds.Modality, ds.PresentationIntentType = "MG", "FOR PRESENTATION"
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = SECRET, patient, "19600102"
    ds.Manufacturer = HOSTILE
    ds.ImageLaterality, ds.ViewPosition = side, view
    ds.PatientOrientation = ["A" if side == "L" else "P", down]
    ds.ImagerPixelSpacing = [0.1, 0.1]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = SHAPE
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = grey.tobytes()
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


Make = Callable[..., ExamResult]


@pytest.fixture
def make_exam(tmp_path: Path) -> Make:
    """Make an exam; `views` says which, `patient` whose, and the rest is what the server said of each."""

    def make(
        views: tuple[str, ...] = ("LCC", "LMLO", "RCC", "RMLO"),
        *,
        patient: str = SECRET,
        study: str = STUDY,
        refused: str | None = None,
        **values: Any,
    ) -> ExamResult:
        folder = tmp_path / study
        folder.mkdir(exist_ok=True)
        images = []
        for number, name in enumerate(views, start=1):
            side, view = name[0], name[1:]
            data = _file(side, view, number, patient, study)
            path = folder / f"{SECRET}-{name}.dcm"
            path.write_bytes(data)
            uids = {"sop_instance_uid": f"{study}.{number}", "study_instance_uid": study}
            mask = np.zeros(SHAPE, bool)
            mask[100:104, 40:90] = True
            if name == refused:
                reason = {"status": "refused", "code": "BAC-VIEW-SPOT", "reason": "a spot view; send another"}
                images.append(ImageResult(**reason, **uids, laterality=side, view=view, path=path))  # type: ignore[arg-type]
                continue
            report = make_report(
                **{
                    **uids,
                    "laterality": side,
                    "view": view,
                    "rows": SHAPE[0],
                    "columns": SHAPE[1],
                    "min_probability": 0.0,
                    "bac_detected": True,
                    "bac_probability": 0.9,
                    "calcium_mass_mg": 10.0,
                    "calcium_mass_interval_mg": [8.0, 12.5],
                    "area_mm2": 2.0,
                    "length_mm": 5.0,
                    "vessels": [
                        {
                            "length_mm": 5.0,
                            "area_mm2": 2.0,
                            "mean_width_mm": 0.4,
                            "calcium_mass_mg": 10.0,
                            "bbox_px": [100, 40, 104, 90],
                            "probability": 0.9,
                            "side": "outer" if view == "CC" else "upper",
                            "depth": "middle",
                            "nipple_distance_mm": 31.0,
                        }
                    ],
                    "device": {
                        "manufacturer": HOSTILE,
                        "model": '"><img src=x onerror=alert(1)>',
                        "software_versions": None,
                        "detector_id_hash": "0123456789abcdef",
                    },
                    "nipple_px": [120, 90],
                    **values,
                }
            )
            made = ImageResult.from_report(report, path=path, mask=mask, origin=origin_of(data))
            images.append(made)
        [exam] = build_exams(images)
        return exam

    return make
