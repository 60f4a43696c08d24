"""What became of a run, in numbers: at the end of the table, and as the last line of ``--jsonl``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bacctl.cli.pace import duration
from bacctl.results import ImageResult
from bacctl.wording import count_of


@dataclass(frozen=True)
class Summary:
    """The numbers of one run."""

    analysed: int  # images with a result
    # how many of the others, by code; the most frequent first
    refused: Mapping[str, int]
    failed: Mapping[str, int]
    skipped: int  # files in folders and lists that are no image
    seconds: float  # from the first image to the last, without the start of the server
    interrupted: bool  # whether Ctrl-C or a signal ended the run
    unreached: int = 0  # images that were asked for and have no result, since the run ended early
    # of the whole run, the start and the stop of the server included; None where that is not known
    total_seconds: float | None = None

    @classmethod
    def of(
        cls,
        images: Sequence[ImageResult],
        *,
        skipped: int,
        seconds: float,
        interrupted: bool,
        unreached: int = 0,
        total_seconds: float | None = None,
    ) -> Summary:
        """Count the images of a run."""

        def codes(status: str) -> dict[str, int]:
            found = Counter(image.code or "-" for image in images if image.status == status)
            return dict(found.most_common())

        analysed = sum(image.status == "ok" for image in images)
        refused, failed = codes("refused"), codes("failed")
        return cls(analysed, refused, failed, skipped, seconds, interrupted, unreached, total_seconds)

    @property
    def images(self) -> int:
        """How many images have a result, be it that they were refused."""
        return self.analysed + sum(self.refused.values()) + sum(self.failed.values())

    @property
    def seconds_per_image(self) -> float | None:
        """Mean time that one took, in seconds; None without any."""
        return self.seconds / self.images if self.images else None

    def text(self) -> str:
        """Put it into one line, such as ``"3 of 4 images analysed; refused 1 (BAC-CONTRAST 1); ..."``."""
        asked = count_of(self.images + self.unreached, "image")
        parts = [f"{self.analysed} of {asked} analysed{', stopped' if self.interrupted else ''}"]
        for word, codes in (("refused", self.refused), ("failed", self.failed)):
            if codes:
                named = ", ".join(f"{code} {count}" for code, count in codes.items())
                parts.append(f"{word} {sum(codes.values())} ({named})")
        if self.skipped:
            parts.append(f"skipped, since no image: {count_of(self.skipped, 'file')}")
        if self.seconds_per_image is not None and self.seconds > 0.0:
            total = self.seconds if self.total_seconds is None else self.total_seconds
            parts.append(f"{self.seconds_per_image:.2g} s an image, {duration(total)} in all")
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return it as ``summary`` of ``bacctl/schema/lines-1.json``."""
        each = self.seconds_per_image
        return {
            "images": self.images,
            "analysed": self.analysed,
            "refused": dict(self.refused),
            "failed": dict(self.failed),
            "skipped": self.skipped,
            "interrupted": self.interrupted,
            "seconds": round(self.seconds, 3),
            "seconds_per_image": None if each is None else round(each, 3),
            "total_seconds": None if self.total_seconds is None else round(self.total_seconds, 3),
        }
