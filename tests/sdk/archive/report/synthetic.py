"""Parts of made-up women in numbers that no server could measure here: four views each, one study a woman."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bacctl.archive.parts import PART_SCHEMA

WEIGHTS, SETTINGS = "ab" * 32, "cd" * 32
VIEWS = (("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))
MONTHS = tuple(f"{year}-{month:02d}" for year in (2022, 2023) for month in range(1, 13))


@dataclass(frozen=True)
class Archive:
    """What the women of an archive are like; the seed decides the rest.

    Attributes
    ----------
    women : int
        How many; woman w is of month w modulo the months, of unit w modulo the units.
    share : callable
        From (month, unit) to the probability that BAC is found.
    area : callable
        Likewise the median of her area in mm2.
    """

    women: int
    seed: int
    months: Sequence[str] = MONTHS
    units: Sequence[tuple[str, str, str]] = (("Maker", "One", "1.0"),)
    share: Callable[[str, int], float] = lambda month, unit: 0.12
    area: Callable[[str, int], float] = lambda month, unit: 10.0
    first: int = 0
    values: Mapping[str, Any] = field(default_factory=dict)


def part(archive: Archive) -> pa.Table:
    """Make the rows of an archive."""
    random = np.random.default_rng(archive.seed)
    women = archive.first + np.arange(archive.women)
    month = women % len(archive.months)
    unit = (women // len(archive.months)) % len(archive.units)
    pairs = list(zip(month.tolist(), unit.tolist(), strict=True))
    chance = np.array([archive.share(archive.months[m], u) for m, u in pairs])
    size = np.array([archive.area(archive.months[m], u) for m, u in pairs])
    found = np.repeat(random.random(len(women)) < chance, 4)
    area = np.where(found, np.repeat(size * np.exp(0.8 * random.standard_normal(len(women))) / 2.0, 4), 0.0)
    probability = np.where(found, 0.9, 0.02) + 0.01 * random.random(len(found))
    numbers = [str(number) for number in women]
    ids = np.repeat(numbers, 4)
    made = [archive.units[u] for u in unit]
    bands = np.array(["50-54", "55-59", "60-64", "65-69"])[random.integers(0, 4, len(women))]
    count = len(found)
    cells: dict[str, Any] = {
        "row": np.arange(count) + 4 * archive.first,
        "uri": [f"/archive/{number}.dcm" for number in 4 * archive.first + np.arange(count)],
        "sop_instance_uid": [f"1.2.3.{i}.{n % 4}" for n, i in enumerate(ids)],
        "study_instance_uid": [f"1.2.3.{i}" for i in ids],
        "patient_key": [f"{int(i):016x}" for i in ids],
        "laterality": [VIEWS[n % 4][0] for n in range(count)],
        "view": [VIEWS[n % 4][1] for n in range(count)],
        "rows": np.full(count, 3000),
        "columns": np.full(count, 2400),
        "manufacturer": np.repeat([one[0] for one in made], 4),
        "model": np.repeat([one[1] for one in made], 4),
        "software_versions": np.repeat([one[2] for one in made], 4),
        "device_key": np.repeat([f"{u:08x}{0:08x}" for u in unit], 4),
        "month": np.repeat([archive.months[m] for m in month], 4),
        "age_band": np.repeat(bands, 4),
        "file_sha256": [f"{n:064x}" for n in 4 * archive.first + np.arange(count)],
        "weights_sha256": [WEIGHTS] * count,
        "settings_sha256": [SETTINGS] * count,
        "status": ["ok"] * count,
        "parked": np.zeros(count, bool),
        "bac_detected": found,
        "bac_probability": probability,
        "min_probability": np.zeros(count),
        "probability_prevalence": np.full(count, 0.1),
        "calcium_mass_mg": area / 2.0,
        "calcium_mass_low_mg": area / 3.0,
        "calcium_mass_high_mg": area,
        "mass_basis": ["calibrated"] * count,
        "area_mm2": area,
        "length_mm": area,
        "vessel_count": found.astype(np.int64),
        "warnings": [""] * count,
        "analysis": [_analysis(hit, chance) for hit, chance in zip(found, probability, strict=True)],
        **archive.values,
    }
    empty = pa.nulls(count)
    columns = [
        pa.array(cells[name], column.type) if name in cells else empty.cast(column.type)
        for name, column in zip(PART_SCHEMA.names, PART_SCHEMA, strict=True)
    ]
    return pa.table(columns, schema=PART_SCHEMA)


def write(path: Path, *archives: Archive) -> Path:
    """Write a part of the rows of all of them."""
    parquet.write_table(pa.concat_tables([part(one) for one in archives]), path)
    return path


def _analysis(found: bool, probability: float) -> str:
    return json.dumps({"vessels": [{"probability": round(float(probability), 4)}] if found else []})
