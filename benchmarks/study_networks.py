"""Compare networks by their cost: the default loss, the same patches and number of steps.

Needs caches of phantom cases to train on and phantom data sets to validate on; docs/studies.md says which
were used and what came out. A run that is finished is skipped::

    python benchmarks/study_networks.py CACHE... --validation DATA... --out study-networks --seeds 1
"""

from __future__ import annotations

from pathlib import Path

from study_common import Variant, study

VARIANTS = (
    Variant("plain-16", {"widths": [16, 32, 64, 96, 128]}),
    Variant("plain-32", {"widths": [32, 48, 64, 96, 128]}),
    Variant("plain-48", {"widths": [48, 64, 96, 128, 160]}),
    Variant("four-levels", {"widths": [16, 32, 64, 96]}),
    Variant("six-levels", {"widths": [16, 32, 64, 96, 128, 128]}),
    Variant("residual-16", {"widths": [16, 32, 64, 96, 128], "block": "residual"}),
    Variant("depthwise-32", {"widths": [32, 64, 96, 128, 192], "block": "depthwise"}),
    Variant("depthwise-64", {"widths": [64, 96, 128, 192, 256], "block": "depthwise"}),
    Variant("dilated-16", {"widths": [16, 32, 64, 96, 128], "block": "dilated"}),
)

if __name__ == "__main__":
    study((__doc__ or "").splitlines()[0], Path("study-networks"), VARIANTS)
