"""Outputs that name nobody: the Basic Profile of PS3.15 annex E, for objects that bacctl made itself.

Options beside it (CID 7050): Clean Structured Content and Clean Graphics, since reports and outlines hold
only what bacctl wrote into them; Retain Device Identity, since the device is bacctl and its network, and
nothing of the X-ray unit is copied. The table of elements and actions is that of ``dicom-anonymizer``.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from bacctl._version import __version__

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

METHOD = f"PS3.15 Basic Profile, bacctl {__version__}"
# CID 7050.
_PROFILE = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113103", "Clean Graphics Option"),
    ("113104", "Clean Structured Content Option"),
    ("113109", "Retain Device Identity Option"),
)
_DAY, _TIME = "19000101", "000000"
# What bacctl wrote itself, looked through but not taken out; see the options above.
_LOOKED_THROUGH = frozenset({"ContentSequence", "GraphicAnnotationSequence", "ReferencedImageSequence"})
_LOOKED_THROUGH |= {"SourceImageSequence"}
_KEPT = frozenset({"DeviceSerialNumber"})
# The table removes them, and their objects must have them: they get a value that says nothing.
_MUST_STAY = frozenset({"PresentationCreationDate", "PresentationCreationTime"})


class Deidentifier:
    """Replaces what names a woman, a place or a day, the same way throughout one run.

    Parameters
    ----------
    key : bytes, optional
        What the new identifiers follow from. Default: random, so that nobody can follow them back, and two
        runs have nothing in common.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = secrets.token_bytes(32) if key is None else key

    def uid(self, uid: str) -> str:
        """Return the UID that stands for another one, of a study, a series, an image or a find."""
        return f"2.25.{int.from_bytes(self._digest('uid', uid)[:16], 'big')}"

    def patient(self, identifier: str) -> str:
        """Return what stands for a patient's identifier: ``"BAC-"`` and 12 digits of hexadecimal numbers."""
        return f"BAC-{self._digest('patient', identifier).hex()[:12].upper()}"

    def _digest(self, about: str, text: str) -> bytes:
        return hmac.new(self._key, f"{about}:{text}".encode(), hashlib.sha256).digest()

    def apply(self, dataset: Dataset) -> None:
        """De-identify an object that bacctl made, in place.

        Elements are replaced, not changed, so that objects may share some.

        Parameters
        ----------
        dataset : pydicom.Dataset
            With its file meta information, if it has any.
        """
        # The profile asks for none; dcmtk refuses presentation states of nobody.
        name = self.patient(str(dataset.get("PatientID") or ""))
        self._walk(dataset)
        if "PatientName" in dataset:
            _put(dataset, dataset["PatientName"], f"{name}^")  # a family name alone ends so
        meta = getattr(dataset, "file_meta", None)
        if meta is not None and "MediaStorageSOPInstanceUID" in meta:
            meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = METHOD
        dataset.DeidentificationMethodCodeSequence = [_code(*code) for code in _PROFILE]
        dataset.LongitudinalTemporalInformationModified = "REMOVED"

    def _walk(self, dataset: Dataset) -> None:
        for element in list(dataset):
            action = _actions().get((element.tag.group, element.tag.element))
            name = element.keyword
            if element.tag.is_private:
                del dataset[element.tag]
            elif element.VR == "SQ" and (action is None or name in _LOOKED_THROUGH):
                for item in element.value:
                    self._walk(item)
            elif action is not None and name not in _KEPT:
                self._replace(dataset, element, action)

    def _replace(self, dataset: Dataset, element: DataElement, action: str) -> None:
        name = element.keyword
        if action == "U":
            several = element.VM > 1
            new = [self.uid(str(uid)) for uid in element.value] if several else self.uid(str(element.value))
            _put(dataset, element, new)
        elif name == "PatientID":
            _put(dataset, element, self.patient(str(element.value)) if element.value else "")
        elif action == "X" and name not in _MUST_STAY:
            del dataset[element.tag]
        elif element.VR == "SQ":
            _put(dataset, element, [])
        elif "D" in action or name in _MUST_STAY:
            _put(dataset, element, {"DA": _DAY, "TM": _TIME, "DT": _DAY}.get(element.VR, ""))
        else:
            _put(dataset, element, "")


@cache
def this_run() -> Deidentifier:
    """Return the one that all outputs of this process share."""
    return Deidentifier()


@cache
def _actions() -> Mapping[tuple[int, ...], str]:
    """Return the table: an element's group and number to "X", "Z", "D", "U" or a choice such as "Z_D"."""
    from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector

    choose: Callable[[str], Mapping[str, list[tuple[int, ...]]]] = dicom_anonymization_database_selector
    table = choose("dicomfields_2024b")
    return {
        tag: kind.removesuffix("_TAGS")
        for kind, tags in table.items()
        if kind != "ALL_TAGS"
        for tag in tags
        if len(tag) == 2
    }


def _put(dataset: Dataset, element: DataElement, value: object) -> None:
    from pydicom.dataelem import DataElement

    dataset[element.tag] = DataElement(element.tag, element.VR, value)


def _code(value: str, meaning: str) -> Dataset:
    from pydicom import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item
