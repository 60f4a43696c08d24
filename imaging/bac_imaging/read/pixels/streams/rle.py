"""A look at RLE segments before they are decoded (PS3.5 annex G).

A flipped bit in a run makes the rest of its segment longer or shorter. Decoders fill up or cut off, and every
pixel behind it is displaced. So the runs are walked: they must give exactly the bytes of the image, and where
the first rows each end with a run, as the standard wants of all of them (G.3.1), so must the others.
"""

from __future__ import annotations

import struct

from bac_imaging.read.attributes.acceptance import Layout
from bac_terms.errors import FailedError, RefusedError

_HEADER_BYTES = 64
_NOTHING = 128  # the control byte of no run
_ROWS_OF_THEIR_OWN = 4  # so many first rows do not end with a run by chance


def check_segments(frame: bytes, expected: Layout) -> None:
    """Make sure that a frame's segments hold the image that the header describes.

    Parameters
    ----------
    frame : bytes
        One compressed frame.
    expected : Layout
        What the DICOM header says.

    Raises
    ------
    RefusedError
        ``BAC-FILE-TRUNCATED`` if a segment ends early.
    FailedError
        ``BAC-DECODE-FAILED`` if it is damaged.
    """
    if len(frame) < _HEADER_BYTES:
        raise RefusedError("BAC-FILE-TRUNCATED")
    count, *offsets = struct.unpack_from("<16L", frame)
    if count != expected.samples * expected.bits_allocated // 8:
        raise _damaged("another number of segments than the header says")
    ends = [*offsets[1:count], len(frame)]
    if offsets[0] != _HEADER_BYTES or any(offsets[count:]):
        raise _damaged("the table of segments")
    for start, end in zip(offsets[:count], ends, strict=True):
        if not start < end <= len(frame):
            raise _damaged("the table of segments")
        _check_runs(frame[start:end], expected.rows, expected.columns)


def _check_runs(segment: bytes, rows: int, columns: int) -> None:
    needed, at, place, row_end = rows * columns, 0, 0, columns
    aligned = True
    while place < needed:
        if at >= len(segment):
            raise RefusedError("BAC-FILE-TRUNCATED", "an RLE segment holds fewer pixels than its header says")
        control = segment[at]
        if control < _NOTHING:
            place += control + 1
            at += control + 2
        elif control > _NOTHING:
            place += 257 - control
            at += 2
        else:
            at += 1
        if place >= row_end and aligned:
            if place == row_end:
                row_end += columns
            elif row_end > _ROWS_OF_THEIR_OWN * columns:
                raise _damaged("a run goes on behind its row")
            else:
                aligned = False
    if place > needed or at > len(segment):
        raise _damaged("a segment holds more or fewer pixels than its header says")
    if segment[at:].strip(b"\0"):  # zeros make the length even, or fill up
        raise _damaged("bytes follow the last run of a segment")


def _damaged(found: str) -> FailedError:
    return FailedError("BAC-DECODE-FAILED", f"the compressed pixels are damaged ({found})")
