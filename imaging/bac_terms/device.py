"""What took an image: without it nobody sees that a unit drifts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from bac_terms.fields import Text
from bac_terms.record import Record

# Of a header, so that anything may stand there: one line of bounded length, and nothing that moves a cursor.
Told = Annotated[str, Text(r"[^\x00-\x1f\x7f-\x9f]{1,256}")]
DetectorHash = Annotated[str, Text("[0-9a-f]{16}")]


@dataclass(frozen=True, slots=True)
class Device(Record):
    """The unit that took an image, as the header tells it; None for what it does not tell.

    Attributes
    ----------
    manufacturer, model : str or None
        As the header writes them, blanks at the ends left out.
    software_versions : str or None
        All of them, in their order, with ``; `` between.
    detector_id_hash : str or None
        The first 16 hexadecimal digits of the SHA-256 of ``manufacturer``, a line feed and the detector's ID.
        Without salt, so that one detector has one hash in every archive and after every restart: that is
        what drift is followed by. IDs are short and can be guessed; it hides the number, and is no secret.
    """

    manufacturer: Told | None = None
    model: Told | None = None
    software_versions: Told | None = None
    detector_id_hash: DetectorHash | None = None
