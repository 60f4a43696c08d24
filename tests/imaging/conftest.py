"""DICOM files made for one test each."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from bac_phantom.config import DETECTORS

MG_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
MG_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
SECRET = "SECRET^PERSON"


def _ramp(rows: int = 140, columns: int = 120) -> npt.NDArray[np.uint16]:
    noise = np.random.default_rng(7).integers(0, 40, (rows, columns))
    return (noise + 10 + np.arange(columns) * 30).astype(np.uint16)


def _dataset(pixels: npt.NDArray[Any] | None = None, **attributes: Any) -> Dataset:
    """Make a FOR PRESENTATION left CC; attributes given as None are left out."""
    pixels = _ramp() if pixels is None else pixels
    bits = pixels.dtype.itemsize * 8
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = MG_PRESENTATION
    ds.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    ds.StudyInstanceUID = "1.2.826.0.1.3680043.8.498.2"
    ds.Modality = "MG"
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.PatientName = SECRET
    ds.PatientID = SECRET
    ds.PatientBirthDate = "19600102"
    ds.ImageLaterality = "L"
    ds.ViewPosition = "CC"
    ds.ImagerPixelSpacing = [0.1, 0.1]
    ds.DistanceSourceToDetector = 660
    ds.DistanceSourceToPatient = 640
    ds.BodyPartThickness = 50
    ds.KVP = 28
    ds.SamplesPerPixel = 1 if pixels.ndim == 2 else pixels.shape[2]
    ds.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.BitsAllocated = bits
    ds.BitsStored = min(bits, 12)
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OB" if bits == 8 else "OW"
    for keyword, value in attributes.items():
        if value is not None:
            setattr(ds, keyword, value)
        elif keyword in ds:
            delattr(ds, keyword)
    return ds


def _to_bytes(ds: Dataset, syntax: UID | None = None, *, preamble: bool = True) -> bytes:
    """Write a dataset uncompressed or, without a syntax, as it is."""
    if syntax is not None:
        ds.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    if preamble:
        ds.file_meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", MG_PRESENTATION)
        ds.file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "1.2.3")
        ds.save_as(buffer, enforce_file_format=True)
    else:
        meta, ds.file_meta = ds.file_meta, FileMetaDataset()
        syntax = meta.TransferSyntaxUID
        ds.save_as(buffer, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    return buffer.getvalue()


def _with_gdcm(ds: Dataset, name: str) -> bytes:
    """Compress with gdcm, the only encoder at hand for lossless JPEG."""
    gdcm = pytest.importorskip("gdcm")
    with tempfile.TemporaryDirectory() as folder:
        plain, packed = Path(folder, "plain.dcm"), Path(folder, "packed.dcm")
        plain.write_bytes(_to_bytes(ds))
        reader = gdcm.ImageReader()
        reader.SetFileName(str(plain))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, name)))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(packed))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return packed.read_bytes()


@pytest.fixture(scope="session")
def coarse() -> Iterator[str]:
    """A detector of pixels of 0.2 mm, on which a phantom woman costs a third."""
    fine = DETECTORS["csi-100"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            DETECTORS, "coarse", replace(fine, pitch_mm=0.2, rows=fine.rows // 2, columns=fine.columns // 2)
        )
        yield "coarse"


@pytest.fixture(scope="session")
def ramp() -> npt.NDArray[np.uint16]:
    """140 x 120 pixels of 12 bits, rising to the right."""
    return _ramp()


@pytest.fixture(scope="session")
def dataset() -> Callable[..., Dataset]:
    return _dataset


@pytest.fixture(scope="session")
def to_bytes() -> Callable[..., bytes]:
    return _to_bytes


@pytest.fixture(scope="session")
def with_gdcm() -> Callable[[Dataset, str], bytes]:
    return _with_gdcm


@pytest.fixture(scope="session")
def code(dataset: Callable[..., Dataset]) -> Callable[..., Dataset]:
    """Make one item of a code sequence."""

    def make(value: str, scheme: str = "SCT", **nested: Any) -> Dataset:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "as coded"
        for keyword, content in nested.items():
            setattr(item, keyword, content)
        return item

    return make


@pytest.fixture(scope="session")
def mammograms() -> Path:
    """Real mammograms beside the checkout; tests skip without them."""
    folder = Path(__file__).parents[3] / "shared" / "mammograms"
    if not folder.is_dir():
        pytest.skip("no real mammograms here")
    return folder
