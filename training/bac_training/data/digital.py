"""Plain images of digital mammograms, dressed as the DICOM objects that they once were."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from bac_imaging.read.plain_reader import read_grey
from bac_training.data.truth import View

__all__ = ["as_presentation", "is_plain"]

_PLAIN = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_FOR_PRESENTATION = UID("1.2.840.10008.5.1.4.1.1.1.2")
_BYTE, _WORD = 255, 65535


def is_plain(data: bytes) -> bool:
    """Tell whether a file is a PNG, JPEG or TIFF."""
    return data.startswith(_PLAIN)


def as_presentation(data: bytes, view: View) -> bytes:
    """Wrap a plain image of a digital mammogram as a DICOM object FOR PRESENTATION.

    The header holds what is known: that it is a digital mammogram made to be looked at, bright where much is
    absorbed; its spacing, side and view where the list tells them; whether the file had loss. All else, such
    as beam, thickness, vendor and window, is absent. Nor does the header repeat what the list calls the
    image's kind: an image made of tomosynthesis is measured as one whose header does not say so, which is how
    it gets into archives.

    Parameters
    ----------
    data : bytes
        PNG, JPEG or TIFF, calcium bright.
    view : View
        Spacing, laterality and view, each where known.

    Returns
    -------
    bytes
        The object, Explicit VR Little Endian; grey values as stored, or brought to 16 bits where they are no
        whole numbers of up to 16 bits. Transparent pixels get the darkest value.

    Raises
    ------
    BacctlError
        When the file is damaged, in colour or otherwise no mammogram.
    """
    grey, opaque, is_lossy = read_grey(data)
    seen = grey[opaque & np.isfinite(grey)]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
    grey = np.where(opaque & np.isfinite(grey), grey, np.float32(low))
    if low < 0 or high > _WORD or not np.array_equal(grey, np.rint(grey)):
        grey = np.rint((grey - low) * (_WORD / max(high - low, 1e-6)))
        high = float(grey.max())
    is_byte = high <= _BYTE
    pixels = grey.astype(np.uint8 if is_byte else "<u2")
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = _FOR_PRESENTATION
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[hashlib.sha256(data).hexdigest()])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.Modality, ds.PresentationIntentType = "MG", "FOR PRESENTATION"
    ds.SamplesPerPixel, ds.PixelRepresentation = 1, 0
    ds.PhotometricInterpretation, ds.PresentationLUTShape = "MONOCHROME2", "IDENTITY"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated = 8 if is_byte else 16
    ds.BitsStored = 8 if is_byte else int(high).bit_length()
    ds.HighBit = ds.BitsStored - 1
    if is_lossy:
        ds.LossyImageCompression = "01"
    if view.spacing_mm:
        ds.ImagerPixelSpacing = [round(mm, 6) for mm in view.spacing_mm]
    if view.laterality:
        ds.ImageLaterality = view.laterality
    if view.view:
        ds.ViewPosition = view.view
    ds.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
