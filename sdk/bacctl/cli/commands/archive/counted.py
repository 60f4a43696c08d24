"""How far a shard is, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bacctl.cli.commands.archive.progress import codes_text

if TYPE_CHECKING:
    from bacctl.archive.run.reading import Counts


def counts_text(counts: Counts) -> str:
    """Put into words how far a shard is."""
    facts = [f"{counts.settled} of {counts.images if counts.images is not None else '?'} images"]
    facts += [
        f"{count} {status}"
        for status in ("ok", "refused", "failed")
        if (count := counts.by_status.get(status, 0))
    ]
    facts += [f"{counts.parked} parked"] if counts.parked else []
    facts += [f"{counts.open} to be tried again"] if counts.open else []
    codes = codes_text(dict(counts.by_code))
    return ", ".join(facts) + (f" ({codes})" if codes else "")


def counts_document(counts: Counts) -> dict[str, Any]:
    """Write the same for programs."""
    return {
        "images": counts.images,
        "settled": counts.settled,
        "in_parts": counts.in_parts,
        "complete": counts.complete,
        "to_be_tried_again": counts.open,
        "parked": counts.parked,
        "status": dict(counts.by_status),
        "codes": dict(counts.by_code),
        "images_per_second": counts.rate,
    }
