"""Why a server did not start, and what to do about it, in one line."""

from __future__ import annotations

import errno
import os
import re
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from bac_terms.errors import ServerUnavailableError, StartFailedError

_CODE = "BAC-SERVER-UNAVAILABLE"
_NO_SPACE = "free some space there, or set TMPDIR to another folder"
_FILES = "raise the limit (ulimit -n 4096), or close some"
_MEMORY = "free some memory, or raise the limit of the container or service"
# Of the system, as Triton, Python and its libraries write it into the log.
_CAUSES = {
    "No space left on device": ("no space is left on a disk or in /dev/shm", "free some space"),
    "Too many open files": ("it may open too few files", _FILES),
    "Cannot allocate memory": ("there is too little memory", _MEMORY),
    "bad_alloc": ("there is too little memory", _MEMORY),
    "MemoryError": ("there is too little memory", _MEMORY),
    "Resource temporarily unavailable": (
        "it may start too few processes and threads",
        "raise the limit (ulimit -u, or pids of the container)",
    ),
}
# What every log has on a machine without a GPU.
_HARMLESS = ("CudaDriverHelper", "unable to create stream", "CUDA driver", "no GPU", "pinned memory")


class PortTakenError(Exception):
    """Another process listens where Triton wanted to; the message is the address."""


@contextmanager
def telling_why() -> Iterator[None]:
    """Turn what stops a start into a StartFailedError that says what to do."""
    try:
        yield
    except StartFailedError:
        raise
    except ServerUnavailableError as error:
        raise StartFailedError(error.code, error.message, error.hint) from None
    except OSError as error:
        raise StartFailedError(_CODE, *_of_system(error)) from None


def explained(error: ServerUnavailableError, log: str, exit_code: int | None) -> Exception:
    """Add the cause to what is known of a start that failed, and keep the log.

    Parameters
    ----------
    error : ServerUnavailableError
        What is known.
    log : str
        What the server wrote.
    exit_code : int or None
        Of the server, if it ended.
    """
    taken = re.search(r"Socket '(.+?)' already in use", log)
    if taken:
        return PortTakenError(taken[1])
    cause, advice = _cause(log, exit_code)
    try:
        handle, name = tempfile.mkstemp(prefix="bacctl-server-", suffix=".log")
        with os.fdopen(handle, "w") as stream:
            stream.write(log)
        kept = f"the log is in {name}"
    except OSError as fault:
        kept = f"the log could not be kept ({fault.strerror})"
    return StartFailedError(_CODE, f"{error.message}: {cause}", f"{advice}; {kept}" if advice else kept)


def _cause(log: str, exit_code: int | None) -> tuple[str, str]:
    lines = log.splitlines()
    loading = [line for line in lines if "failed to load" in line]
    for sign, (cause, advice) in _CAUSES.items():
        if sign in log:
            return cause, advice
    if not loading and exit_code is not None and exit_code < 0:
        name = next((known.name for known in signal.Signals if known == -exit_code), f"signal {-exit_code}")
        advice = "look for the kernel's out-of-memory killer" if name == "SIGKILL" else ""
        return f"it was ended by {name}", advice
    faults = [line for line in lines if " E " in line and not any(sign in line for sign in _HARMLESS)]
    found = loading or faults or lines[-1:]
    if not found:
        return "its log is empty", ""
    # Python faults in models come with a traceback, after a literal "\\n\\n".
    return found[0].split("] ", 1)[-1].split("\\n\\n")[0].strip(' "')[:300], ""


def _of_system(error: OSError) -> tuple[str, str]:
    """Say what an error of the operating system means for a start: what is wrong, and what to do."""
    begin = "the embedded Triton cannot be started: "
    if error.errno is None or "temporary directory" in str(error):
        return f"{begin}no temporary folder can be written", _NO_SPACE
    place = tempfile.gettempdir() if tempfile.tempdir else "the temporary folder"
    known = {
        errno.ENOSPC: (f"no space is left in {place}", _NO_SPACE),
        errno.EDQUOT: (f"no space is left in {place}", _NO_SPACE),
        errno.EMFILE: ("this process has too many files open", _FILES),
        errno.ENFILE: ("this machine has too many files open", _FILES),
        errno.ENOMEM: ("there is too little memory", _MEMORY),
        errno.EAGAIN: _CAUSES["Resource temporarily unavailable"],
        errno.EROFS: (f"{place} cannot be written", "set TMPDIR to a folder that can"),
        errno.EACCES: (f"{place} cannot be written", "set TMPDIR to a folder that can"),
    }
    cause, advice = known.get(error.errno, (os.strerror(error.errno), "look at the folder of TMPDIR"))
    return f"{begin}{cause}", advice
