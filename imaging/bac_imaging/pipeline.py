"""The two halves around the network: file bytes to tiles, probabilities to the report.

``prepare``, then the network, then ``stitch``, ``find``, ``weigh`` and ``report``, which ``quantify`` calls
in order. Serving, training and evaluation call these functions: what is evaluated is what serves. A process
that needs one half imports `bac_imaging.prepare` or `bac_imaging.quantify`.
"""

from __future__ import annotations

from bac_imaging.prepare import Prepared, prepare, to_working_mask
from bac_imaging.quantify import Quantified, find, quantify, report, stitch
from bac_imaging.weighing import Weighed, weigh

__all__ = [
    "Prepared",
    "Quantified",
    "Weighed",
    "find",
    "prepare",
    "quantify",
    "report",
    "stitch",
    "to_working_mask",
    "weigh",
]
