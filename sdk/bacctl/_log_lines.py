"""Lines of the log of a service: text for people, or JSON for whoever gathers logs. Standard library only."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
import sys
from collections.abc import Callable
from datetime import datetime

from bacctl.wording import escaped

_DOTTED = re.compile(r"(?<![\w.])[0-9]+(?:\.[0-9]+){2,}(?![\w.]*[A-Za-z_])")
_LONGEST_VERSION = 10
_CODE = re.compile(r"\bBAC-[A-Z]+(?:-[A-Z]+)*")


def log_lines(service: str, *, as_json: bool = False, uids: bool = False) -> Callable[[str], None]:
    """Return what writes one line to stderr, at once, with the time before it.

    Parameters
    ----------
    service : str
        Which one it is, for JSON.
    as_json : bool, optional
        One JSON object a line: ``time``, ``service``, ``message`` and, where the message has one, ``code``.
    uids : bool, optional
        Whether UIDs stand in JSON as they are. Otherwise `hashed` takes their place.
    """

    def write(text: str) -> None:
        now = datetime.now().astimezone()
        if not as_json:
            line = f"{now:%Y-%m-%dT%H:%M:%S%z} {escaped(text)}"
        else:
            message = text if uids else _DOTTED.sub(lambda found: _hidden(found[0]), text)
            entry = {"time": now.isoformat(timespec="milliseconds"), "service": service, "message": message}
            code = _CODE.search(text)
            line = json.dumps(entry if code is None else {**entry, "code": code[0]})
        print(line, file=sys.stderr, flush=True)

    return write


def hashed(uid: str) -> str:
    """Return what stands for a UID: the same for the same one, told by who knows the UID, and by nobody else.

    Its first 16 digits are those of ``printf %s UID | sha256sum``.
    """
    return f"uid:{hashlib.sha256(uid.encode()).hexdigest()[:16]}"


def _hidden(text: str) -> str:
    """Hide what has the form of a UID and is neither an address nor a version."""
    if len(text) <= _LONGEST_VERSION:
        return text
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        return hashed(text)
