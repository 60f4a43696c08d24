"""A file of an archive, as its first bytes tell: what it is, and why it would not be measured."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Literal, NamedTuple

from pydicom.dataset import Dataset

from bac_imaging.read.attributes.acceptance import MAX_FILE_BYTES
from bac_imaging.read.attributes.header import Header
from bac_imaging.read.attributes.spacing import Spacing
from bac_imaging.read.dataset import HEADER_BYTES, parse_header, parse_meta
from bac_imaging.read.dicom_file import parse_dicom
from bac_imaging.read.pixels.decode import check_syntax
from bac_imaging.read.reader import is_dicom
from bac_terms.catalogue import CATALOGUE
from bac_terms.errors import BacctlError, FailedError
from bacctl._discreet import discreet
from bacctl._origin import Origin
from bacctl.archive import storage
from bacctl.archive.manifest import ManifestRow
from bacctl.archive.scanning.elements import CutError, Elements, UnusualError, read_elements
from bacctl.archive.scanning.said import WANTED, Interpreter, Said
from bacctl.sources import is_image_of, is_packed

FIRST_BYTES = 1 << 16
"""Read of each file; more only where its header is longer."""
CORE_S_PER_MEGAPIXEL = 0.09
"""Seconds of one core for a million stored pixels, client and server together; see docs/archive.md."""

_MORE_BYTES = (1 << 20, HEADER_BYTES)


class Looked(NamedTuple):
    """What a file is.

    Attributes
    ----------
    kind : {"image", "other", "packed"}
        "other" is what an analysis would pass over, "packed" as well.
    row : ManifestRow
        Of an image.
    origin : Origin or None
        Of whom and when it is.
    study : str or bytes or None
        What stands for the study in its header, or a digest of it where it may not be shown.
    """

    kind: Literal["image", "other", "packed"]
    row: ManifestRow
    origin: Origin | None = None
    study: str | bytes | None = None


class Looker:
    """Looks at files.

    Parameters
    ----------
    given : (float, float) or None
        Spacing that the caller gives, (between rows, between columns), in mm.
    """

    def __init__(self, given: Spacing | None) -> None:
        self._given = given
        self._interpreter = Interpreter(given)

    def look(self, entries: Sequence[storage.Entry]) -> Iterator[Looked]:
        """Look at some files, of which none may be there any more."""
        heads = storage.read_heads([entry.uri for entry in entries], FIRST_BYTES)
        # What pydicom says of odd values quotes them.
        with discreet():
            found = [self._look(entry, head) for entry, head in zip(entries, heads, strict=True)]
        yield from found

    def _look(self, entry: storage.Entry, head: bytes | BacctlError) -> Looked:
        row = ManifestRow(
            entry.uri, entry.size, entry.mtime_ns, entry.token if storage.is_remote(entry.uri) else None
        )
        if isinstance(head, BacctlError):
            return Looked("image", _refused(row, head.code, head.message))
        name = posixpath.basename(entry.uri)
        if not is_image_of(name, head):
            return Looked("packed" if is_packed(name) else "other", row)
        if not head:
            return Looked("image", _refused(row, "BAC-FILE-EMPTY"))
        if not is_dicom(head):
            return Looked("image", self._plain(row, head))
        try:
            return self._dicom(row, head, entry.size)
        except BacctlError as error:  # gone or changed since its first bytes were read
            return Looked("image", _refused(row, error.code, error.message))

    def _plain(self, row: ManifestRow, head: bytes) -> ManifestRow:
        if not is_image_of("", head):  # named like an image, and none
            return _refused(row, "BAC-FILE-NOT-IMAGE")
        return row if self._given else _refused(row, "BAC-SPACING-MISSING")

    def _dicom(self, row: ManifestRow, head: bytes, size: int) -> Looked:
        for more in (*_MORE_BYTES, None):
            try:
                elements = read_elements(head, WANTED)
            except UnusualError:
                break
            except CutError:
                if len(head) >= size or more is None:
                    break
                head = storage.read_range(row.uri, 0, more)
            else:
                said = self._interpreter.read(elements)
                told = _told(row, said, elements.syntax, head[: elements.end])
                return _looked(_with_pixels(told, said, elements, size), said)
        return self._parsed(row, head, size)

    def _parsed(self, row: ManifestRow, head: bytes, size: int) -> Looked:
        """Have the product's own reader read what is unusual; a file that is short, as a whole."""
        if len(head) < min(size, HEADER_BYTES):
            head = storage.read_range(row.uri, 0, HEADER_BYTES)
        try:
            dataset, end = _parse(head, is_whole=len(head) >= size)
        except BacctlError as error:
            if len(head) < size:  # what follows may mend it
                return Looked("image", row)
            return Looked("image", _refused(row, error.code, error.message))
        said = self._interpreter.parsed(Header(dataset))
        return _looked(_told(row, said, _syntax_of(head), head[:end]), said)


def cost_core_s(rows: int | None, columns: int | None) -> float | None:
    """Estimate the seconds of one core that an image takes; None where its size is not told."""
    if rows is None or columns is None:
        return None
    return round(rows * columns * 1e-6 * CORE_S_PER_MEGAPIXEL, 4)


def row_of(row: ManifestRow, said: Said, syntax: str | None) -> ManifestRow:
    """Fill a row with what a header says."""
    verdict, unit, person = said.verdict, said.unit, said.person
    code, reason = verdict.code, verdict.reason
    if code is None and syntax:
        try:
            check_syntax(syntax)
        except FailedError as error:
            code, reason = error.code, error.message
    return ManifestRow(
        row.uri,
        row.size,
        row.mtime_ns,
        row.etag,
        row.header_bytes,
        row.header_sha256,
        *said.names,
        person.patient_key,
        verdict.modality,
        verdict.intent,
        verdict.laterality,
        verdict.view,
        verdict.rows,
        verdict.columns,
        syntax,
        *unit,
        person.month,
        person.age_band,
        code,
        reason,
        None,
        cost_core_s(verdict.rows, verdict.columns) if code is None else None,
    )


def _told(row: ManifestRow, said: Said, syntax: str | None, header: bytes) -> ManifestRow:
    digested = replace(row, header_bytes=len(header), header_sha256=sha256(header).hexdigest())
    return row_of(digested, said, syntax)


def _looked(row: ManifestRow, said: Said) -> Looked:
    return Looked("image", row, said.person.origin, row.study_instance_uid or said.person.origin.study)


def _with_pixels(row: ManifestRow, said: Said, elements: Elements, size: int) -> ManifestRow:
    """Refuse a file that cannot hold its image, or is larger than any that is looked into."""
    needed, pixels = said.verdict.pixel_bytes, elements.pixels
    if row.code is not None or needed is None or pixels is None:
        return row
    start, length = pixels
    if length != 0xFFFFFFFF and size - start < needed:
        return _refused(row, "BAC-FILE-TRUNCATED", "the file holds fewer pixels than its header says")
    return _refused(row, "BAC-FILE-TOO-LARGE") if size > MAX_FILE_BYTES else row


def _refused(row: ManifestRow, code: str, reason: str | None = None) -> ManifestRow:
    return replace(row, code=code, reason=reason or CATALOGUE[code].meaning, cost_core_s=None)


def _parse(data: bytes, *, is_whole: bool) -> tuple[Dataset, int]:
    """Parse a header, and tell where it ends; raises BacctlError where the product refuses it."""
    try:
        head = parse_header(data, most=HEADER_BYTES)
    except BacctlError:
        raise
    except Exception:  # pydicom raises whatever its parser stumbles over
        head = None
    if head is not None and head.followed:
        head.dataset.add_new("PixelData", "OB", b"")
        return head.dataset, head.end
    if not is_whole:
        raise FailedError("BAC-FILE-UNREADABLE", "its header is longer than any", "")
    dataset, _ = parse_dicom(data)
    return dataset, len(data) if head is None else head.end


def _syntax_of(data: bytes) -> str | None:
    try:
        return str(parse_meta(data)[0].get("TransferSyntaxUID") or "") or None
    except Exception:  # as above
        return None
