"""What stands in place of a UID in an output: itself, or another where outputs are de-identified."""

from __future__ import annotations

from collections.abc import Callable

from bacctl.outputs.exam_files import Choices

Shown = Callable[[str | None], str | None]


def shown_uids(choices: Choices) -> Shown:
    """Return what turns a UID into the one that is written; None stays None.

    Parameters
    ----------
    choices : Choices
        Whether outputs are de-identified: all of a run change a UID into the same other one.
    """
    if not choices.deidentify:
        return lambda uid: uid
    from bacctl.outputs.deidentify import this_run

    return lambda uid: None if uid is None else this_run().uid(uid)
