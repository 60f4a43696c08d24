"""Prints what the fault suite wrote down as a table: python -m tests.faults.table."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.faults.outcome import OUT


def table(lines: list[dict[str, object]]) -> str:
    """Write the last outcome of each fault and way as a row."""
    last = {(line["fault"], line["way"]): line for line in lines}
    rows = ["| fault | sent by | images | ok | wrong | lost | doubled | not measured | next good after |"]
    rows.append("| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | ---: |")
    for (fault, way), line in last.items():
        codes = line["codes"]
        assert isinstance(codes, dict)
        failed = ", ".join(f"{count} {code}" for code, count in codes.items()) or "none"
        after = "" if line["first_good_s"] is None else f"{line['first_good_s']} s"
        counts = " | ".join(str(line[name]) for name in ("images", "ok", "wrong", "lost", "doubled"))
        rows.append(f"| {fault} | {way} | {counts} | {failed} | {after} |")
    return "\n".join(rows)


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    print(table([json.loads(line) for line in path.read_text().splitlines()]))
