"""Compare losses: the same small network, patches and number of steps, three seeds each.

Needs caches of phantom cases to train on and phantom data sets to validate on; docs/studies.md says which
were used and what came out. A run that is finished is skipped::

    python benchmarks/study_losses.py CACHE... --validation DATA... --out study-losses
"""

from __future__ import annotations

from pathlib import Path

from study_common import Variant, study

SMALL = {"widths": [16, 32, 64, 96, 128]}

VARIANTS = (
    Variant("bce", SMALL, {"dice": 0.0, "hausdorff": 0.0}),
    Variant("bce+dice", SMALL, {"hausdorff": 0.0}),
    Variant("bce+dice+hausdorff", SMALL),
    # alpha x Dice + (1 - alpha) x Hausdorff with alpha from 1 to 0.001 over the whole run, the Hausdorff term
    # in square pixels as there (16 squared undoes the division by the cap).
    Variant(
        "dice-to-hausdorff",
        SMALL,
        {
            "bce": 0.0,
            "hausdorff": 256.0,
            "schedule": "exchange",
            "hausdorff_start": 0.0,
            "hausdorff_full": 1.0,
        },
    ),
)

if __name__ == "__main__":
    study((__doc__ or "").splitlines()[0], Path("study-losses"), VARIANTS)
