"""What is demanded of a find before it counts as a calcified vessel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class PostProcessing:
    """What counts as a calcified vessel. Lengths in working pixels are those of the detector's plane.

    The defaults serve weights whose card gives no others. In serving, the model card's threshold is the
    outline, and its post-processing, chosen with it on validation women, takes the place of what it names.

    Attributes
    ----------
    outline : float
        Probability from which on a pixel lies in a vessel, if it is no farther than 0.2 mm from its core.
    core : float
        Probability from which on pixels make up the pieces that the demands below are held against. With
        a core above the outline, caution about what is a vessel does not make vessels thin.
    seed : float
        Probability that a piece must reach somewhere.
    companion : float or None
        The same of further pieces of an image that has a vessel by all these demands: where there is one
        calcified artery there are others, and rarely on an image without. None for the seed itself.
    min_area_mm2 : float
        Smallest vessel: 2 mm2 is 3 mm of a narrow artery.
    min_length_mm : float
        Shortest vessel: longer than benign round calcifications and rods of secretory disease are wide.
    min_elongation : float
        Smallest length over mean width; round things have about 1.
    bridge_mm : float
        Gaps between cores along a vessel that are narrower than this are bridged (the mask convention).

    Raises
    ------
    ValueError
        When the outline lies above the core.
    """

    outline: float = 0.5
    core: float = 0.5
    seed: float = 0.6
    min_area_mm2: float = 2.0
    min_length_mm: float = 5.0
    min_elongation: float = 2.0
    bridge_mm: float = 2.0
    companion: float | None = None

    def __post_init__(self) -> None:
        if self.outline > self.core:
            raise ValueError(f"the outline, {self.outline:g}, lies above the core, {self.core:g}")

    @classmethod
    def of(cls, threshold: float, chosen: Mapping[str, float]) -> PostProcessing:
        """Return what a model card says: its threshold is the outline.

        Parameters
        ----------
        threshold : float
            Probability.
        chosen : mapping of str to float
            Other fields. Without a core among them, the threshold is that too.
        """
        core = max(threshold, chosen.get("core", threshold))
        seed = max(core, chosen.get("seed", cls.seed))
        return cls(**{**chosen, "outline": threshold, "core": core, "seed": seed})

    def with_outline(self, outline: float) -> PostProcessing:
        """Return these with another outline; a core below it, or a seed below that, is raised to it."""
        core = max(self.core, outline)
        return replace(self, outline=outline, core=core, seed=max(self.seed, core))

    @property
    def least_seed(self) -> float:
        """Return the least probability that a piece must reach anywhere, on an image that has a vessel."""
        return self.seed if self.companion is None else min(self.seed, max(self.core, self.companion))
