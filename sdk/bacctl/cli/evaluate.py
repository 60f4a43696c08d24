"""``bacctl evaluate``: hold the model against known truth."""

from __future__ import annotations

from bacctl.cli.guard import guarded


@guarded
def evaluate() -> None:
    """Measure a data set of known truth: Dice, F1, Bland-Altman. Research use only."""
