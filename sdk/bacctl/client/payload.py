"""What can be analysed, turned into the bytes that are sent."""

from __future__ import annotations

import copy
import inspect
import io
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, Union, cast

from bac_terms.errors import BacctlError, FailedError, RefusedError, from_catalogue
from bacctl._discreet import discreet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydicom import Dataset

    from bac_imaging.read.attributes.header import Header
    from bacctl._origin import Origin


class Readable(Protocol):
    """A file opened in binary mode."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""
        ...


Source = Union[  # the name of a class that is not imported yet takes no "|"
    str, "os.PathLike[str]", bytes, bytearray, memoryview, Readable, "Dataset"
]
"""What an image can be given as."""

T = TypeVar("T")

# A message of gRPC holds 2 GiB; no mammogram comes near.
MAX_BYTES = 1_500_000_000
_HEADER_BYTES = 1 << 20  # the identifiers stand near the start
_PART_BYTES = 1 << 24  # of a file that is open already, whose size nobody knows


def read_source(source: Source) -> bytes:
    """Return the file that a source stands for.

    Parameters
    ----------
    source : path, bytes, binary file or pydicom.Dataset
        A path, the bytes of a DICOM, PNG, TIFF or JPEG file, a file opened in binary mode, which is read on
        from where it stands, or a dataset, which is left as it is.

    Returns
    -------
    bytes

    Raises
    ------
    FailedError
        BAC-FILE-UNREADABLE, BAC-FILE-CHANGED.
    RefusedError
        BAC-FILE-EMPTY, BAC-FILE-TOO-LARGE (found before a file is read), BAC-FILE-NOT-IMAGE for a dataset
        that cannot be written as a file, and for what is none of these.
    """
    if inspect.isawaitable(source):
        raise not_awaited(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    elif isinstance(source, (str, os.PathLike)):
        data = _read_file(Path(source))
    elif hasattr(source, "read"):
        data = _read_stream(source)
    else:
        data = _write_dataset(cast("Dataset", source))
    if not data:
        raise from_catalogue("BAC-FILE-EMPTY")
    if len(data) > MAX_BYTES:
        raise from_catalogue("BAC-FILE-TOO-LARGE")
    return data


def not_awaited(given: object) -> BacctlError:
    """Say what to do about a coroutine that was given in place of what it returns."""
    close = getattr(given, "close", None)
    if inspect.iscoroutine(given) and close is not None:
        close()  # otherwise Python remarks on it, somewhere else
    return RefusedError(
        "BAC-FILE-NOT-IMAGE",
        f"what was given has to be awaited and is no image yet ({type(given).__name__})",
        "give what `await file.read()` returns",
    )


def position_of(source: object) -> int:
    """Return at which byte an open file stands; 0 for all else, and where that cannot be told."""
    try:
        position: object = getattr(source, "tell", int)() if hasattr(source, "read") else 0
    except Exception:  # a pipe, a closed file, whatever stands for a file
        return 0
    return position if isinstance(position, int) else 0


def path_of(source: Source) -> Path | None:
    """Return the path of a source that is one."""
    return Path(source) if isinstance(source, (str, os.PathLike)) else None


def identified(error: BacctlError, data: bytes) -> BacctlError:
    """Add the identifiers of the image, where its header can be read, to an error about it."""
    # Read as the server reads them: what is not written as a number is may be anything, a name included.
    keywords = ("SOPInstanceUID", "StudyInstanceUID")
    found = _from_header(
        data,
        keywords,
        lambda header: (header.identifier(keywords[0]), header.identifier(keywords[1])),
        _HEADER_BYTES,
    )
    if found is not None:
        error.sop_instance_uid, error.study_instance_uid = found
    return error


def origin_of(data: bytes) -> Origin | None:
    """Read of whom and when an image was taken; None where there is no header that can be read."""
    from bacctl._origin import ORIGIN_TAGS, read_origin

    origin = _from_header(data, ORIGIN_TAGS, read_origin)
    if origin is not None:
        origin.pixels = _digest_of_pixels(data)
    return origin


def _digest_of_pixels(data: bytes) -> tuple[str, bytes] | None:
    """Digest the pixels as a DICOM file holds them, and say how they are encoded."""
    from bac_imaging.read.dataset import parse
    from bacctl._origin import digest

    try:
        with discreet():
            dataset = parse(data, ["PixelData"])
            encoding, pixels = str(dataset.file_meta.get("TransferSyntaxUID")), dataset["PixelData"].value
    except Exception:  # as for a header
        return None
    return encoding, digest(pixels)  # by each thread for itself: only one at a time may be discreet


def _from_header(
    data: bytes, keywords: Sequence[str], read: Callable[[Header], T], most: int | None = None
) -> T | None:
    from bac_imaging.read.attributes.header import Header
    from bac_imaging.read.dataset import parse_header
    from bac_imaging.read.reader import is_dicom

    if not is_dicom(data):
        return None
    try:
        with discreet():
            return read(Header(parse_header(data, list(keywords), most).dataset))
    except Exception:  # a broken header fails in many ways; the image itself is judged by the server
        return None


def _read_file(path: Path) -> bytes:
    try:
        # A named pipe that nobody writes to would keep us waiting already at being opened. Windows knows no
        # such flag, and needs another one to leave the bytes as they are.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            before = os.fstat(handle)
            # Before Python's own file is made of it, which takes no folder and would leave the handle open.
            if stat.S_ISDIR(before.st_mode):
                raise FailedError(
                    "BAC-FILE-UNREADABLE",
                    "this is a folder",
                    "give one of its files, or the folder to analyze_exam",
                )
            if not stat.S_ISREG(before.st_mode):
                raise from_catalogue("BAC-FILE-UNREADABLE", "this is a pipe or a device and no file")
            if before.st_size > MAX_BYTES:
                raise from_catalogue("BAC-FILE-TOO-LARGE")
            with open(handle, "rb", closefd=False) as stream:
                data = stream.read(before.st_size + 1)
            after = os.fstat(handle)
        finally:
            os.close(handle)
    except OSError as error:
        # A path may hold a patient's name and stays out of our own text; the cause, in a traceback, has it.
        raise from_catalogue(
            "BAC-FILE-UNREADABLE", f"the file could not be read: {error.strerror}"
        ) from error
    except ValueError:  # a path with a zero byte
        raise from_catalogue("BAC-FILE-UNREADABLE", "no file can have this name") from None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or len(
        data
    ) != after.st_size:
        raise from_catalogue("BAC-FILE-CHANGED")
    return data


def _read_stream(stream: Readable) -> bytes:
    parts: list[bytes] = []
    size, start = 0, position_of(stream)
    try:
        while size <= MAX_BYTES:
            part = stream.read(_PART_BYTES)
            if inspect.isawaitable(part):  # an UploadFile of FastAPI, a file of aiofiles
                raise not_awaited(part)
            if not isinstance(part, bytes):
                raise from_catalogue("BAC-FILE-NOT-IMAGE", 'the file is open as text; open it with "rb"')
            if not part:
                break
            parts.append(part)
            size += len(part)
    except (OSError, ValueError) as error:  # ValueError: it is closed
        why = getattr(error, "strerror", None) or "is it open?"
        raise from_catalogue("BAC-FILE-UNREADABLE", f"the open file could not be read: {why}") from None
    if size > MAX_BYTES:
        raise from_catalogue("BAC-FILE-TOO-LARGE")
    if not parts and start:
        raise RefusedError(
            "BAC-FILE-EMPTY",
            "the file object stands at its end, since it was read before",
            "call seek(0) on it first, or give its bytes",
        )
    return b"".join(parts)


def _write_dataset(dataset: Dataset) -> bytes:
    if not hasattr(dataset, "save_as"):
        kind = type(dataset).__name__
        raise from_catalogue(
            "BAC-FILE-NOT-IMAGE",
            f"an image is given as a path, bytes, binary file or pydicom Dataset, not as {kind}",
        )
    # Writing completes the file meta information, which must not show in the caller's dataset.
    private = copy.copy(dataset)
    if hasattr(dataset, "file_meta"):
        private.file_meta = copy.deepcopy(dataset.file_meta)
    stream = io.BytesIO()
    try:
        private.save_as(stream, enforce_file_format=True)
    except Exception as error:  # pydicom raises many kinds for a dataset that lacks what a file needs
        found, advice = _lack_of(dataset, error)
        raise RefusedError(
            "BAC-FILE-NOT-IMAGE",
            f"the dataset cannot be written as a DICOM file ({found})",
            f"give the file itself, or {advice}",
        ) from None
    return stream.getvalue()


def _lack_of(dataset: Dataset, error: Exception) -> tuple[str, str]:
    """Say what a dataset lacks to be a file, and what to do about it."""
    if "TransferSyntaxUID" not in getattr(dataset, "file_meta", ()):
        return (
            "its file_meta names no TransferSyntaxUID",
            "set file_meta = pydicom.dataset.FileMetaDataset() where there is none, and "
            "file_meta.TransferSyntaxUID to how its pixels are stored, pydicom.uid.ExplicitVRLittleEndian "
            "where they are not compressed",
        )
    missing = [name for name in ("SOPClassUID", "SOPInstanceUID") if name not in dataset]
    if missing:
        return f"it has no {' and no '.join(missing)}", f"set {' and '.join(missing)}"
    return type(error).__name__, "correct what pydicom's save_as does not write"
