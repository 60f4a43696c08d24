"""Codes of what objects say: the standard's where it has one, else of a scheme of our own."""

from __future__ import annotations

from typing import Final

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from bacctl.outputs import codes
from bacctl.outputs.codes import Concept

SCHEME = "99BACCTL"


def _code(concept: Concept) -> Code:
    return Code(concept.value, concept.scheme, concept.meaning)


# Finds
VASCULAR_CALCIFICATION: Final = _code(codes.VASCULAR_CALCIFICATION)
ABNORMAL_STRUCTURE: Final = Code("49755003", "SCT", "Morphologically Abnormal Structure")  # CID 7150
BREAST: Final = Code("76752008", "SCT", "Breast")
SIDES: Final = {"L": Code("7771000", "SCT", "Left"), "R": Code("24028007", "SCT", "Right")}
BOTH_SIDES: Final = Code("51440002", "SCT", "Bilateral")
MAMMOGRAPHY: Final = Code("71651007", "SCT", "Mammography")

# Views, CID 4014
IMAGE_VIEW: Final = Code("111031", "DCM", "Image View")
VIEWS: Final = {view: _code(concept) for view, concept in codes.VIEWS.items()}

# Amounts, CID 6142 and 218
MASS: Final = _code(codes.MASS)
AREA: Final = _code(codes.AREA)
LENGTH: Final = _code(codes.LENGTH)
MG: Final = Code("mg", "UCUM", "mg")
MM2: Final = Code("mm2", "UCUM", "mm2")
MM: Final = Code("mm", "UCUM", "mm")
MG_PER_MM2: Final = Code("mg/mm2", "UCUM", "mg/mm2")
NO_UNITS: Final = Code("1", "UCUM", "no units")
NOT_ATTEMPTED: Final = Code("114007", "DCM", "Measurement not attempted")  # CID 42

SOURCE_IMAGE: Final = Code("121322", "DCM", "Source image for image processing operation")
ARTIFICIAL_INTELLIGENCE: Final = Code("123110", "DCM", "Artificial Intelligence")


# Of a scheme of our own: what no published code says. Code values have at most 16 characters.
MASS_LOW: Final = Code("MASS-LOW", SCHEME, "Lower limit of the 95 % interval of the calcium mass")
MASS_HIGH: Final = Code("MASS-HIGH", SCHEME, "Upper limit of the 95 % interval of the calcium mass")
AREA_MASS: Final = Code("AREA-MASS", SCHEME, "Calcium mass guessed from the area, not measured")
AREA_MASS_LOW: Final = Code("AREA-MASS-LOW", SCHEME, "Lower 95 % limit of the mass guessed from the area")
AREA_MASS_HIGH: Final = Code("AREA-MASS-HIGH", SCHEME, "Upper 95 % limit of the mass guessed from the area")
PROBABILITY: Final = Code("PROBABILITY", SCHEME, "Probability or score of arterial calcification")
CATEGORY_PROBABILITY: Final = {
    "0-20": Code("P-0-20", SCHEME, "Probability of the category 0-20 mg"),
    "20-40": Code("P-20-40", SCHEME, "Probability of the category 20-40 mg"),
    "40-60": Code("P-40-60", SCHEME, "Probability of the category 40-60 mg"),
    "60-80": Code("P-60-80", SCHEME, "Probability of the category 60-80 mg"),
    ">80": Code("P-80-MORE", SCHEME, "Probability of the category >80 mg"),
}
VESSEL_COUNT: Final = Code("VESSELS", SCHEME, "Number of calcified stretches of artery")
WIDTH: Final = Code("MEAN-WIDTH", SCHEME, "Mean width of the calcified stretch")

LEVEL: Final = Code("LEVEL", SCHEME, "What is measured")
LEVELS: Final = {
    "woman": Code("WOMAN", SCHEME, "Both breasts of one exam"),
    "breast": Code("BREAST", SCHEME, "One breast, mean of its views"),
    "view": Code("VIEW", SCHEME, "One image"),
    "vessel": Code("VESSEL", SCHEME, "One calcified stretch of artery on one image"),
}
DETECTED: Final = Code("705057003", "SCT", "Presence")
PRESENT: Final = Code("52101004", "SCT", "Present")
ABSENT: Final = Code("2667000", "SCT", "Absent")
BASIS: Final = Code("MASS-BASIS", SCHEME, "How the calcium mass came about")
BASES: Final = {
    "calibrated": Code("CALIBRATED", SCHEME, "Calibrated: from a known beam and exposure scale"),
    "estimated": Code("ESTIMATED", SCHEME, "Estimated: something about the beam is assumed"),
    "none": Code("NONE", SCHEME, "None: the image gives no mass"),
}
CATEGORY: Final = Code("MASS-CATEGORY", SCHEME, "Category of the calcium mass of both breasts")
CATEGORIES: Final = {
    "0": Code("0", SCHEME, "No arterial calcification found"),
    "0-20": Code("0-20", SCHEME, "0-20 mg"),
    "20-40": Code("20-40", SCHEME, "20-40 mg"),
    "40-60": Code("40-60", SCHEME, "40-60 mg"),
    "60-80": Code("60-80", SCHEME, "60-80 mg"),
    ">80": Code(">80", SCHEME, "More than 80 mg"),
}
CATEGORY_BASIS: Final = Code("CATEGORY-BASIS", SCHEME, "What the category probabilities follow from")
CATEGORY_BASES: Final = {
    "mass": Code("MASS", SCHEME, "The measured mass"),
    "area": Code("AREA", SCHEME, "The mass guessed from the area"),
}
AREA_CLASS: Final = Code("AREA-CLASS", SCHEME, "Class of the calcified area of both breasts, mm2")
AREA_CLASSES: Final = {
    "0": Code("A-0", SCHEME, "No arterial calcification found"),
    "0-10": Code("A-0-10", SCHEME, "0-10 mm2"),
    "10-25": Code("A-10-25", SCHEME, "10-25 mm2"),
    ">25": Code("A-25-MORE", SCHEME, "More than 25 mm2"),
}
CSBI: Final = Code("CSBI-GRADE", SCHEME, "Estimate of the CSBI grade, from counts")
CSBI_GRADES: Final = {
    0: Code("CSBI-0", SCHEME, "0"),
    2: Code("CSBI-2", SCHEME, "2"),
    3: Code("CSBI-3", SCHEME, "3"),
}
WARNING: Final = Code("WARNING", SCHEME, "Warning")
NOT_MEASURED: Final = Code("NOT-MEASURED", SCHEME, "Image of the exam that was not measured")
MISSING_VIEW: Final = Code("MISSING-VIEW", SCHEME, "View that the exam lacks")
INTENDED: Final = Code("INTENDED-USE", SCHEME, "Intended use")
UPPER_UNCERTAINTY: Final = Code("371886008", "SCT", "+, range of upper measurement uncertainty")
LOWER_UNCERTAINTY: Final = Code("371885007", "SCT", "-, range of lower measurement uncertainty")


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
