"""Where rows and columns of an image lead in the patient."""

from __future__ import annotations

import re

from bac_imaging.read.attributes.header import Header

# PS3.3 C.7.6.1.1.1: up to three letters, no two of one axis.
_LETTERS = re.compile(r"(?!.*(?:[AP].*[AP]|[LR].*[LR]|[HF].*[HF]))[APLRHF]{1,3}")


def read_orientation(header: Header) -> tuple[str, str] | None:
    """Read PatientOrientation: where columns lead as they rise, then where rows do.

    Parameters
    ----------
    header : Header
        Header of the image.

    Returns
    -------
    tuple of str or None
        Such as ``("P", "L")``; None where it is not there, or is not two directions of the standard.
    """
    found = header.texts("PatientOrientation")
    if len(found) != 2 or not all(_LETTERS.fullmatch(text) for text in found):
        return None
    return found[0], found[1]
