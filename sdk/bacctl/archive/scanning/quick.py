"""A header of found elements that asks pydicom only for what is not plain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

from bac_imaging.read.attributes.header import Header
from bacctl.archive.scanning.elements import Elements, dataset_of

_TEXTS = frozenset(("AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI"))
_WITH_ASCII = frozenset((b"", b"ISO_IR 6", b"ISO_IR 100", b"ISO_IR 101", b"ISO_IR 144", b"ISO_IR 192"))
_CHARACTER_SET = 0x00080005
_LONGEST = 1024
"""Of a text. More than that may be "endless" to `Header`."""


def tags_of(keywords: Iterable[str]) -> dict[str, int]:
    """Give the tags of some keywords, in their order."""
    found = {keyword: tag_for_keyword(keyword) for keyword in keywords}
    return {keyword: tag for keyword, tag in found.items() if tag is not None}


class QuickHeader(Header):
    """A header of some elements and of no other, of which plain ones are read without pydicom.

    Plain is what leaves nothing to interpret: ASCII text of one value, and one unsigned number of 16 bits.

    Parameters
    ----------
    elements : Elements
        What was found.
    tags : mapping of str to int
        Keywords that it has, with their tags.
    followed : bool, optional
        Whether it has PixelData.
    """

    def __init__(self, elements: Elements, tags: Mapping[str, int], *, followed: bool = False) -> None:
        self.decimal_commas = set()
        self._elements, self._tags, self._followed = elements, tags, followed
        self._values_found: dict[str, Any] = {}
        declared = elements.values.get(_CHARACTER_SET, (None, b""))[1]
        self._is_ascii_plain = declared.strip(b" \0") in _WITH_ASCII

    @cached_property
    def _parsed(self) -> Header:
        dataset = dataset_of(self._elements, self._tags.values())
        if self._followed:
            dataset.add_new("PixelData", "OB", b"")
        return Header(dataset)

    def has(self, keyword: str) -> bool:
        """Tell whether the attribute is there, with whatever value."""
        return self._tags.get(keyword) in self._elements.values or (self._followed and keyword == "PixelData")

    def has_overlay_in_pixels(self) -> bool:
        """Tell whether an overlay is kept in the pixels."""
        return self._parsed.has_overlay_in_pixels()

    def _value(self, keyword: str) -> Any:
        if keyword not in self._values_found:
            self._values_found[keyword] = self._plain(keyword)
        return self._values_found[keyword]

    def _plain(self, keyword: str) -> Any:
        tag = self._tags.get(keyword)
        found = None if tag is None else self._elements.values.get(tag)
        if found is None or tag is None:
            return self._parsed._value(keyword) if keyword == "PixelData" else None
        vr, value = found
        vr = vr or dictionary_VR(tag)
        if vr == "US" and len(value) == 2:
            return int.from_bytes(value, "little")
        is_text = vr in _TEXTS and self._is_ascii_plain and len(value) <= _LONGEST and value.isascii()
        # A backslash parts values, an equals sign the alphabets of a name, and an escape begins another one.
        if vr == "IS":
            is_text = is_text and value.strip(b" \0").isdigit()  # pydicom reads no "1.5"
        if is_text and not (b"\\" in value or b"=" in value or b"\x1b" in value):
            return value.decode().strip(" \0")
        return self._parsed._value(keyword)

    def _as_written(self, keyword: str) -> tuple[str, ...]:
        return self._parsed._as_written(keyword)
