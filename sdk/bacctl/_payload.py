"""What can be analysed, turned into the bytes that are sent."""

from __future__ import annotations

import copy
import io
import os
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bacctl.errors import BacctlError, from_catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydicom import Dataset

    from bac_imaging.header import Header
    from bacctl._origin import Origin

    Source = str | os.PathLike[str] | bytes | bytearray | memoryview | Dataset

T = TypeVar("T")

# A message of gRPC holds 2 GiB; no mammogram comes near.
MAX_BYTES = 1_500_000_000
_HEADER_BYTES = 1 << 20  # the identifiers stand near the start; no more of a bad file is looked at
_META_BYTES = 1 << 12  # the transfer syntax stands among the first few hundred
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_quiet = threading.Lock()


def read_source(source: Source) -> bytes:
    """Return the file that a source stands for.

    Parameters
    ----------
    source : path, bytes or pydicom.Dataset
        A path, the bytes of a DICOM, PNG, TIFF or JPEG file, or a dataset, which is left as it is.

    Returns
    -------
    bytes

    Raises
    ------
    FailedError
        BAC-FILE-UNREADABLE.
    RefusedError
        BAC-FILE-EMPTY, BAC-FILE-TOO-LARGE (found before anything is read), BAC-FILE-NOT-IMAGE for a dataset
        that cannot be written as a file, and for what is none of these.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    elif isinstance(source, (str, os.PathLike)):
        data = _read_file(Path(source))
    else:
        data = _write_dataset(source)
    if not data:
        raise from_catalogue("BAC-FILE-EMPTY")
    if len(data) > MAX_BYTES:
        raise from_catalogue("BAC-FILE-TOO-LARGE")
    return data


def path_of(source: Source) -> Path | None:
    """Return the path of a source that is one."""
    return Path(source) if isinstance(source, (str, os.PathLike)) else None


def identified(error: BacctlError, data: bytes) -> BacctlError:
    """Add the identifiers of the image, where its header can be read, to an error about it."""
    # Read as the server reads them: what is no UID may be anything, a name included.
    found = _from_header(
        data,
        ("SOPInstanceUID", "StudyInstanceUID"),
        lambda header: (header.uid("SOPInstanceUID"), header.uid("StudyInstanceUID")),
    )
    if found is not None:
        error.sop_instance_uid, error.study_instance_uid = found
    return error


def origin_of(data: bytes) -> Origin | None:
    """Read of whom and when an image was taken; None where there is no header that can be read."""
    from bacctl._origin import ORIGIN_TAGS, read_origin

    return _from_header(data, ORIGIN_TAGS, read_origin)


def _from_header(data: bytes, keywords: Sequence[str], read: Callable[[Header], T]) -> T | None:
    from pydicom import dcmread

    from bac_imaging.header import Header

    # A deflated header cannot be cut off: half a stream does not inflate.
    head = data if _DEFLATED in data[:_META_BYTES] else data[:_HEADER_BYTES]
    try:
        # Filters of warnings are the process's, so that two threads must not change them at a time.
        with _quiet, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(io.BytesIO(head), stop_before_pixels=True, specific_tags=list(keywords))
            return read(Header(dataset))
    except Exception:  # a broken header fails in many ways; the image itself is judged by the server
        return None


def _read_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise from_catalogue("BAC-FILE-TOO-LARGE")
        return path.read_bytes()
    except IsADirectoryError:
        raise from_catalogue(
            "BAC-FILE-UNREADABLE", "this is a folder, and only analyze_exam takes one"
        ) from None
    except OSError as error:
        raise from_catalogue("BAC-FILE-UNREADABLE", f"the file could not be read: {error.strerror}") from None


def _write_dataset(dataset: Dataset) -> bytes:
    if not hasattr(dataset, "save_as"):
        kind = type(dataset).__name__
        raise from_catalogue(
            "BAC-FILE-NOT-IMAGE", f"an image is given as a path, bytes or pydicom Dataset, not as {kind}"
        )
    # Writing completes the file meta information, which must not show in the caller's dataset.
    private = copy.copy(dataset)
    if hasattr(dataset, "file_meta"):
        private.file_meta = copy.deepcopy(dataset.file_meta)
    stream = io.BytesIO()
    try:
        private.save_as(stream, enforce_file_format=True)
    except Exception as error:  # pydicom raises many kinds for a dataset that lacks what a file needs
        kind = type(error).__name__
        raise from_catalogue(
            "BAC-FILE-NOT-IMAGE", f"the dataset cannot be written as a DICOM file ({kind})"
        ) from None
    return stream.getvalue()
