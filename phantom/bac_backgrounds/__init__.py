"""Real mammograms without BAC that a phantom's arteries are put into: real tissue, known mask, nominal mass.

Knows neither phantom: each hands in a function that draws. Research use only.
"""

from bac_backgrounds.images import BackgroundError, read_background
from bac_backgrounds.insert import Draw, Drawn, Inserted, insert, write_inserted

__all__ = ["BackgroundError", "Draw", "Drawn", "Inserted", "insert", "read_background", "write_inserted"]
