"""Quality assurance: phantoms of known calcium mass, written and sent through a server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bac_imaging.files import digest_of, write_whole
from bac_phantom.qa import QA_SET, QaSpec, make_qa_phantom, qa_specs
from bac_terms.errors import BacctlError, from_catalogue
from bacctl.results import ImageResult
from bacctl.server.repository import default_repository

if TYPE_CHECKING:
    from bacctl.client.blocking import Client


@dataclass(frozen=True)
class Row:
    """One phantom: what is true and what came back."""

    spec: QaSpec  # the phantom
    result: ImageResult  # the measurement

    @property
    def measured_mg(self) -> float | None:
        """The calibrated mass; None where there is none."""
        calibrated = self.result.status == "ok" and self.result.mass_basis == "calibrated"
        return self.result.calcium_mass_mg if calibrated else None

    @property
    def difference_mg(self) -> float | None:
        """Measured less true mass."""
        return None if self.measured_mg is None else self.measured_mg - self.spec.calcium_mass_mg

    @property
    def within(self) -> bool | None:
        """Whether the interval holds the truth; None without a mass."""
        interval = self.result.calcium_mass_interval_mg
        if self.measured_mg is None or interval is None:
            return None
        return interval[0] <= self.spec.calcium_mass_mg <= interval[1]

    @property
    def remark(self) -> str:
        """Why there is no mass, as a code; empty where there is one."""
        if self.measured_mg is not None:
            return ""
        if self.result.code is not None:
            return self.result.code
        codes = [notice.code for notice in self.result.warnings if "MASS" in notice.code]
        return codes[0] if codes else "no calibrated mass"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        beam, interval = self.spec.beam, self.result.calcium_mass_interval_mg
        return {
            "name": self.spec.name,
            "anode": beam.anode,
            "filter_material": beam.filter_material,
            "filter_thickness_mm": beam.filter_thickness_mm,
            "kvp": beam.kvp,
            "detector": beam.detector,
            "thickness_mm": self.spec.thickness_mm,
            "true_mg": self.spec.calcium_mass_mg,
            "measured_mg": self.measured_mg,
            "interval_mg": None if self.measured_mg is None or interval is None else list(interval),
            "bac_detected": self.result.bac_detected,
            "bac_probability": self.result.bac_probability,
            "within_interval": self.within,
            "remark": self.remark,
        }


@dataclass(frozen=True)
class Subject:
    """What was put to the test."""

    server: str  # its address, or ``"embedded"``
    model: str  # SHA-256 of the weights, as the server tells it
    installed_model: str | None  # SHA-256 of the weights of this installation; None where it has none
    triton: str  # version of the server
    # SHA-256 of the calibration table; None for a server elsewhere, which does not tell it
    calibration: str | None

    @property
    def remark(self) -> str | None:
        """That the server has other weights than this installation; None where they are the same."""
        if self.installed_model in (None, self.model):
            return None
        return (
            f"the server's weights {self.model[:12]} are not those of this installation "
            f"({(self.installed_model or '')[:12]}); the tolerances are meant for the latter"
        )


def identify(client: Client, url: str | None) -> Subject:
    """Find out what a client is talking to; `url` is None for the embedded server."""
    info = client.server_info()
    table = files("bac_imaging") / "data" / "calibration.csv"
    own_table = digest_of(table.read_bytes()) if url is None else None
    return Subject(url or "embedded", info["model"], _installed_model(), info["triton"], own_table)


def _installed_model() -> str | None:
    try:
        card = default_repository() / "bac_segment" / "1" / "model_card.json"
        digest = json.loads(card.read_text())["sha256"]
        return digest if isinstance(digest, str) else None
    except (BacctlError, OSError, ValueError, KeyError, TypeError):
        return None


def measure(
    client: Client,
    folder: Path,
    specs: Sequence[QaSpec] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Write the phantoms and send them through the server, one made while others are measured.

    The rows are in the order of `specs`, by default the whole set; refused phantoms are among them.

    Raises
    ------
    BacctlError
        The server failed on a phantom: gone, overloaded or broken. What was measured before proves nothing.
    OSError
        The folder cannot be written.
    """
    wanted = qa_specs() if specs is None else specs
    rows = []
    results = client.analyze_many(_written(folder, wanted), ordered=True)
    for spec, result in zip(wanted, results, strict=True):
        if result.status == "failed":
            code = result.code or "BAC-SERVER-FAULT"
            raise from_catalogue(code, f"{spec.name}: {result.reason}", "")
        rows.append(Row(spec, result))
        if progress is not None:
            progress(len(rows), len(wanted))
    return rows


def _written(folder: Path, specs: Sequence[QaSpec]) -> Iterator[Path]:
    for spec in specs:
        path = folder / f"{spec.name}.dcm"
        write_whole(path, make_qa_phantom(spec))
        yield path


def phantoms_digest(folder: Path, rows: Sequence[Row]) -> str:
    """Name the phantoms that were used: the set's number and a SHA-256 over their files."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update((folder / f"{row.spec.name}.dcm").read_bytes())
    return f"{QA_SET}-{digest.hexdigest()}"
