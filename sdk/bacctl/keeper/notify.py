"""Tells a service manager that a service is ready: the protocol of systemd's ``Type=notify``."""

from __future__ import annotations

import os
import socket


def notify(state: str) -> bool:
    """Send a state such as ``"READY=1"`` to the service manager, if one asked for it in ``NOTIFY_SOCKET``.

    Returns whether it was sent: a manager that cannot be reached is no reason not to serve.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):  # a name without a file
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        try:
            manager.sendto(state.encode(), address)
        except OSError:
            return False
    return True
