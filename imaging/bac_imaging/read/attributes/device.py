"""Which unit took an image."""

from __future__ import annotations

import re
from hashlib import sha256

from bac_imaging.read.attributes.header import Header
from bac_terms.device import Device
from bac_terms.identifiers import names_nothing

_LONGEST = 64  # PS3.5 6.2, LO
_MOST = 256
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_HASH_DIGITS = 16


def read_device(header: Header) -> Device | None:
    """Read manufacturer, model, software and detector (PS3.3 C.7.5.1, C.8.11.4).

    Parameters
    ----------
    header : Header
        Header of the image.

    Returns
    -------
    Device or None
        None where the header tells none of it. The detector's ID is in it as a hash only.
    """
    maker = _told(header.written_values("Manufacturer"))
    detector = _told(header.written_values("DetectorID"))
    device = Device(
        manufacturer=maker,
        model=_told(header.written_values("ManufacturerModelName")),
        software_versions=_told(header.written_values("SoftwareVersions")),
        detector_id_hash=None if detector is None else _hashed(maker, detector),
    )
    return None if device == Device() else device


def _told(values: tuple[str, ...]) -> str | None:
    """Put values on one line; None where they say nothing."""
    clean = (" ".join(_UNSEEN.sub(" ", value).split())[:_LONGEST].strip() for value in values)
    text = "; ".join(value for value in clean if value and not names_nothing(value))
    return text[:_MOST].strip() or None


def _hashed(maker: str | None, detector: str) -> str:
    return sha256(f"{maker or ''}\n{detector}".encode("utf-8", "replace")).hexdigest()[:_HASH_DIGITS]
