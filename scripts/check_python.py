"""Check, before anything is installed, that this Python can carry bacctl's server. Standard library only.

Leaves with 0 and no word when all is well, else with 1 and one line that names what to install. Keeps to
what Python 3.6 can parse, so that an old one gets that line and no SyntaxError.
"""

import ctypes
import importlib.util
import sys
import sysconfig
from pathlib import Path


def main() -> int:
    """Print the first thing that is missing."""
    major, minor = sys.version_info[:2]
    if not (3, 10) <= (major, minor) <= (3, 12):
        why = "is not supported" if (major, minor) < (3, 10) else "has no Triton (the SDK alone runs on it)"
        return _say(
            f"Python {major}.{minor} at {sys.executable} {why}: "
            "install Python 3.10, 3.11 or 3.12 and run: make PYTHON=python3.11 ..."
        )
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        return _say(f"the venv module is missing: run: sudo apt-get install python{major}.{minor}-venv")
    library = f"libpython{major}.{minor}.so.1.0"
    # Triton's Python stub is linked to it; Debian's python3 is not and does not bring it along.
    if not (_loads(library) or Path(sysconfig.get_config_var("LIBDIR") or "", library).exists()):
        return _say(
            f"{library} is missing: run: sudo apt-get install libpython{major}.{minor}, "
            "or take a Python that was built with --enable-shared"
        )
    return 0


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _say(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
