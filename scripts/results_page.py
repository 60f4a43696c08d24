"""Make docs/results.md from a report of `bacctl evaluate`: its tables, and its pictures made small."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from PIL import Image

_WIDTH_PX = 900
_INTRODUCTION = """# Results

Research use only. Digital phantoms, not patients: the truth is known because it was put in.

```
bacctl phantom heldout --mix held-out --women 200 --seed 910000 --processes 2
bacctl evaluate heldout --report report
python scripts/results_page.py report docs/results.md
```

The case mix: women without BAC drawn with a chance of one third ({without} of these {women}), masses
log-uniform from 1 to 120 mg, outer widths of 0.8 to 3 mm, all densities, two thirds raw and one third
for presentation, all hard negatives on, the header's thickness off by up to 6 mm. The detector of 0.05
mm and the presentation style `table` were never trained on. What the figures mean:
[evaluation.md](evaluation.md). What the weights are, how they came about and what real images show:
[model-card.md](model-card.md).
"""


def main(report: Path, page: Path) -> None:
    """Write `page`, with pictures in the folder ``images/results`` beside it."""
    pictures = page.parent / "images" / "results"
    pictures.mkdir(parents=True, exist_ok=True)
    for old in pictures.glob("*.jpg"):
        old.unlink()
    body = (report / "report.md").read_text(encoding="utf-8")
    # The report's own title and disclaimer make room for what the page says of the data.
    body = body.split("\n", 4)[4]

    def shrink(match: re.Match[str]) -> str:
        name = match.group(1)
        with Image.open(report / "pictures" / f"{name}.png") as image:
            image.thumbnail((_WIDTH_PX, _WIDTH_PX))
            image.convert("RGB").save(pictures / f"{name}.jpg", quality=80, optimize=True)
        return f"![{name.replace('_', ' ')}](images/results/{name}.jpg)"

    body = re.sub(r"!\[\]\(pictures/([\w-]+)\.png\)", shrink, body)
    introduction = _INTRODUCTION.format(**_women(report / "rows.jsonl"))
    page.write_text(f"{introduction}\n{body}", encoding="utf-8")
    size = sum(path.stat().st_size for path in pictures.iterdir()) + page.stat().st_size
    print(f"{page} with its pictures: {size / 1e6:.1f} MB")


def _women(rows: Path) -> dict[str, int]:
    """How many women the report is of, and how many of them have no true artery on any view."""
    arteries: dict[str, int] = {}
    # The first line says what was evaluated with what.
    for line in rows.read_text(encoding="utf-8").splitlines()[1:]:
        row = json.loads(line)
        woman = Path(row["path"]).parent.name
        arteries[woman] = arteries.get(woman, 0) + len(row["true_vessels"])
    return {"women": len(arteries), "without": sum(not count for count in arteries.values())}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
