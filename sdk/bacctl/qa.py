"""Quality assurance: phantoms of known calcium mass through a server, measured against true.

What is judged, and how far it may be off, stands in `TOLERANCES` and nowhere else; ``docs/qa.md`` says why.
"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bac_phantom.qa import QA_SET, QaSpec, make_qa_phantom, qa_specs
from bacctl.errors import BacctlError, error_class
from bacctl.outputs.files import write_atomic
from bacctl.repository import default_repository
from bacctl.results import ImageResult

if TYPE_CHECKING:
    from bacctl.client import Client

SMALL_MG = 20.0
"""Masses up to this are judged by differences in mg, larger ones by ratios: their errors grow with them."""
RATIO_FROM_MG = 8.0
"""Masses from this on show a change of the scale; in smaller ones the background is the larger error."""


@dataclass(frozen=True)
class Tolerance:
    """How far a figure may be off.

    Attributes
    ----------
    name : str
        Key of the figure in `figures`.
    text : str
        What it is, with its unit.
    low, high : float
        Smallest and largest value that pass.
    """

    name: str
    text: str
    low: float
    high: float


TOLERANCES = (
    Tolerance("measured", "phantoms that got a calibrated mass, share", 1.0, 1.0),
    Tolerance("detected", "phantoms with calcium that were found, share", 1.0, 1.0),
    Tolerance("false_mg", "largest mass found where there is none, mg", 0.0, 1.0),
    Tolerance("bias_mg", f"mean difference up to {SMALL_MG:g} mg, mg", -0.5, 0.5),
    Tolerance("sd_mg", f"standard deviation of the difference up to {SMALL_MG:g} mg, mg", 0.0, 0.9),
    Tolerance("ratio", f"mean ratio from {RATIO_FROM_MG:g} mg on", 0.95, 1.05),
    Tolerance("worst_beam", f"mean ratio from {RATIO_FROM_MG:g} mg on, beam furthest from 1", 0.90, 1.10),
    Tolerance("slope", "slope of measured on true mass", 0.95, 1.05),
    Tolerance("r", "correlation of measured and true mass", 0.99, 1.0),
    Tolerance("within", "95 % intervals that hold the truth, share", 0.90, 1.0),
)


@dataclass(frozen=True)
class Row:
    """One phantom: what is true and what came back.

    Attributes
    ----------
    spec : QaSpec
        The phantom.
    result : ImageResult
        The measurement.
    """

    spec: QaSpec
    result: ImageResult

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
class Verdict:
    """A figure held against its tolerance.

    Attributes
    ----------
    tolerance : Tolerance
        What is asked for.
    value : float or None
        What was found; None where there was nothing to compute it from, which does not pass.
    """

    tolerance: Tolerance
    value: float | None

    @property
    def passed(self) -> bool:
        """Whether the value lies within the tolerance, its ends included."""
        return self.value is not None and self.tolerance.low <= self.value <= self.tolerance.high

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        wanted = self.tolerance
        return {
            "name": wanted.name,
            "text": wanted.text,
            "value": self.value,
            "low": wanted.low,
            "high": wanted.high,
            "passed": self.passed,
        }


@dataclass(frozen=True)
class Subject:
    """What was put to the test.

    Attributes
    ----------
    server : str
        Its address, or ``"embedded"``.
    model : str
        SHA-256 of the weights, as the server tells it.
    installed_model : str or None
        SHA-256 of the weights of this installation; None where it has none.
    triton : str
        Version of the server.
    calibration : str or None
        SHA-256 of the calibration table; None for a server elsewhere, which does not tell it.
    """

    server: str
    model: str
    installed_model: str | None
    triton: str
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
    """Find out what a client is talking to.

    Parameters
    ----------
    client : Client
        Of the server that is tested.
    url : str or None
        Its address; None for the embedded server.

    Returns
    -------
    Subject

    Raises
    ------
    BacctlError
        The server does not answer, or is no server of bacctl.
    """
    info = client.server_info()
    table = files("bac_imaging") / "data" / "calibration.csv"
    own_table = hashlib.sha256(table.read_bytes()).hexdigest() if url is None else None
    return Subject(url or "embedded", info["model"], _installed_model(), info["triton"], own_table)


def _installed_model() -> str | None:
    try:
        card = default_repository() / "bac_segment" / "1" / "model_card.json"
        return str(json.loads(card.read_text())["sha256"])
    except (BacctlError, OSError, ValueError, KeyError):
        return None


def measure(
    client: Client,
    folder: Path,
    specs: Sequence[QaSpec] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Write the phantoms and send them through the server, one made while others are measured.

    Parameters
    ----------
    client : Client
        Of the server that is tested.
    folder : Path
        Where the DICOM files go; must exist.
    specs : sequence of QaSpec, optional
        Default: the whole set.
    progress : callable, optional
        Called with (done, all) after each phantom.

    Returns
    -------
    list of Row
        In the order of `specs`. Refused phantoms are among them.

    Raises
    ------
    BacctlError
        The server failed on a phantom: gone, overloaded or broken. What was measured before proves nothing.
    OSError
        The folder cannot be written.
    """
    wanted = qa_specs() if specs is None else specs
    rows = []
    for spec, result in zip(wanted, client.analyze_many(_written(folder, wanted)), strict=True):
        if result.status == "failed":
            code = result.code or "BAC-SERVER-FAULT"
            raise error_class(code)(code, f"{spec.name}: {result.reason}")
        rows.append(Row(spec, result))
        if progress is not None:
            progress(len(rows), len(wanted))
    return rows


def _written(folder: Path, specs: Sequence[QaSpec]) -> Iterator[Path]:
    for spec in specs:
        path = folder / f"{spec.name}.dcm"
        write_atomic(path, make_qa_phantom(spec))
        yield path


def phantoms_digest(folder: Path, rows: Sequence[Row]) -> str:
    """Name the phantoms that were used: the set's number and a SHA-256 over their files."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update((folder / f"{row.spec.name}.dcm").read_bytes())
    return f"{QA_SET}-{digest.hexdigest()}"


def figures(rows: Sequence[Row]) -> dict[str, float | None]:
    """Compute what is judged.

    Parameters
    ----------
    rows : sequence of Row
        All phantoms.

    Returns
    -------
    dict
        One value for each name in `TOLERANCES`; None where there are too few masses. A phantom without a mass
        counts as not measured, and nowhere else.
    """
    positive = [row for row in rows if row.spec.calcium_mass_mg > 0]
    pairs = [(r, r.spec.calcium_mass_mg, r.measured_mg) for r in positive]
    known = [(row, true, found) for row, true, found in pairs if found is not None]
    small = [found - true for _, true, found in known if true <= SMALL_MG]
    large = [(row, found / true) for row, true, found in known if true >= RATIO_FROM_MG]
    slope, r = _line([true for _, true, _ in known], [found for _, _, found in known])
    false = [row.measured_mg or 0.0 for row in rows if row.spec.calcium_mass_mg == 0]
    return {
        "measured": _mean([row.measured_mg is not None for row in rows]),
        "detected": _mean([bool(row.result.bac_detected) for row in positive]),
        "false_mg": max(false, default=0.0),
        "bias_mg": _mean(small),
        "sd_mg": statistics.stdev(small) if len(small) > 1 else None,
        "ratio": _mean([ratio for _, ratio in large]),
        "worst_beam": _worst_beam(large),
        "slope": slope,
        "r": r,
        "within": _mean([bool(row.within) for row, _, _ in known]),
    }


def judge(rows: Sequence[Row]) -> tuple[Verdict, ...]:
    """Hold the figures of a run against the tolerances.

    Parameters
    ----------
    rows : sequence of Row
        All phantoms.

    Returns
    -------
    tuple of Verdict
        In the order of `TOLERANCES`.
    """
    found = figures(rows)
    return tuple(Verdict(tolerance, found[tolerance.name]) for tolerance in TOLERANCES)


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _worst_beam(ratios: Sequence[tuple[Row, float]]) -> float | None:
    """Give the mean ratio of the anode and filter whose mean ratio is furthest from 1."""
    beams: dict[tuple[str, str], list[float]] = {}
    for row, ratio in ratios:
        beams.setdefault((row.spec.beam.anode, row.spec.beam.filter_material), []).append(ratio)
    means = [statistics.fmean(values) for values in beams.values()]
    return max(means, key=lambda mean: abs(mean - 1.0), default=None)


def _line(x: Sequence[float], y: Sequence[float]) -> tuple[float | None, float | None]:
    """Fit a straight line by least squares: its slope, and the correlation."""
    if len(set(x)) < 2:
        return None, None
    mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
    sxx = math.fsum((a - mean_x) ** 2 for a in x)
    syy = math.fsum((b - mean_y) ** 2 for b in y)
    sxy = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return sxy / sxx, sxy / math.sqrt(sxx * syy) if syy > 0 else None
