"""``--files-from``: the paths that another program wrote down."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bacctl.cli.guard import UsageError, describe_os_error

_STDIN = "-"
_BOM = b"\xef\xbb\xbf"


def read_listing(source: str, *, null: bool) -> list[Path]:
    """Read the paths of a list, a file or "-" for standard input, to its end; empty ones are left out.

    With `null` NUL bytes end the paths, as after ``find -print0``, and not line ends. Only so can a path with
    a line break in it be told.

    Raises
    ------
    UsageError
        It cannot be read, or its paths end otherwise.
    """
    name = "standard input" if source == _STDIN else source
    try:
        data = sys.stdin.buffer.read() if source == _STDIN else Path(source).read_bytes()
    except AttributeError:  # closed by the caller: Python has None there
        raise UsageError("--files-from -: standard input is closed; pipe a list into it") from None
    except OSError as error:
        raise UsageError(f"--files-from: {describe_os_error(error)}; check the path") from None
    if null and b"\0" not in data and b"\n" in data:
        raise UsageError(f"--files-from: {name} has line ends and no NUL bytes; leave out -0")
    if not null and b"\0" in data:
        raise UsageError(
            f"--files-from: {name} holds NUL bytes; give -0 after find -print0, or save the list as UTF-8"
        )
    if null:
        entries = data.split(b"\0")
    else:
        # Lists that were made on Windows end their lines with two characters and may begin with a mark.
        entries = [entry.removesuffix(b"\r") for entry in data.removeprefix(_BOM).split(b"\n")]
    return [Path(os.fsdecode(entry)) for entry in entries if entry]
