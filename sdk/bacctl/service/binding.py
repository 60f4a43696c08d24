"""How the steps of the ensemble see that what they are handed belongs to one image.

Triton gives up on a Python step that stands still for a second and may then hand the next request an answer
that was meant for another. No identifier in the report shows that probabilities are another image's. So the
first step writes down what it was given and what it gives on, the second sends check sums of what it worked
on, and the third, which gets the request itself too, holds all of it together.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_imaging.context import Context
from bac_imaging.grid.checksum import PROBABILITY_SLACK, PROBABILITY_STEPS, TILE_STEPS, tile_sums
from bac_terms.errors import FailedError, RefusedError
from bac_terms.fields import Digest
from bac_terms.json_text import parse_json
from bac_terms.record import Record
from bacctl._claim import (
    CALLER,
    DIGEST,
    LAST,
    MARK,
    MIXED_UP,
    TAG,
    TEST_IMAGE,
    TIMEOUT,
    Claim,
)

Tensors = Mapping[str, npt.NDArray[Any]]

_TAG = re.compile(r"[0-9A-Za-z_-]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Binding(Record):
    """What belongs to one request.

    Attributes
    ----------
    tag : str or None
        Of the caller.
    sha256 : str
        Digest of the file.
    request_crc32 : tuple of int
        Check sums of DICOM and OPTIONS as they came.
    signal_crc32 : int
        Check sum of SIGNAL.
    tile_sums : tuple of int
        Of each tile, as `bac_imaging.grid.checksum` has them.
    """

    tag: str | None
    sha256: Digest
    request_crc32: tuple[int, int]
    signal_crc32: int
    tile_sums: tuple[int, ...]


@dataclass(frozen=True)
class Envelope(Record):
    """CONTEXT, which goes from the first step to the third.

    Attributes
    ----------
    context : Context
        Of the image.
    binding : Binding
        Of the request.
    ticket : tuple of int
        Number and end of `bacctl.service.tickets.Ticket`.
    started_ns, prepared_ns : int
        When the first step began and ended, by the machine's monotonic clock.
    """

    context: Context
    binding: Binding
    ticket: tuple[int, int]
    started_ns: int
    prepared_ns: int


def take_claim(options: Mapping[str, Any] | None) -> tuple[Claim, dict[str, Any] | None]:
    """Split the options of a request into its claim and what the pipeline is to know.

    Raises
    ------
    RefusedError
        BAC-OPTIONS-INVALID: something in it is not what it has to be.
    """
    if options is None:
        return Claim(), None
    tag, digest = options.get(TAG), options.get(DIGEST)
    if tag is not None and not (isinstance(tag, str) and _TAG.fullmatch(tag)):
        raise RefusedError("BAC-OPTIONS-INVALID", "tag is not 1 to 64 letters, digits, - and _")
    if digest is not None and not (isinstance(digest, str) and _DIGEST.fullmatch(digest)):
        raise RefusedError("BAC-OPTIONS-INVALID", "sha256 is not 64 hexadecimal digits in lower case")
    timeout_s, caller, last = options.get(TIMEOUT), options.get(CALLER), options.get(LAST, False)
    # NaN, which Python's JSON reads, is larger than nothing.
    if timeout_s is not None and not (type(timeout_s) in (int, float) and 0.0 < timeout_s < math.inf):
        raise RefusedError("BAC-OPTIONS-INVALID", "timeout_s is no number of seconds above zero")
    if caller is not None and not (isinstance(caller, str) and _TAG.fullmatch(caller)):
        raise RefusedError("BAC-OPTIONS-INVALID", "caller is not 1 to 64 letters, digits, - and _")
    if not isinstance(last, bool):
        raise RefusedError("BAC-OPTIONS-INVALID", "last is neither true nor false")
    said = (TAG, DIGEST, TIMEOUT, CALLER, LAST, TEST_IMAGE)
    rest = {name: value for name, value in options.items() if name not in said}
    return Claim(tag, digest, timeout_s, caller, last), rest


def bind(
    data: bytes,
    options: npt.NDArray[np.uint8],
    claim: Claim,
    tiles: npt.NDArray[np.float32],
    signal: npt.NDArray[np.float32],
) -> Binding:
    """Write down, in the first step, what belongs together.

    Parameters
    ----------
    data : bytes
        DICOM.
    options : ndarray of uint8, shape (n,)
        OPTIONS as they came, empty where there are none.
    claim : Claim
        What the caller says of its request.
    tiles : ndarray of float32, shape (n, 1, 512, 512)
        For the second step.
    signal : ndarray of float32, shape (h, w)
        For the third.

    Returns
    -------
    Binding
        To travel in CONTEXT.

    Raises
    ------
    FailedError
        BAC-SERVER-MIXED-UP: the file is not the one that the caller sent these options with.
    """
    digest = hashlib.sha256(data).hexdigest()
    if claim.sha256 not in (None, digest):
        raise FailedError(MIXED_UP, "the server got another file than the one whose digest came with it")
    return Binding(
        tag=claim.tag,
        sha256=digest,
        request_crc32=(zlib.crc32(data), _crc32(options)),
        signal_crc32=_crc32(signal),
        tile_sums=tuple(tile_sums(tiles, TILE_STEPS).tolist()),
    )


def unbound(inputs: Tensors) -> Envelope:
    """Read, in the third step, what the first wrote, and see that all it gets belongs to one request.

    Parameters
    ----------
    inputs : mapping of str to ndarray
        Of the third step.

    Returns
    -------
    Envelope
        CONTEXT.

    Raises
    ------
    FailedError
        BAC-SERVER-MIXED-UP: it does not.
    """
    try:
        envelope = Envelope.from_dict(parse_json(inputs["CONTEXT"].tobytes()))
        options = _crc32(inputs["OPTIONS"]) if "OPTIONS" in inputs else zlib.crc32(b"")
        request = (_crc32(inputs["DICOM"]), options)
    except (ValueError, KeyError):
        raise FailedError(MIXED_UP, "the server lost what belongs to an image") from None
    binding, sums = envelope.binding, inputs["CHECKSUM"]
    if (
        binding.request_crc32 != request
        or binding.signal_crc32 != _crc32(inputs["SIGNAL"])
        or binding.tile_sums != tuple(sums[:, 0].tolist())
    ):
        raise FailedError(MIXED_UP)
    own = tile_sums(inputs["PROBABILITY"], PROBABILITY_STEPS).astype(np.int64)
    if own.shape != sums[:, 1].shape or (np.abs(own - sums[:, 1]) > PROBABILITY_SLACK).any():
        raise FailedError(MIXED_UP)
    return envelope


def sealed(binding: Binding, outputs: Tensors) -> dict[str, Any]:
    """Return what the report says of the request that it answers, and of the outputs beside it."""
    sums = {name: _crc32(array) for name, array in outputs.items()}
    return {TAG: binding.tag, DIGEST: binding.sha256, "crc32": sums}


def _crc32(array: npt.NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(array).data)


class Trust:
    """Whether this server may be believed: after one mix-up no more, until it is started again.

    Parameters
    ----------
    mark : Path, optional
        File that says that it may not, shared by all instances of a step. Default: the one that the
        environment names; without one, each instance knows only what it saw itself.
    """

    def __init__(self, mark: Path | None = None) -> None:
        named = os.environ.get(MARK)
        self._mark = mark or (Path(named) if named else None)
        self._lost = False

    def check(self, inputs: Tensors) -> Envelope:
        """Do as `unbound`, and believe nothing more after it failed.

        Raises
        ------
        FailedError
            BAC-SERVER-MIXED-UP: now, or before.
        """
        if self._lost or (self._mark is not None and self._mark.exists()):
            raise FailedError(MIXED_UP, "the server mixed up images before and was not started again")
        try:
            return unbound(inputs)
        except FailedError:
            self.lose()
            raise

    def lose(self) -> None:
        """Believe nothing more, and have whoever looks after the server start it again."""
        self._lost = True
        if self._mark is not None:
            with contextlib.suppress(OSError):  # the refusal says enough
                self._mark.touch()
