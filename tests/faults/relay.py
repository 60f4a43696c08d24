"""A TCP relay between client and server, whose connections can be cut or go quiet."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType


class Relay:
    """Hands on what comes, both ways, ends and resets too, until told otherwise.

    Parameters
    ----------
    port : int
        Of the server, on loopback.

    Attributes
    ----------
    url : str
        ``host:port`` for the client.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._quiet: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Reset every connection, in the middle of whatever it carries."""
        with self._lock:
            ends, self._open, self._quiet = self._open, set(), set()
        for end in ends:
            _reset(end)

    def quiet(self) -> None:
        """Hand nothing on any more over the connections of now, and end none.

        So it is where a machine loses its power, or a firewall on the way forgets a connection.
        """
        with self._lock:
            self._quiet |= self._open

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._port))
                except OSError:
                    near.close()
                    continue
                with self._lock:
                    self._open |= {near, far}
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if source not in self._quiet:
                    target.sendall(data)
            if source not in self._quiet:
                target.shutdown(socket.SHUT_WR)
        except OSError:
            # A process that is killed resets its connections; held back, the other side would wait for ever.
            if source not in self._quiet:
                _reset(source)
                _reset(target)


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RDWR)
    end.close()
