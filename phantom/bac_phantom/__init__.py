"""Digital mammograms of known calcium mass, with their own X-ray physics. Research use only."""

from bac_phantom.config import DETECTORS, HARD_NEGATIVES, MIXES, PhantomConfig
from bac_phantom.dataset import write_dataset, write_woman
from bac_phantom.view import View
from bac_phantom.woman import Woman, make_woman

__all__ = [
    "DETECTORS",
    "HARD_NEGATIVES",
    "MIXES",
    "PhantomConfig",
    "View",
    "Woman",
    "make_woman",
    "write_dataset",
    "write_woman",
]
