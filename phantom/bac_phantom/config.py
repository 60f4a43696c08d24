"""What kind of women and detectors to draw from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

LookChoice = Literal["raw", "raw-log", "presentation", "film", "mixed"]

# Everything that looks like arterial calcification and is none, by the name it has in truth.json.
HARD_NEGATIVES = (
    # calcifications
    "cluster",
    "round",
    "rim",
    "popcorn",
    "rods",
    "sutures",
    "skin",
    "milk",
    # metal, and what lies on the skin
    "clip",
    "bb",
    "scar",
    "pacemaker",
    "deodorant",
    "letters",
    # anatomy
    "vessels",
    "masses",
    "folds",
    "pectoral",
    # film
    "scratches",
    "text",
)

PRESENTATION_STYLES = ("equalised", "multiscale", "table", "inverted", "plain")


@dataclass(frozen=True)
class Detector:
    """A detector and the techniques it is used with."""

    material: Literal["a-Se", "CsI"]
    pitch_mm: float
    rows: int
    columns: int
    anode_filters: tuple[tuple[str, str], ...]


# Matrix sizes and pitches as full-field digital systems have them; techniques as they are usually paired.
DETECTORS = {
    "csi-100": Detector("CsI", 0.1, 2294, 1914, (("Mo", "Mo"), ("Mo", "Rh"), ("Rh", "Rh"), ("Rh", "Ag"))),
    "csi-94": Detector("CsI", 0.0941, 3062, 2394, (("Mo", "Rh"), ("Rh", "Rh"))),
    "ase-85": Detector("a-Se", 0.085, 3518, 2800, (("W", "Rh"),)),
    "ase-70": Detector("a-Se", 0.07, 3328, 2560, (("W", "Rh"), ("W", "Ag"))),
    "ase-100": Detector("a-Se", 0.1, 2394, 1800, (("W", "Rh"), ("W", "Ag"), ("W", "Al"))),
    # Photo-stimulable plates and film scanners read 18 cm x 24 cm at 0.05 mm.
    "csi-50": Detector("CsI", 0.05, 4740, 3540, (("Mo", "Mo"), ("Mo", "Rh"))),
}


@dataclass(frozen=True)
class PhantomConfig:
    """What kind of women to make. All choices are drawn from the seed.

    Attributes
    ----------
    look
        How the images are stored: ``raw`` (FOR PROCESSING), ``raw-log``, ``presentation``, ``film`` (TIFF) or
        ``mixed``: each woman one of them.
    look_shares
        Shares of raw, raw-log, presentation and film among women of the look ``mixed``.
    positive_share
        Share of women with arterial calcification.
    mass_range_mg
        Range of a positive woman's calcium mass; drawn log-uniformly.
    outer_width_range_mm
        Range of an artery's outer width, drawn log-uniformly.
    thickness_range_mm
        Range of the compressed thickness.
    header_thickness_error_mm
        The header's thickness is off by up to this much, uniformly; 0 for a true header.
    hard_negatives
        Names of ``HARD_NEGATIVES`` that are drawn; what is left out does not appear.
    hard_negative_rate
        How many of them: 1 as usual, 2 twice as many.
    presentation_styles
        Names of ``PRESENTATION_STYLES`` to draw from.
    detectors
        Names of ``DETECTORS`` to draw from.
    """

    look: LookChoice = "raw"
    look_shares: tuple[float, float, float, float] = (0.22, 0.08, 0.3, 0.4)
    positive_share: float = 0.67
    mass_range_mg: tuple[float, float] = (1.0, 120.0)
    outer_width_range_mm: tuple[float, float] = (0.8, 3.0)
    thickness_range_mm: tuple[float, float] = (30.0, 75.0)
    header_thickness_error_mm: float = 0.0
    hard_negatives: tuple[str, ...] = HARD_NEGATIVES
    hard_negative_rate: float = 1.0
    presentation_styles: tuple[str, ...] = PRESENTATION_STYLES
    detectors: tuple[str, ...] = 3 * ("csi-100",) + 2 * ("ase-100",) + ("csi-94", "ase-85", "ase-70")


# What networks are trained on. One detector and one style are kept from it, for the held-out set to have
# something that no network has seen. What is no artery comes twice as often: scars, pacemakers and deodorant
# are so rare otherwise that a network sees a dozen of each.
TRAINING = PhantomConfig(
    look="mixed",
    positive_share=0.75,
    mass_range_mg=(0.7, 140.0),
    outer_width_range_mm=(0.7, 3.2),
    header_thickness_error_mm=6.0,
    hard_negative_rate=2.0,
    presentation_styles=tuple(style for style in PRESENTATION_STYLES if style != "table"),
    detectors=4 * ("csi-100",) + 3 * ("ase-100",) + ("csi-94", "ase-85", "ase-70"),
)

# The case mix that results are stated on: a third of the women without calcification, masses log-uniform from
# 1 to 120 mg, outer widths of 0.8 to 3 mm, all densities, two thirds raw and one third for presentation.
HELD_OUT = PhantomConfig(
    look="mixed",
    look_shares=(0.67, 0.0, 0.33, 0.0),
    header_thickness_error_mm=6.0,
    detectors=4 * ("csi-100",) + 4 * ("ase-100",) + ("csi-94", "ase-85", "ase-70", "csi-50"),
)

# The same women without the detector and the style that are kept for the held-out set: what thresholds are
# chosen on.
VALIDATION = replace(HELD_OUT, presentation_styles=TRAINING.presentation_styles, detectors=TRAINING.detectors)

MIXES = {
    "default": PhantomConfig(),
    "training": TRAINING,
    "validation": VALIDATION,
    "held-out": HELD_OUT,
}
