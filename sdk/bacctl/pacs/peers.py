"""Who is spoken with: application entities and their addresses."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

_TITLE = re.compile(r"[\x21-\x5b\x5d-\x7e](?:[\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?")
_PORTS = range(1, 65536)


def ae_title(text: str) -> str:
    """Check an application entity title: 1 to 16 characters of ASCII without backslash (PS3.5 6.2, AE).

    Raises
    ------
    ValueError
        It is none; the text says why.
    """
    title = text.strip(" ")
    if not _TITLE.fullmatch(title):
        raise ValueError(f"{text!r} is no AE title; it has 1 to 16 characters of ASCII and no backslash")
    return title


@dataclass(frozen=True)
class Peer:
    """An application entity that listens, written ``AE@HOST:PORT``."""

    title: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Peer:
        """Read ``AE@HOST:PORT``; IPv6 addresses in brackets.

        Raises
        ------
        ValueError
            It is none.
        """
        title, at, address = text.rpartition("@")
        host, colon, port = address.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not (at and colon and host and port.isascii() and port.isdigit() and int(port) in _PORTS):
            raise ValueError(f"{text!r} is no destination; write AE@HOST:PORT, such as PACS@10.0.0.5:104")
        return cls(ae_title(title), host, int(port))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.title}@{host}:{self.port}"


@dataclass(frozen=True)
class Caller:
    """An application entity that may call, from one host or, where that is None, from anywhere."""

    title: str
    host: str | None

    @classmethod
    def parse(cls, text: str) -> Caller:
        """Read ``AE`` or ``AE@HOST``.

        Raises
        ------
        ValueError
            It is neither.
        """
        title, at, host = text.rpartition("@")
        if at and not host:
            raise ValueError(f"{text!r} names no host; write AE or AE@HOST")
        host = host.removeprefix("[").removesuffix("]")
        return cls(ae_title(title), host) if at else cls(ae_title(text), None)

    def __str__(self) -> str:
        return self.title if self.host is None else f"{self.title}@{self.host}"


def may_call(callers: Sequence[Caller], title: str, address: str) -> bool:
    """Tell whether one of the listed callers has this title and this address.

    Parameters
    ----------
    callers : sequence of Caller
        Whoever may call. Their host names are looked up at each call, since addresses move.
    title : str
        As the peer gives it.
    address : str
        Where the connection comes from.
    """
    return any(
        caller.title == title.strip(" ")
        and (caller.host is None or _plain(address) in _addresses(caller.host))
        for caller in callers
    )


def _addresses(host: str) -> set[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {_plain(str(entry[4][0])) for entry in found}


def _plain(address: str) -> str:
    """Write an address in one way: IPv4 inside IPv6 is the same machine."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)
