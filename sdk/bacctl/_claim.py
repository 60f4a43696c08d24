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
TAG, DIGEST = "tag", "sha256"
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
    """

    tag: str | None = None
    sha256: str | None = None

    @classmethod
    def of(cls, data: bytes) -> Claim:
        """Make the claim of a new request for a file."""
        return cls(secrets.token_hex(16), hashlib.sha256(data).hexdigest())

    def options(self, options: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the options of a request with this claim."""
        return {**(options or {}), TAG: self.tag, DIGEST: self.sha256}

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
