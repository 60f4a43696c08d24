"""Codes of what objects say: the standard's where it has one, else of a scheme of our own."""

from __future__ import annotations

from typing import Final

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

SCHEME = "99BACCTL"

# Finds
VASCULAR_CALCIFICATION: Final = Code("129759000", "SCT", "Vascular calcification")  # CID 6010
ABNORMAL_STRUCTURE: Final = Code("49755003", "SCT", "Morphologically Abnormal Structure")  # CID 7150
BREAST: Final = Code("76752008", "SCT", "Breast")
SIDES: Final = {"L": Code("7771000", "SCT", "Left"), "R": Code("24028007", "SCT", "Right")}
BOTH_SIDES: Final = Code("51440002", "SCT", "Bilateral")
MAMMOGRAPHY: Final = Code("71651007", "SCT", "Mammography")

# Views, CID 4014
IMAGE_VIEW: Final = Code("111031", "DCM", "Image View")
VIEWS: Final = {
    "CC": Code("399162004", "SCT", "cranio-caudal"),
    "MLO": Code("399368009", "SCT", "medio-lateral oblique"),
    "ML": Code("399260004", "SCT", "medial-lateral"),
    "LM": Code("399352003", "SCT", "latero-medial"),
    "LMO": Code("399099002", "SCT", "latero-medial oblique"),
    "FB": Code("399196006", "SCT", "caudo-cranial"),
    "SIO": Code("399188001", "SCT", "superolateral to inferomedial oblique"),
    "ISO": Code("441555000", "SCT", "inferomedial to superolateral oblique"),
    "XCCL": Code("399192008", "SCT", "cranio-caudal exaggerated laterally"),
    "XCCM": Code("399101009", "SCT", "cranio-caudal exaggerated medially"),
}

# Amounts, CID 6142 and 218
MASS: Final = Code("112199", "DCM", "Mass of Vascular Calcification")
AREA: Final = Code("112196", "DCM", "Area of Vascular Calcification")
LENGTH: Final = Code("410668003", "SCT", "Length")
MG: Final = Code("mg", "UCUM", "mg")
MM2: Final = Code("mm2", "UCUM", "mm2")
MM: Final = Code("mm", "UCUM", "mm")
MG_PER_MM2: Final = Code("mg/mm2", "UCUM", "mg/mm2")
NO_UNITS: Final = Code("1", "UCUM", "no units")
NOT_ATTEMPTED: Final = Code("114007", "DCM", "Measurement not attempted")  # CID 42

SOURCE_IMAGE: Final = Code("121322", "DCM", "Source image for image processing operation")
ARTIFICIAL_INTELLIGENCE: Final = Code("123110", "DCM", "Artificial Intelligence")


def own(value: str, meaning: str) -> Code:
    """Return a code of our own scheme; meanings are cut at 64 characters, which a code has room for."""
    if len(meaning) > 64:
        meaning = meaning[:61].rsplit(" ", 1)[0] + "..."
    return Code(value, SCHEME, meaning)


def scheme_item() -> CodingSchemeIdentificationItem:
    """Say who answers for the codes of our own."""
    return CodingSchemeIdentificationItem(
        designator=SCHEME, name="Codes of bacctl", responsible_organization="bacctl"
    )


def item_of(code: Code) -> Dataset:
    """Return a code as an item of a sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = (
        code.value,
        code.scheme_designator,
        code.meaning,
    )
    return item
