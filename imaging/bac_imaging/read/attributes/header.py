"""Header values that may be missing or malformed, read without exceptions.

pydicom raises a dozen kinds of exception on malformed values, at the moment a value is looked at. Here a
value is either usable or it is not: text that cannot be read is absent, a number that cannot be read is NaN,
so that the caller can tell "not said" from "said, but nonsense".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.valuerep import PersonName

from bac_terms.identifiers import is_shown, names_nothing

# Far above what mammograms have; a sequence may hold several tables.
_VALUE_BYTES, _TABLE_BYTES, _SEQUENCE_BYTES = 1 << 16, 1 << 18, 1 << 21
_MOST_ITEMS = 4096
_ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")  # both byte orders
_FIRST_OVERLAY, _OVERLAY_BITS, _OVERLAY_DATA = 0x6000, 0x0100, 0x3000
_DECIMAL_COMMA = re.compile(r"([+-]?\d+),(\d+)")


class Code(NamedTuple):
    """A coded term: value and coding scheme, as written."""

    value: str
    scheme: str


class Header:
    """Forgiving access to a DICOM dataset.

    Parameters
    ----------
    dataset : pydicom.Dataset
        The dataset, or one item of a sequence.

    Attributes
    ----------
    decimal_commas : set of str
        Attributes of those read so far whose numbers are written with a comma.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self.decimal_commas: set[str] = set()
        self._read: dict[str, Any] = {}  # several rules look at most values

    def _value(self, keyword: str) -> Any:
        if keyword not in self._read:
            try:
                if keyword not in self._dataset:
                    self._read[keyword] = None
                elif self._is_endless(keyword):
                    self._read[keyword] = math.nan
                else:
                    self._read[keyword] = self._dataset[keyword].value
            except Exception:  # whatever pydicom makes of a malformed value
                self._read[keyword] = math.nan
        return self._read[keyword]

    def _is_endless(self, keyword: str) -> bool:
        """Tell whether a value would take pydicom seconds, since it is parsed only when it is looked at."""
        element: object = self._dataset.get_item(keyword)
        value = element.value if isinstance(element, RawDataElement) else None
        if not isinstance(value, bytes):
            return False
        if keyword.endswith("Sequence"):
            return len(value) > _SEQUENCE_BYTES or sum(map(value.count, _ITEMS)) > _MOST_ITEMS
        return len(value) > (_TABLE_BYTES if keyword == "LUTData" else _VALUE_BYTES)

    def _values(self, keyword: str) -> Iterable[Any]:
        value = self._value(keyword)
        if value is None or value == "" or value == b"":
            return ()
        return value if isinstance(value, MultiValue | list | tuple) else (value,)

    def has(self, keyword: str) -> bool:
        """Tell whether the attribute is there, with whatever value."""
        return keyword in self._dataset

    def has_overlay_in_pixels(self) -> bool:
        """Tell whether an overlay is kept in unused bits of the pixels, as it used to be (PS3.3 C.9.2)."""
        groups = range(_FIRST_OVERLAY, _FIRST_OVERLAY + 0x20, 2)
        return any(
            (group, _OVERLAY_BITS) in self._dataset and (group, _OVERLAY_DATA) not in self._dataset
            for group in groups
        )

    def texts(self, keyword: str) -> tuple[str, ...]:
        """Give all values of an attribute as upper-case text without surrounding blanks."""
        values = self._values(keyword)
        return tuple(str(v).strip(" \0").upper() for v in values if isinstance(v, str | int | float))

    def text(self, keyword: str) -> str:
        """Give the values of an attribute as one upper-case text, empty where there is none."""
        return " ".join(part for part in self.texts(keyword) if part)

    def written(self, keyword: str) -> str:
        """Give the values of an attribute as one text, in the case in which they are written."""
        return " ".join(self.written_values(keyword))

    def written_values(self, keyword: str) -> tuple[str, ...]:
        """Give the values of an attribute one by one, in the case in which they are written."""
        parts = (str(v).strip(" \0") for v in self._values(keyword) if isinstance(v, str | PersonName))
        return tuple(part for part in parts if part)

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Give all values of an attribute as numbers: none where absent, NaN where unreadable.

        A decimal comma, which the standard forbids (PS3.5 6.2, DS), is understood and remembered.
        """
        values = tuple(_number(value) for value in self._values(keyword))
        if all(math.isfinite(value) for value in values):
            return values
        written = self._as_written(keyword)
        if not any(_DECIMAL_COMMA.fullmatch(text) for text in written):
            return values
        self.decimal_commas.add(keyword)
        return tuple(_number(_DECIMAL_COMMA.sub(r"\1.\2", text)) for text in written)

    def _as_written(self, keyword: str) -> tuple[str, ...]:
        """Give the values of an attribute that are no numbers, as the text in the file."""
        try:
            element: object = self._dataset.get_item(keyword)
        except Exception:  # whatever pydicom makes of a malformed value
            return ()
        if isinstance(element, RawDataElement) and isinstance(element.value, bytes):
            return tuple(part.strip(" \0") for part in element.value.decode("ascii", "replace").split("\\"))
        return tuple(str(value).strip(" \0") for value in self._values(keyword))

    def number(self, keyword: str) -> float | None:
        """Give the first value as a number: None where absent, NaN where unreadable."""
        return next(iter(self.numbers(keyword)), None)

    def positive(self, keyword: str, lowest: float, highest: float) -> float | None:
        """Give the value where it lies in the closed range, None in any other case; several are none."""
        values = set(self.numbers(keyword))
        value = values.pop() if len(values) == 1 else None
        return value if value is not None and lowest <= value <= highest else None

    def items(self, keyword: str) -> tuple[Header, ...]:
        """Give the items of a sequence."""
        value = self._value(keyword)
        return tuple(Header(item) for item in value) if isinstance(value, Sequence) else ()

    def code(self) -> Code | None:
        """Read this dataset as an item of a code sequence."""
        # PS3.3 8.8: exactly one of the three holds the code.
        value = next(filter(None, map(self.text, ("CodeValue", "LongCodeValue", "URNCodeValue"))), "")
        return Code(value, self.text("CodingSchemeDesignator")) if value else None

    def words(self, keyword: str) -> npt.NDArray[np.uint16]:
        """Give 16-bit words, however they are held: as numbers or as little-endian bytes."""
        value = self._value(keyword)
        if isinstance(value, bytes):
            return np.frombuffer(value[: len(value) // 2 * 2], dtype="<u2").astype(np.uint16)
        numbers = self.numbers(keyword)
        usable = all(math.isfinite(number) for number in numbers)
        return np.asarray(numbers if usable else (), dtype=np.float64).astype(np.uint16)

    def identifier(self, keyword: str) -> str | None:
        """Give what stands in place of a UID, as it is written.

        Public sets have other numbers there, such as 32 hexadecimal digits. None where it identifies nothing,
        or may be a name.
        """
        value = self.written(keyword)
        return value if is_shown(value) and not names_nothing(value) else None

    def uid(self, keyword: str) -> str | None:
        """Give a UID, or None where it is absent or not made of digits and dots."""
        value = self.text(keyword)
        return value if value and len(value) <= 64 and set(value) <= set("0123456789.") else None


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
