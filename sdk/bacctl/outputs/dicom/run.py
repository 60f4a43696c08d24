"""What all objects of one exam share: who made them, their series, the UIDs that tell a find."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydicom.uid import UID, generate_uid

from bacctl._version import __version__
from bacctl.outputs.dicom.source import Source
from bacctl.results import INTENDED_USE, ExamComparison, ExamResult

MANUFACTURER = "bacctl"
MODEL = "bacctl breast arterial calcification"
ALGORITHM = "bacctl"
RESEARCH = INTENDED_USE.upper()

# High numbers, so that they come after the images in lists that are ordered by them.
_SERIES_NUMBERS = {"sr": 9201, "seg": 9202, "pm": 9203, "sc": 9204, "pr": 9205}
_SERIES_NAMES = {
    "sr": "BAC report",
    "seg": "BAC vessels",
    "pm": "BAC calcium mg/mm2",
    "sc": "BAC overlay",
    "pr": "BAC outlines",
}


def new_uid() -> str:
    """Make a UID of its own, 2.25 and a random number (PS3.5 B.2).

    Never the same for the same content: archives keep what first came under a UID, and call it a success.
    """
    return str(generate_uid(prefix=None))


@dataclass
class Run:
    """The making of all objects of one exam.

    Attributes
    ----------
    exam : ExamResult
        What was measured.
    comparison : ExamComparison or None
        With an earlier exam of the same woman.
    """

    exam: ExamResult
    comparison: ExamComparison | None = None
    _series: dict[str, str] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)
    _tracking: dict[object, str] = field(default_factory=dict)

    @property
    def weights(self) -> str:
        """SHA-256 of the network's weights, or "unknown"."""
        return self.exam.software.get("model") or "unknown"

    @property
    def version(self) -> str:
        """Version of the software."""
        return self.exam.software.get("bacctl") or __version__

    def weights_of(self, source: Source) -> str:
        """SHA-256 of the weights that measured one image, or "unknown"."""
        return source.image.weights_sha256 or self.weights

    def identity(self, kind: str, source: Source | None = None) -> dict[str, Any]:
        """Return what highdicom's constructors take of series, instance and equipment."""
        # A series of presentation states names the breast, so that each has its own (PS3.3 C.7.3.1).
        side = source.image.laterality if source is not None and kind == "pr" else None
        series = f"{kind}{side or ''}"
        self._numbers[kind] = self._numbers.get(kind, 0) + 1
        return {
            "series_instance_uid": self._series.setdefault(series, new_uid()),
            "series_number": _SERIES_NUMBERS[kind],
            "series_description": f"{_SERIES_NAMES[kind]} ({INTENDED_USE})",
            "sop_instance_uid": new_uid(),
            "instance_number": self._numbers[kind],
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": MODEL,
            "software_versions": self.version,
            # A digest of 64 characters, as many as the element takes: another network is another device.
            "device_serial_number": self.weights if source is None else self.weights_of(source),
        }

    def tracking_uid(self, *find: object) -> UID:
        """Return the UID of a find, the same in every object of this run."""
        return UID(self._tracking.setdefault(find, new_uid()))


def find_name(source: Source, vessel: int | None = None) -> str:
    """Name an image, or a vessel of it, as tracking identifiers do: "R MLO, image 2, vessel 1"."""
    image = source.image
    view = " ".join(part for part in (image.laterality, image.view) if part)
    parts = [view, f"image {source.number + 1}", None if vessel is None else f"vessel {vessel}"]
    return ", ".join(part for part in parts if part)
