"""What an analysis gives back: frozen, typed records.

Each has ``to_dict``, which gives its part of the JSON document described by ``schema/analysis-1.json``.
"""

from bacctl.exam_results import AreaClass, BreastResult, ExamResult, MassCategory
from bacctl.image_result import Beam, ImageResult, Laterality, MassBasis, Notice, Status, Vessel

SCHEMA = "bacctl.analysis/1"
INTENDED_USE = "research use only"

__all__ = [
    "INTENDED_USE",
    "SCHEMA",
    "AreaClass",
    "Beam",
    "BreastResult",
    "ExamResult",
    "ImageResult",
    "Laterality",
    "MassBasis",
    "MassCategory",
    "Notice",
    "Status",
    "Vessel",
]
