"""The elements of a DICOM header that are wanted, found in its first bytes without parsing any of them.

pydicom takes some 20 µs for an element, and a mammogram has 200 of them, of which the scan looks at half,
most of them the same in the next file. What is unusual is left to pydicom: no file is read in another way
here than there.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterable
from typing import NamedTuple

from pydicom.dataelem import RawDataElement, empty_value_for_VR
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SHORT = frozenset(
    (
        *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN"),
        *(b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
    )
)
_NAMES = {vr: vr.decode() for vr in _LONG | _SHORT}
_EXPLICIT, _IMPLICIT, _LENGTH = struct.Struct("<HH2sH"), struct.Struct("<HHI"), struct.Struct("<I")
_UNDEFINED = 0xFFFFFFFF
_PIXELS, _FIRST_PIXELS = 0x7FE00010, 0x7FE00008
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SYNTAX, _DELIMITERS = 0x00020010, 0xFFFE
_PREAMBLE = 132
_DEEPEST = 8
_MOST = 20_000
"""Elements of a header and its sequences, some dozens of times those of a mammogram."""


class UnusualError(Exception):
    """The header is not written as most are, and pydicom has to read it."""


class CutError(Exception):
    """The header goes on behind the bytes that were given."""


class Elements(NamedTuple):
    """What was found of a header.

    Attributes
    ----------
    values : dict
        From tag to (name of the VR or None, bytes of the value), of those that were wanted.
    syntax : str
        UID of the transfer syntax.
    is_implicit : bool
        Whether VRs are not written.
    end : int
        Where the header ends, and the element of the pixels begins.
    pixels : tuple of (int, int) or None
        Where their value begins and how long it says it is; None where no Pixel Data follow.
    """

    values: dict[int, tuple[str | None, bytes]]
    syntax: str
    is_implicit: bool
    end: int
    pixels: tuple[int, int] | None


def read_elements(data: bytes, wanted: Container[int]) -> Elements:
    """Find the wanted elements of a header.

    Parameters
    ----------
    data : bytes
        The file or its beginning.
    wanted : container of int
        Tags.

    Returns
    -------
    Elements

    Raises
    ------
    UnusualError
        It has no preamble, is big-endian, deflated or not explicit throughout, or has no pixels to its end.
    CutError
        The header goes on behind `data`.
    """
    if data[_PREAMBLE - 4 : _PREAMBLE] != b"DICM":
        raise UnusualError
    reader = _Reader(data)
    try:
        return reader.read(wanted)
    except struct.error:
        raise CutError from None


def dataset_of(elements: Elements, tags: Iterable[int]) -> Dataset:
    """Make a dataset of those of some elements that were found; they are parsed when they are looked at."""
    raw: dict[BaseTag, RawDataElement] = {}
    for number in tags:
        if number not in elements.values:
            continue
        vr, value = elements.values[number]
        tag = BaseTag(number)
        filled = value if value else empty_value_for_VR(vr, raw=True)
        raw[tag] = RawDataElement(tag, vr, len(value), filled, 0, elements.is_implicit, True)  # type: ignore[arg-type]
    dataset = Dataset(raw)  # type: ignore[arg-type]
    dataset.set_original_encoding(elements.is_implicit, True)
    return dataset


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = _MOST

    def read(self, wanted: Container[int]) -> Elements:
        at, syntax = self._meta()
        is_implicit = syntax == ImplicitVRLittleEndian
        if syntax in (ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, ""):
            raise UnusualError
        if is_implicit and self._data[at + 4 : at + 6] in _NAMES:
            raise UnusualError  # says so and is not
        return self._explicit(at, wanted, syntax) if not is_implicit else self._implicit(at, wanted, syntax)

    def _explicit(self, at: int, wanted: Container[int], syntax: str) -> Elements:
        values: dict[int, tuple[str | None, bytes]] = {}
        data, size, unpack, unpack_length = (
            self._data,
            len(self._data),
            _EXPLICIT.unpack_from,
            _LENGTH.unpack_from,
        )
        for _ in range(_MOST):  # in one piece, since most of the time of a scan is spent here
            group, number, vr, length = unpack(data, at)
            start = at + 8
            if vr in _LONG:
                (length,) = unpack_length(data, start)
                start += 4
            elif vr not in _SHORT or group == _DELIMITERS:
                raise UnusualError
            tag = group << 16 | number
            if _FIRST_PIXELS <= tag <= _PIXELS:
                return Elements(values, syntax, False, at, (start, length) if tag == _PIXELS else None)
            if length != _UNDEFINED:
                end = at = start + length
            elif vr == b"SQ":
                end, at = self._items(start, is_implicit=False, depth=0)
            else:
                raise UnusualError
            if tag in wanted:
                if at > size:
                    raise CutError
                values[tag] = (_NAMES[vr], data[start:end])
        raise UnusualError

    def _implicit(self, at: int, wanted: Container[int], syntax: str) -> Elements:
        values: dict[int, tuple[str | None, bytes]] = {}
        while True:
            tag, _, start, length = self._element(at, is_implicit=True)
            if _FIRST_PIXELS <= tag <= _PIXELS:
                return Elements(values, syntax, True, at, (start, length) if tag == _PIXELS else None)
            if length == _UNDEFINED:
                end, at = self._items(start, is_implicit=True, depth=0)
            else:
                end = at = start + length
            if at > len(self._data):
                raise CutError
            if tag in wanted:
                values[tag] = (None, self._data[start:end])

    def _meta(self) -> tuple[int, str]:
        """Read the file meta information; tell where it ends, and the transfer syntax."""
        at, syntax = _PREAMBLE, ""
        while self._data[at : at + 2] == b"\2\0":
            tag, _, start, length = self._element(at, is_implicit=False)
            if length == _UNDEFINED:
                raise UnusualError
            at = start + length
            if at > len(self._data):
                raise CutError
            if tag == _SYNTAX:
                syntax = self._data[start:at].decode("ascii", "replace").strip(" \0")
        return at, syntax

    def _element(self, at: int, *, is_implicit: bool) -> tuple[int, bytes, int, int]:
        """Read tag and VR of the element at a place, where its value begins and how long it is."""
        self._left -= 1
        if self._left < 0:
            raise UnusualError
        if is_implicit:
            group, number, length = _IMPLICIT.unpack_from(self._data, at)
            start, vr = at + 8, b""
        else:
            group, number, vr, length = _EXPLICIT.unpack_from(self._data, at)
            start = at + 8
            if vr in _LONG:
                (length,) = _LENGTH.unpack_from(self._data, start)
                start += 4
            elif vr not in _SHORT:
                raise UnusualError
        if group == _DELIMITERS:
            raise UnusualError
        return group << 16 | number, vr, start, length

    def _items(self, at: int, *, is_implicit: bool, depth: int) -> tuple[int, int]:
        """Find the end of the items of a sequence of undefined length, and where what follows begins."""
        if depth > _DEEPEST:
            raise UnusualError
        while True:
            group, number, length = _IMPLICIT.unpack_from(self._data, at)
            tag = group << 16 | number
            if tag == _SEQUENCE_END:
                return at, at + 8
            if tag != _ITEM:
                raise UnusualError
            at += 8
            at = at + length if length != _UNDEFINED else self._item(at, is_implicit=is_implicit, depth=depth)

    def _item(self, at: int, *, is_implicit: bool, depth: int) -> int:
        """Find where what follows an item of undefined length begins."""
        while True:
            group, number, _ = _IMPLICIT.unpack_from(self._data, at)
            if group << 16 | number == _ITEM_END:
                return at + 8
            _, vr, start, length = self._element(at, is_implicit=is_implicit)
            if length != _UNDEFINED:
                at = start + length
            elif is_implicit or vr == b"SQ":
                at = self._items(start, is_implicit=is_implicit, depth=depth + 1)[1]
            else:
                raise UnusualError
