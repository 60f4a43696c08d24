"""The error of training and evaluation."""

from __future__ import annotations

__all__ = ["TrainingError"]


class TrainingError(Exception):
    """Training or evaluation cannot go on; the message is one line that says what to do."""
