"""What is said in every output, in the words of the standards: one table, of the standard library alone.

DICOM objects, FHIR resources and tables have the same codes from here. Sources: PS3.16 (CID 6010, 6142, 218,
4014) and SNOMED CT.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Concept(NamedTuple):
    """A code.

    Attributes
    ----------
    scheme : str
        "DCM" or "SCT".
    value, meaning : str
        The code and its words.
    """

    scheme: str
    value: str
    meaning: str


VASCULAR_CALCIFICATION: Final = Concept("SCT", "129759000", "Vascular calcification")
MASS: Final = Concept("DCM", "112199", "Mass of Vascular Calcification")
AREA: Final = Concept("DCM", "112196", "Area of Vascular Calcification")
LENGTH: Final = Concept("SCT", "410668003", "Length")

VIEWS: Final = {
    "CC": Concept("SCT", "399162004", "cranio-caudal"),
    "MLO": Concept("SCT", "399368009", "medio-lateral oblique"),
    "ML": Concept("SCT", "399260004", "medial-lateral"),
    "LM": Concept("SCT", "399352003", "latero-medial"),
    "LMO": Concept("SCT", "399099002", "latero-medial oblique"),
    "FB": Concept("SCT", "399196006", "caudo-cranial"),
    "SIO": Concept("SCT", "399188001", "superolateral to inferomedial oblique"),
    "ISO": Concept("SCT", "441555000", "inferomedial to superolateral oblique"),
    "XCCL": Concept("SCT", "399192008", "cranio-caudal exaggerated laterally"),
    "XCCM": Concept("SCT", "399101009", "cranio-caudal exaggerated medially"),
}
"""Projections by ViewPosition (CID 4014)."""
