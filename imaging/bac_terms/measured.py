"""The words that a field of a measured image is limited to."""

from __future__ import annotations

from typing import Literal

Status = Literal["ok", "refused", "failed"]
Laterality = Literal["L", "R"]
MassBasis = Literal["calibrated", "estimated", "none"]
"""How far a calcium mass can be trusted."""
Side = Literal["inner", "outer", "upper", "lower"]
"""Of the nipple: inner and outer show on CC views, upper and lower on MLO."""
Depth = Literal["anterior", "middle", "posterior"]
"""Third of the way from the nipple to the chest wall."""
OutlineSource = Literal["network", "given"]
"""Who drew the outline of what was weighed."""
