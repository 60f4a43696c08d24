"""What every way to a server has in common: one image goes there, one answer comes back.

There are three ways: gRPC (`bacctl.client.transports.blocking`, `bacctl.client.transports.asynchronous`), a
server of one's own (`bacctl.client.transports.embedded`) and none at all (`bacctl.testing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

DEFAULT_TIMEOUT_S = 300.0
"""How long one image may take, in seconds. Generous: it includes the wait for images sent before."""


@dataclass(frozen=True)
class Answer:
    """What the ensemble sent back for one image.

    Attributes
    ----------
    report : dict
        The image object, ``weights_sha256``, and where the server tells them ``schema`` and ``bacctl``.
    mask : numpy.ndarray of bool
        (rows, columns).
    density : numpy.ndarray of float32 or None
        (rows, columns), mg/mm2.
    """

    report: dict[str, Any]
    mask: npt.NDArray[np.bool_]
    density: npt.NDArray[np.float32] | None


class Transport(Protocol):
    """A way to a server, for several threads at a time. Every fault is a `BacctlError`."""

    @property
    def url(self) -> str:
        """Where it leads, to be shown."""
        ...

    def infer(
        self, data: bytes, options: Mapping[str, Any] | None, timeout: float = DEFAULT_TIMEOUT_S
    ) -> Answer:
        """Have one image measured within `timeout` seconds."""
        ...

    def metadata(self, timeout: float = DEFAULT_TIMEOUT_S) -> tuple[str, str]:
        """Return the server's name and version."""
        ...

    def close(self) -> None:
        """Let go of everything. Calls under way come back at once."""
        ...


class AsyncTransport(Protocol):
    """The same for one event loop."""

    @property
    def url(self) -> str:
        """Where it leads, to be shown."""
        ...

    async def infer(
        self, data: bytes, options: Mapping[str, Any] | None, timeout: float = DEFAULT_TIMEOUT_S
    ) -> Answer:
        """Have one image measured within `timeout` seconds."""
        ...

    async def metadata(self, timeout: float = DEFAULT_TIMEOUT_S) -> tuple[str, str]:
        """Return the server's name and version."""
        ...

    async def close(self) -> None:
        """Let go of everything. Calls under way come back at once."""
        ...
