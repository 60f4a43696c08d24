"""Everything bright that is not an artery: the kinds, how often each is seen, and the switch of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

from bac_phantom.body.anatomy import Anatomy, ViewName
from bac_phantom.body.curves import FloatArray
from bac_phantom.calcium import deposits, metal
from bac_phantom.config import HARD_NEGATIVES

# Draws one object (or group) onto the canvas; False when this view has no place for it.
Drawer = Callable[[np.random.Generator, FloatArray, Anatomy, float, ViewName], bool]

KINDS: dict[str, tuple[Drawer, float]] = {
    # kind: (how it is drawn, expected number in a view)
    "cluster": (deposits.cluster, 0.5),
    "round": (deposits.round_deposits, 0.8),
    "rim": (deposits.rim, 0.3),
    "popcorn": (deposits.popcorn, 0.2),
    "rods": (deposits.secretory_rods, 0.35),
    "sutures": (deposits.sutures, 0.12),
    "skin": (deposits.skin_deposits, 0.3),
    "milk": (deposits.milk_of_calcium, 0.2),
    "clip": (metal.clip, 0.12),
    "bb": (metal.bb, 0.2),
    "scar": (metal.scar, 0.12),
    "pacemaker": (metal.pacemaker, 0.08),
    "deodorant": (metal.deodorant, 0.3),
    "letters": (metal.letters, 0.7),
}


def add_calcifications(
    rng: np.random.Generator,
    anatomy: Anatomy,
    pitch_mm: float,
    names: Sequence[str],
    rate: float,
    view: ViewName,
) -> tuple[FloatArray, list[str]]:
    """Draw what is bright and no artery over a view.

    Every kind gets a stream of its own from `rng`, so that leaving one out changes nothing else. Of `names`
    those of ``KINDS`` may appear; a `rate` of 2 means twice as many as there. Some kinds look different in CC
    and MLO, or appear in one only.

    Returns
    -------
    tuple
        float32 (rows, columns), mg/mm2 of calcium (equivalent) along the ray; and the kinds drawn, one entry
        for each object.
    """
    canvas = np.zeros(anatomy.inside.shape, dtype=np.float32)
    kinds: list[str] = []
    seed = int(rng.integers(2**63))
    for kind, (draw, expected) in KINDS.items():
        own = np.random.default_rng([seed, HARD_NEGATIVES.index(kind)])
        number = int(own.poisson(expected * rate))
        if kind not in names:
            continue
        for _ in range(number):
            if draw(own, canvas, anatomy, pitch_mm, view):
                kinds.append(kind)
    if kinds:
        canvas = ndimage.gaussian_filter(canvas, 0.35)
        canvas[canvas < 1e-4] = 0
    return canvas, kinds
