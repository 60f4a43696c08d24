"""Memory stays flat while rows grow tenfold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import parquet
from tests.sdk.archive.report.synthetic import Archive, part

from bacctl.archive.parts import PART_SCHEMA

_WOMEN = 12_500  # of one part: 50,000 rows
_MEASURE = """
import json, resource, sys
from pathlib import Path
from bacctl.archive.report.make import collected
from bacctl.archive.report.source import Source
from bacctl.archive.report.write import write_report
with collected(Source([sys.argv[1]])) as found:
    document = write_report(Path(sys.argv[2]), found)
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"read": document["rows"]["read"], "signals": len(document["signals"]),
    "judged": document["judged"], "peak_mb": used.ru_maxrss / 1024, "cpu_s": used.ru_utime + used.ru_stime}))
"""


def report_of(folder: Path, parts: int) -> dict[str, float]:
    """Report a merged file of so many parts in a process of its own."""
    path = folder / f"{parts}.parquet"
    units = [("Maker", "One", "1.0"), ("Maker", "One", "2.0"), ("Other", "Two", "7")]
    with parquet.ParquetWriter(path, PART_SCHEMA, compression="zstd") as writer:
        for number in range(parts):
            writer.write_table(part(Archive(_WOMEN, number, units=units, first=number * _WOMEN)))
    ended = subprocess.run(
        [sys.executable, "-c", _MEASURE, path, folder / f"report-{parts}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=3600,
        cwd=folder,
    )
    measured: dict[str, float] = json.loads(ended.stdout)
    print(parts, measured)
    return measured


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_a_million_rows_take_little_more_memory_than_a_hundred_thousand(tmp_path: Path) -> None:
    small, large = (report_of(tmp_path, parts) for parts in (2, 20))
    assert (small["read"], large["read"]) == (100_000, 1_000_000)
    # The database may hold 512 MB; without a bound a million rows would take ten times what a tenth takes.
    assert large["peak_mb"] < small["peak_mb"] + 512
    assert large["peak_mb"] < 1500
    assert large["signals"] <= 4  # 0.9 by chance, runs beside
