"""The errors of training and evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from bac_terms.errors import BacctlError

__all__ = ["DataSetError", "TrainingError", "refusal"]

_MOST_NAMED = 20
# The catalogue's own advice names an option of the command that analyses images.
_ADVICE = {
    "BAC-SPACING-MISSING": "fill in pixel_spacing_mm in the list",
    "BAC-SPACING-CONFLICT": "find out which is right, then correct the header or empty pixel_spacing_mm",
}


def refusal(error: BacctlError) -> str:
    """Say in one line, with its code, why an image cannot be trained on and what to do."""
    return f"{error.code}: {error.message}; {_ADVICE.get(error.code, error.hint)}"


class TrainingError(Exception):
    """Training or evaluation cannot go on; the message is one line that says what to do."""


class DataSetError(TrainingError):
    """A data set has faults; the message is one line that counts them, then one line for each.

    `problems` are one line each: the file, what is wrong, what to do. The first twenty are written into the
    message, with the `consequence`: what was therefore not done.
    """

    def __init__(self, problems: Sequence[str], consequence: str = "nothing was trained") -> None:
        super().__init__(problems, consequence)
        self.problems = tuple(problems)
        self._consequence = consequence

    @property
    def lines(self) -> list[str]:
        """What the message says, a line each."""
        count = len(self.problems)
        lines = [f"{count} problem{'s' * (count != 1)} in the data; {self._consequence}", *self.problems]
        if count > _MOST_NAMED:
            lines[1 + _MOST_NAMED :] = [f"and {count - _MOST_NAMED} more"]
        return lines

    def __str__(self) -> str:
        return "\n".join(self.lines)
