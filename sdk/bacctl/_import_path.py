"""Keeps the folder that a command is called from off Python's import path.

What lies there is data: a file `scipy.py` or a folder `dl` among it must neither stand in for a library nor
be run. Everything that is imported here is part of every Python that has started, so that it cannot be found
there.
"""

import os
import sys


def leave_out_current_folder() -> None:
    """Take the current folder off the import path of this process, and off that of Pythons that it starts.

    It comes there by ``python -m``, and by entries of ``PYTHONPATH`` that are empty or relative; those mean
    whatever folder a program happens to start in, and are left out altogether. The folder that holds this
    package stays.
    """
    try:
        here = os.getcwd()
    except FileNotFoundError:  # it has been removed: nothing can be imported from it
        return
    own = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    variable = os.environ.get("PYTHONPATH")
    given = variable.split(os.pathsep) if variable else []
    kept = [
        os.path.abspath(entry)
        for entry in given
        if os.path.realpath(entry) == own or (os.path.isabs(entry) and not _same(entry, here))
    ]
    # Most Pythons have made absolute paths of them by now.
    left_out = {"", *given, *map(os.path.abspath, given)} - set(kept)
    if sys.path and _same(sys.path[0], here) and os.path.realpath(sys.path[0]) != own:
        del sys.path[0]
    sys.path[:] = [entry for entry in sys.path if entry not in left_out]
    if kept:
        os.environ["PYTHONPATH"] = os.pathsep.join(kept)
    else:
        os.environ.pop("PYTHONPATH", None)
    # For worker processes, which Python starts with "-c": from 3.11 on they leave the folder out as well.
    os.environ["PYTHONSAFEPATH"] = "1"


def _same(entry: str, folder: str) -> bool:
    return os.path.realpath(entry) == os.path.realpath(folder)
