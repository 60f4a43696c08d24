"""What a run is: which manifest, in how many shards, measured by what and how. Fixed from its first start."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from bac_terms.errors import RefusedError
from bacctl.wording import INTENDED_USE

FORMAT = "bacctl.run/1"

_SAID = {
    "manifest_sha256": "manifest",
    "manifest_rows": "manifest",
    "shards": "number of shards",
    "min_probability": "operating point",
    "pixel_spacing_mm": "pixel spacing",
    "settings_sha256": "way of asking",
    "weights_sha256": "network's weights",
    "map_sha256": "map of probabilities",
    "server_release": "server's release",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How every image of a run is asked for.

    Attributes
    ----------
    min_probability : float or None
        The operating point; None for every find.
    pixel_spacing_mm : tuple of float or None
        (between rows, between columns), for images that do not tell it.
    """

    min_probability: float | None = None
    pixel_spacing_mm: tuple[float, float] | None = None

    def digest(self) -> str:
        """Return the SHA-256 of them, hexadecimal."""
        return sha256(_json(asdict(self)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class MeasuredBy:
    """What measures the images of a run.

    Attributes
    ----------
    weights_sha256 : str
        The network.
    map_sha256 : str or None
        What makes probabilities of its scores.
    server_release : str or None
        The release of bacctl that the server runs.
    """

    weights_sha256: str
    map_sha256: str | None
    server_release: str | None

    @classmethod
    def of(cls, server_info: Mapping[str, Any]) -> MeasuredBy:
        """Take it from what `Client.server_info` says."""
        return cls(server_info["model"], server_info["probability_map"], server_info["bacctl"])


@dataclass(frozen=True, slots=True)
class Plan:
    """All that must be the same for a run to be gone on with."""

    manifest_sha256: str
    manifest_rows: int
    shards: int
    settings: Settings
    measured_by: MeasuredBy

    def to_text(self) -> str:
        """Write it as JSON, for ``run.json``."""
        return json.dumps({"format": FORMAT, "intended_use": INTENDED_USE, **self._flat()}, indent=2) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Plan:
        """Read what `to_text` wrote.

        Raises
        ------
        RefusedError
            BAC-ARCHIVE-OUTPUT: it is none, or of another release.
        """
        try:
            told = json.loads(text)
            if told["format"] != FORMAT:
                raise ValueError(told["format"])
            spacing = told["pixel_spacing_mm"]
            return cls(
                told["manifest_sha256"],
                told["manifest_rows"],
                told["shards"],
                Settings(told["min_probability"], None if spacing is None else (spacing[0], spacing[1])),
                MeasuredBy(told["weights_sha256"], told["map_sha256"], told["server_release"]),
            )
        except (ValueError, KeyError, TypeError):
            raise RefusedError(
                "BAC-ARCHIVE-OUTPUT", "run.json is none that this release reads", "give another --out"
            ) from None

    def check_same(self, begun: Plan) -> None:
        """Refuse to go on with a run that began as another one.

        Raises
        ------
        RefusedError
            BAC-ARCHIVE-OUTPUT, naming what differs.
        """
        mine, theirs = self._flat(), begun._flat()
        differ = list(dict.fromkeys(_SAID[name] for name in mine if mine[name] != theirs[name]))
        if "number of shards" in differ:
            raise RefusedError(
                "BAC-ARCHIVE-OUTPUT",
                f"the run in the output folder has {begun.shards} shards and not {self.shards}",
                f"give --shard i/{begun.shards}, or another --out",
            )
        if differ:
            raise RefusedError(
                "BAC-ARCHIVE-OUTPUT",
                f"the run in the output folder began with another {' and another '.join(differ)}",
                "go on with what it began with, or give another --out for a run of its own",
            )

    def _flat(self) -> dict[str, Any]:
        return {
            "manifest_sha256": self.manifest_sha256,
            "manifest_rows": self.manifest_rows,
            "shards": self.shards,
            "min_probability": self.settings.min_probability,
            "pixel_spacing_mm": self.settings.pixel_spacing_mm,
            "settings_sha256": self.settings.digest(),
            **asdict(self.measured_by),
        }


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
