"""What stands in place of UIDs and paths in an output: others or none where it is de-identified."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from bacctl.outputs.exam_files import Choices
from bacctl.results.columns import Row

_UIDS = ("sop_instance_uid", "study_instance_uid")
# What may name a person, a place or one machine.
_NAMING = ("path", "folder", "detector_id_hash")

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


def shown_rows(rows: Iterable[Row], choices: Choices) -> Iterator[Row]:
    """Yield rows of a table as they are written.

    Parameters
    ----------
    rows : iterable of dict
        As `bacctl.results.columns` makes them.
    choices : Choices
        De-identified, UIDs are changed and paths, folders and detectors are None.
    """
    if not choices.deidentify:
        yield from rows
        return
    shown = shown_uids(choices)
    for row in rows:
        yield {
            name: None if name in _NAMING else shown(value) if name in _UIDS else value
            for name, value in row.items()
        }
