"""What `benchmarks/work.py` runs under callgrind: one small image through prepare and quantify.

With ``--peak`` it prints instead how much Python and NumPy had allocated at most, in bytes, to be run without
callgrind.

Everything is done twice, and the second time is counted: the first fills what is kept (tables of the beam,
compiled patterns, numpy's own caches), and is as long as it is by what happened to be imported before.
"""

from __future__ import annotations

import ctypes
import gc
import io
import mmap
import sys
import tracemalloc

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForProcessing, ExplicitVRLittleEndian, generate_uid

from bac_imaging.pipeline import Prepared, prepare, quantify, to_working_mask
from bac_imaging.vessels.demands import PostProcessing

SHAPE = (480, 320)
SPACING_MM = 0.15

# Callgrind's requests, by number, as callgrind.h has them.
_REQUESTS = 0x43540000
_DUMP_AT, _START, _STOP = _REQUESTS + 3, _REQUESTS + 4, _REQUESTS + 5
# As valgrind.h has it: arguments in rax, default in rdx, four rotations that come to nothing, xchg rbx, rbx.
# Valgrind knows the sequence and does as it is asked; to a processor it is nothing. Then: return rdx.
_ASK_VALGRIND = bytes.fromhex("4889f8 31d2 48c1c703 48c1c70d 48c1c73d 48c1c733 4887db 4889d0 c3")


class Callgrind:
    """Speaks to the callgrind that this process runs under; without one nothing happens."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._page.write(_ASK_VALGRIND)
        kind = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.POINTER(ctypes.c_uint64))
        self._ask = kind(ctypes.addressof(ctypes.c_char.from_buffer(self._page)))

    def start(self) -> None:
        """Begin to count."""
        self._request(_START)

    def write(self, name: str) -> None:
        """Write what was counted since the last time, under a name."""
        text = ctypes.create_string_buffer(name.encode())
        self._request(_DUMP_AT, ctypes.addressof(text))

    def stop(self) -> None:
        """Count no more."""
        self._request(_STOP)

    def _request(self, number: int, argument: int = 0) -> None:
        self._ask((ctypes.c_uint64 * 6)(number, argument, 0, 0, 0, 0))


def mammogram() -> tuple[bytes, npt.NDArray[np.bool_]]:
    """Write a half-disc breast with a calcified tube, raw; return the file and the tube's mask."""
    row, column = np.mgrid[: SHAPE[0], : SHAPE[1]]
    radius = np.hypot((row - SHAPE[0] / 2) / (0.44 * SHAPE[0]), column / (0.8 * SHAPE[1]))
    thickness_cm = 5.0 * np.sqrt(np.clip(1.0 - radius**4, 0.0, 1.0))
    course = SHAPE[0] / 2 + 40.0 * np.sin(column / 60.0)
    tube = (np.abs(row - course) < 5.0) & (column > 60) & (column < 200)
    noise = np.random.default_rng(5).normal(0.0, 0.01, SHAPE)
    exposure = np.exp(-0.5 * thickness_cm - 14.0 * 0.02 * tube + noise)
    image = pydicom.Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = DigitalMammographyXRayImageStorageForProcessing
    image.SOPInstanceUID = generate_uid(entropy_srcs=["work", "image"])
    image.StudyInstanceUID = generate_uid(entropy_srcs=["work", "study"])
    image.Modality, image.PresentationIntentType = "MG", "FOR PROCESSING"
    image.ImageType = ["ORIGINAL", "PRIMARY", ""]
    image.ImageLaterality, image.ViewPosition = "L", "CC"
    image.Rows, image.Columns = SHAPE
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME1"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 14, 13, 0
    image.PixelIntensityRelationship, image.PixelIntensityRelationshipSign = "LIN", 1
    image.ImagerPixelSpacing = [SPACING_MM, SPACING_MM]
    image.DistanceSourceToDetector = 660.0
    image.KVP, image.BodyPartThickness = 28.0, 50.0
    image.AnodeTargetMaterial, image.FilterMaterial = "TUNGSTEN", "RHODIUM"
    image.PixelData = np.clip(12000.0 * exposure, 0.0, 16383.0).astype("<u2").tobytes()
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue(), tube


def answered(made: Prepared, tube: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Return the probabilities of a network that finds the tube: 0.9 in it, 0 elsewhere."""
    truth = to_working_mask(tube, made.context).astype(np.float32)
    probability = np.zeros_like(made.tiles)
    size = probability.shape[-1]
    for tile, (row, column) in zip(probability, made.context.origins, strict=True):
        part = truth[row : row + size, column : column + size]
        tile[0, : part.shape[0], : part.shape[1]] = 0.9 * part
    return probability


def main() -> None:
    """Do the work, the second time counted."""
    callgrind = Callgrind()
    only_peak = "--peak" in sys.argv
    data, tube = mammogram()
    parameters = PostProcessing.of(0.5, {})
    for counted in (False, True):
        # When it is collected depends on what was made before, imports included.
        gc.collect()
        gc.disable()
        if counted and only_peak:
            tracemalloc.start()
        if counted:
            callgrind.start()
        made = prepare(data)
        if counted:
            callgrind.write("prepare")
            callgrind.stop()
        probability = answered(made, tube)
        if counted:
            callgrind.start()
        result = quantify(probability, made.signal, made.context, parameters)
        if counted:
            callgrind.write("quantify")
            callgrind.stop()
    # Work that ends in nothing would be little.
    if not result.report.calcium_mass_mg or not result.mask.any():
        raise SystemExit("the image was not weighed")
    if only_peak:
        print(tracemalloc.get_traced_memory()[1])


if __name__ == "__main__":
    main()
