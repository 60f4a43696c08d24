"""Mammograms of known calcium mass from random fields.

A second phantom, made to disagree with `bac_phantom`: it shares no code and no model with it, so a network
that is right on both has learned more than either. Both draw arteries into the same real images, which
`bac_backgrounds` reads. Research use only.
"""

from bac_randfield.config import RandomFieldConfig
from bac_randfield.dataset import women_of, write_dataset
from bac_randfield.view import View, Woman
from bac_randfield.woman import make_woman

__all__ = ["RandomFieldConfig", "View", "Woman", "make_woman", "women_of", "write_dataset"]
