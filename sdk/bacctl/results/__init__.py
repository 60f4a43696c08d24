"""What an analysis gives back: frozen, typed records.

Each has ``to_dict``, which gives its part of the JSON document described by ``schema/analysis-1.json`` or
``schema/comparison-1.json``.
"""

from bac_terms.beam import Beam
from bac_terms.measured import Laterality, MassBasis, Status
from bac_terms.notices import Notice
from bac_terms.report import AreaEstimate, Vessel
from bacctl.results.comparison import BreastComparison, Change, ExamComparison, Obstacle, Verdict
from bacctl.results.exam import (
    AreaClass,
    BreastResult,
    CategoryBasis,
    CsbiGrade,
    ExamResult,
    MassCategory,
    ViewResult,
)
from bacctl.results.image import ImageResult
from bacctl.wording import INTENDED_USE

SCHEMA = "bacctl.analysis/1"
COMPARISON_SCHEMA = "bacctl.comparison/1"

__all__ = [
    "COMPARISON_SCHEMA",
    "INTENDED_USE",
    "SCHEMA",
    "AreaClass",
    "AreaEstimate",
    "Beam",
    "BreastComparison",
    "BreastResult",
    "CategoryBasis",
    "Change",
    "CsbiGrade",
    "ExamComparison",
    "ExamResult",
    "ImageResult",
    "Laterality",
    "MassBasis",
    "MassCategory",
    "Notice",
    "Obstacle",
    "Status",
    "Verdict",
    "Vessel",
    "ViewResult",
]
