"""What a caller says of its request, and how it knows the answer to it again.

A server may hand over the answer to another request: a step that stood still and goes on answers whoever
asks next. So the caller sends a tag that it uses once and the digest of the file, and both come back in the
report.
"""

from __future__ import annotations

import hashlib
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bac_terms.errors import BacctlError, from_catalogue

MIXED_UP = "BAC-SERVER-MIXED-UP"
MARK = "BACCTL_MIX_UP_FILE"
"""Environment variable: the file that tells whoever runs the server that its steps were mixed up."""
TICKETS = "BACCTL_TICKETS"
"""Environment variable: the folder in which the steps note what is under way (`bacctl.service.tickets`)."""
TAG, DIGEST = "tag", "sha256"
TIMEOUT, CALLER, LAST = "timeout_s", "caller", "last"
"""Options of a request that say when nobody waits for it any more, whose turn it is, and that it has time."""
BINDING = "binding"
"""Where the report has them, beside check sums of the other two outputs."""
TEST_IMAGE = "test_image"
"""Option that is true for the test image of who looks after a server, counted apart from all others."""
DENSITY = "density"
"""Parameter of a request that is false where its caller does not want that output."""


@dataclass(frozen=True)
class Claim:
    """What identifies one request.

    Attributes
    ----------
    tag : str or None
        Used for one request and never again.
    sha256 : str or None
        Digest of the file, in hexadecimal digits.
    timeout_s : float or None
        How long the caller waits for the answer, in seconds from now: no reading of a clock that is its own.
    caller : str or None
        Who sends it. A server that has too much to do takes its callers in turn.
    last : bool
        Whether it is to wait behind all that waits already, whoever sent it.
    """

    tag: str | None = None
    sha256: str | None = None
    timeout_s: float | None = None
    caller: str | None = None
    last: bool = False

    @classmethod
    def of(cls, data: bytes, timeout_s: float | None = None, caller: str | None = None) -> Claim:
        """Make the claim of a new request for a file."""
        return cls(secrets.token_hex(16), hashlib.sha256(data).hexdigest(), timeout_s, caller)

    def options(self, options: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the options of a request with this claim."""
        said = {TAG: self.tag, DIGEST: self.sha256, TIMEOUT: self.timeout_s, CALLER: self.caller}
        return {**(options or {}), **{name: value for name, value in said.items() if value is not None}}

    def check(self, report: Mapping[str, Any], raw: Mapping[str, bytes]) -> None:
        """See that an answer is the one to this request.

        Parameters
        ----------
        report : mapping
            REPORT.
        raw : mapping of str to bytes
            All outputs that were asked for. A server may have made more than it was asked to send.

        Raises
        ------
        ServerFaultError
            BAC-SERVER-MIXED-UP: it is not, or its parts do not belong together.
        IncompatibleServerError
            The server does not say what it answers.
        """
        binding = report.get(BINDING)
        if binding is None and "weights_sha256" in report:
            raise from_catalogue(
                "BAC-SERVER-INCOMPATIBLE",
                "the server does not say which request it answers, as releases before this one do not",
            )
        if not isinstance(binding, dict) or (binding.get(TAG), binding.get(DIGEST)) != (
            self.tag,
            self.sha256,
        ):
            raise from_catalogue(MIXED_UP)
        sums = binding.get("crc32")
        if not isinstance(sums, dict) or any(
            sums.get(name) != zlib.crc32(content) for name, content in raw.items() if name != "REPORT"
        ):
            raise from_catalogue(MIXED_UP, "the server sent mask or density of another image with a report")


def is_mix_up(error: BaseException) -> bool:
    """Tell whether a server gave the answer to another request."""
    return isinstance(error, BacctlError) and error.code == MIXED_UP
