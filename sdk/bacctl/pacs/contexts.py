"""Presentation contexts: which kinds of object, in which encodings.

pynetdicom's own list of storage contexts lacks parametric maps and label maps, and an association takes no
more than 128, so that ours are made of what is at hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydicom.uid import (
    JPEG2000,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pynetdicom import AllStoragePresentationContexts, build_context
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined]

MEASURED = frozenset(
    {
        str(DigitalMammographyXRayImageStorageForProcessing),
        str(DigitalMammographyXRayImageStorageForPresentation),
        str(ComputedRadiographyImageStorage),
    }
)
"""SOP classes that are kept and measured. No Secondary Capture: it may be one that we made."""

# In the order in which they are chosen where a peer offers several: what needs no decoder first.
_ENCODINGS = [
    str(syntax)
    for syntax in (
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        DeflatedExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        JPEGLosslessSV1,
        JPEGLossless,
        JPEGLSLossless,
        JPEG2000Lossless,
        RLELossless,
        JPEGLSNearLossless,
        JPEG2000,
        JPEGExtended12Bit,
        JPEGBaseline8Bit,
    )
]
_MOST = 128  # PS3.8 9.3.2.2: odd identifiers of one byte


def accepted_contexts() -> list[PresentationContext]:
    """Return what a node accepts: echo, reports of storage commitment, and storage.

    Storage of all kinds, so that what is not measured is refused one by one with a status. Where its context
    were refused, many senders would give up the whole association, mammograms included.
    """
    commitment = build_context(StorageCommitmentPushModel)
    # Who gave the commitment comes back as SCP, and then we are the one who asked.
    commitment.scu_role = commitment.scp_role = True
    kinds = {str(context.abstract_syntax) for context in AllStoragePresentationContexts} | MEASURED
    storage = [build_context(kind, _ENCODINGS) for kind in sorted(kinds)]
    return [build_context(Verification), commitment, *storage]


def offers(pairs: Iterable[tuple[str, str]]) -> Iterator[list[PresentationContext]]:
    """Make the contexts that objects are sent in, as many lists as associations are needed.

    Parameters
    ----------
    pairs : iterable of (str, str)
        SOP class and transfer syntax of each object. One context for each pair: in one for several transfer
        syntaxes a peer chooses one, and the objects in the others could not be sent as they are.

    Yields
    ------
    list of PresentationContext
        At most 128.
    """
    wanted: Sequence[tuple[str, str]] = list(dict.fromkeys(pairs))
    for start in range(0, len(wanted), _MOST):
        yield [build_context(kind, [syntax]) for kind, syntax in wanted[start : start + _MOST]]
