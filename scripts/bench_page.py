"""Put a benchmark's tables into docs/performance.md, between ``<!-- bench: PART -->`` and ``<!-- end -->``.

    make bench AGAINST="/tmp/7b66bbe /tmp/0db03fc"
    python scripts/bench_page.py out/bench

The folder holds bench.json, and where they were made peers.json and roofline.md; a part that is in none of
them stays as the page has it. Other checkouts are called as their folders are.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from bacctl.bench.figures import Document, Figure, Spread, read_document
from bacctl.bench.tables import about, part_table, parts_of, spread_text

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
_PLACE = re.compile(r"(<!-- bench: ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

TARGETS: Mapping[tuple[str, str, str], str] = {
    ("processor", "steps beside the network", "4 in flight"): "a third of 7b66bbe",
    ("processor", "steps beside the network", "4 in flight, density too"): "a third of 7b66bbe",
    ("served", "throughput, of the bare network's", "3 in flight"): "0.55",
    ("served", "throughput, of the bare network's", "4 in flight"): "0.55",
    ("served", "throughput, of the bare network's", "4 in flight, density too"): "0.55",
    ("served", "a view, in bare networks", "1 in flight"): "3.0",
    ("cold", "prompt back", "analyze, one file"): "3.3 s",
    ("cold", "close, nothing in flight", "SDK"): "0.3 s",
    ("memory", "server, all its processes", ""): "two thirds of 7b66bbe",
    ("memory", "server, growth", ""): "1.0",
    ("peers", "throughput", "MONAI"): "9 times MONAI's",
}
"""Figures that have a target, by their places; a condition that is left out is any."""


def targets_table(figures: tuple[Figure, ...], subjects: list[str]) -> str:
    """Return the figures that have a target, with it and with how they changed."""
    this, *others = subjects
    titles = ["", *subjects, *(f"{this} / {name}" for name in others), "target"]
    lines = [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    for (part, name, at), target in TARGETS.items():
        if part == "peers":
            # How many times the peer's throughput is ours.
            ratio = next((f.to_this for f in figures if f.part == part and f.subject == at), None)
            label = f"throughput beside {at}'s, same weights"
            cells = [_text(ratio), *["-"] * (len(titles) - 3)]
        else:
            of = {f.subject: f for f in figures if (f.part, f.name) == (part, name) and at in ("", f.at)}
            if not of:
                continue
            first = next(iter(of.values()))
            label = ", ".join(filter(None, (name, first.at, first.unit)))
            cells = [_text(of[one].spread if one in of else None) for one in subjects]
            cells += [_text(of[one].to_this if one in of else None) for one in others]
        lines.append(f"| {label} | {' | '.join(cells)} | {target} |")
    return "\n".join(lines)


def _text(spread: Spread | None) -> str:
    return spread_text(spread) if spread else "-"


def tables(folder: Path) -> dict[str, str]:
    """Return what there is to insert, by the name of its place."""
    documents = {
        name: read_document((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("bench", "peers")
        if (folder / f"{name}.json").exists()
    }
    if not documents:
        raise SystemExit(f"{folder}: holds neither bench.json nor peers.json; run make bench")
    found = {part: part_table(one, part) for one in documents.values() for part in parts_of(one)}
    main = documents.get("bench") or documents["peers"]
    found["about"] = f"{about(main)} `{_without_folders(main)}`"
    if "bench" in documents:
        figures = tuple(figure for one in documents.values() for figure in one.figures)
        found["targets"] = targets_table(figures, [one.name for one in main.subjects])
    roofline = folder / "roofline.md"
    if roofline.exists():
        found["roofline"] = roofline.read_text(encoding="utf-8").strip()
    return found


def _without_folders(document: Document) -> str:
    """Return the command without where things lay on the machine."""
    words = (Path(word).name if word.startswith("/") else word for word in document.command.split())
    return " ".join(words)


def filled(page: str, found: Mapping[str, str]) -> str:
    """Return the page with its places filled."""

    def fill(match: re.Match[str]) -> str:
        begin, name, there, end = match.groups()
        return f"{begin}{found[name]}\n{end}" if name in found else f"{begin}{there}{end}"

    return _PLACE.sub(fill, page)


def main() -> None:
    """Write the page."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(filled(page, tables(Path(sys.argv[1]))), encoding="utf-8")


if __name__ == "__main__":
    main()
