"""The words that a field of a measured image is limited to."""

from __future__ import annotations

from typing import Literal

Status = Literal["ok", "refused", "failed"]
Laterality = Literal["L", "R"]
MassBasis = Literal["calibrated", "estimated", "none"]
"""How far a calcium mass can be trusted."""
