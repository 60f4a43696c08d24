"""What women are drawn from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RandomFieldConfig:
    """What women are drawn from.

    Attributes
    ----------
    look : str
        "raw", "presentation", "copy", "film"; "mixed": one of them a woman; "paired": every woman twice, raw
        and for presentation.
    systems, styles : tuple of str
        Of `detector.SYSTEMS` and `processing.STYLES`; leave one out to test on it.
    positive_share : float
        Share of women with BAC.
    mass_range_mg : tuple of float
        Calcium of a woman with BAC, spread evenly in its logarithm; what her arteries can hold may be less.
    two_view_share : float
        Share of women with one view a breast.
    header_thickness_error_mm : float
        By how much the header's thickness is off, at most.
    """

    look: str = "mixed"
    systems: tuple[str, ...] = ("se-70", "csi-100", "se-85", "se-50")
    styles: tuple[str, ...] = ("flat", "multiscale", "curve", "synthetic", "crisp")
    positive_share: float = 0.66
    mass_range_mg: tuple[float, float] = (0.8, 160.0)
    two_view_share: float = 0.15
    header_thickness_error_mm: float = 3.0
