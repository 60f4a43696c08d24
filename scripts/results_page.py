"""Make docs/results.md from reports of `bacctl evaluate`: real images, generators side by side, phantoms.

``python scripts/results_page.py docs/results.md [--real FOLDS [SERVED]] [--beside NAME REPORT COMMAND ...]
[--phantoms REPORT]``

A part whose report is not given stays as it is, without what the page leaves out. Pictures of phantoms go
with the page, made small; those of real images never do.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from PIL import Image

from bac_evaluation.real.page import to_markdown

_WIDTH_PX = 900
_REAL, _BESIDE, _PHANTOMS = "## Real images\n", "## Generators side by side\n", "## Digital phantoms\n"
_SEEN = "### The network that is served, on all images, two thirds of which it was trained on\n"
# Stand in the model card, over all sources.
_LEFT_OUT = ("Probability", "Operating points")
_TITLE = """# Results

Research use only. Real mammograms first: they are few, read by eye and not by a radiologist, and none has a
known mass, but they are what a user meets. Then digital phantoms, where the truth is known because it was put
in.

"""
_OF_REAL = """
```
{command}
```

**The network that is served, on the fold whose images and patients it has never seen**; the shares of its
mean were chosen there, and the votes in part ([studies.md](studies.md#one-look-and-eight)). `real1` holds
that fold alone, as do its labels. Films and simulations are measured as plain images,
digital mammograms as DICOM FOR PRESENTATION. The skin line is where the breast that was found ends; what the
columns mean: [evaluation.md](evaluation.md#real-images). The images are not part of the project.
"""
_OF_SEEN = """
```
{command}
```

"""
_OF_BESIDE = """
Women and films that the network was not trained on; *left out*: by a network that has seen nothing of that
generator, the one that was trained on the phantom alone (threshold 0.1, core 0.7, seed 0.995, as its card
says), measured before the votes, by one look. None
was trained with the phantom left out. A dash: the generator has no such truth, or nothing reaches
that point. What the network was trained on: [model-card.md](model-card.md).

"""
_OF_PHANTOMS = """
```
bacctl phantom heldout --mix held-out --women {women} --seed 910000 --processes 2
bacctl evaluate heldout --report report
python scripts/results_page.py docs/results.md --phantoms report
```

The case mix: women without BAC drawn with a chance of one third ({without} of these {women}), masses
log-uniform from 1 to 120 mg, outer widths of 0.8 to 3 mm, all densities, two thirds raw and one third
for presentation, all hard negatives on, the header's thickness off by up to 6 mm. The detector of 0.05
mm and the presentation style `table` were never trained on. What the figures mean:
[evaluation.md](evaluation.md). What the weights are, how they came about, probabilities and operating
points: [model-card.md](model-card.md).
"""


def main() -> None:
    """Write the page, with pictures of phantoms in the folder ``images/results`` beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument(
        "--real",
        type=Path,
        nargs="+",
        metavar="REPORT",
        help="of real images: by folds, and of all by the network that has seen them",
    )
    parser.add_argument(
        "--beside", nargs=3, action="append", metavar=("NAME", "REPORT", "COMMAND"), help="a generator"
    )
    parser.add_argument("--phantoms", type=Path, help="report of phantoms")
    options = parser.parse_args()
    real, beside, phantoms = parts(options.page.read_text(encoding="utf-8") if options.page.is_file() else "")
    if options.real:
        real = of_real(*options.real)
    if options.beside:
        beside = of_generators([(name, Path(report), command) for name, report, command in options.beside])
    if options.phantoms:
        phantoms = of_phantoms(options.phantoms, options.page.parent / "images" / "results")
    options.page.write_text(_TITLE + real + beside + shortened(phantoms), encoding="utf-8")


def parts(page: str) -> tuple[str, str, str]:
    """Take a page apart: real images, generators, phantoms; each empty where it says nothing."""
    before, _, phantoms = page.partition(_PHANTOMS)
    before, _, beside = before.partition(_BESIDE)
    _, _, real = before.partition(_REAL)
    return (
        _REAL + real if real else "",
        _BESIDE + beside if beside else "",
        _PHANTOMS + phantoms if phantoms else "",
    )


def shortened(phantoms: str) -> str:
    """Take out the sections that the page does not show."""
    sections = re.split(r"(?=^## )", phantoms, flags=re.MULTILINE)
    return "".join(
        section for section in sections if section.partition("\n")[0].removeprefix("## ") not in _LEFT_OUT
    )


def of_real(folds: Path, served: Path | None = None) -> str:
    """Write the part on real images: judged by folds, then by the network that has seen them."""
    command, body = _real_report(folds)
    judged = f"{_REAL}{_OF_REAL.format(command=command)}{body}\n"
    if served is None:
        return judged
    own, seen = _real_report(served)
    seen = seen.partition("\n| corrected reading ")[0]  # as of the folds
    return f"{judged}{_SEEN}{_OF_SEEN.format(command=own)}{seen.strip()}\n\n"


def of_generators(given: list[tuple[str, Path, str]]) -> str:
    """Write the part that holds the figures of several generators side by side."""
    reports = [json.loads((report / "report.json").read_text(encoding="utf-8")) for _, report, _ in given]
    lines = [
        f"| | {' | '.join(name for name, _, _ in given)} |",
        f"|---|{'---|' * len(given)}",
        "| women or images; views with BAC | "
        + " | ".join(f"{r['data']['women']}; {r['data']['positive_views']}" for r in reports)
        + " |",
    ]
    for number, target in enumerate(reports[0]["targets"]):
        cells = [_reached(report["targets"][number]) for report in reports]
        lines.append(f"| {target['label']} | {' | '.join(cells)} |")
    commands = "\n".join(command for _, _, command in given)
    return f"{_BESIDE}\n```\n{commands}\n```\n{_OF_BESIDE}" + "\n".join(lines) + "\n\n"


def _reached(target: dict[str, Any]) -> str:
    reached = target["reached"]
    if reached["value"] is None:
        return "-"
    interval = "" if reached["low"] is None else f" [{reached['low']:.2f}, {reached['high']:.2f}]"
    return f"{reached['value']:.3f}{interval}"


def _real_report(folder: Path) -> tuple[str, str]:
    """Return the command and the text below the heading of a report on real images."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    command = "bacctl evaluate real --report real-report"
    if report["corrections"] or report["data"]["patients"] < report["data"]["views"]:
        command += " --labels docs/studies/real-labels.csv"
    if report["held_out"]:
        command += " --folds folds.csv"
        command += "".join(
            f" --fold-model {model['fold']}=fold-{model['fold']}.onnx" for model in report["models"]
        )
    body = to_markdown(report, level=2).partition("\n")[2]
    return command, body.partition("\n### Probability\n")[0] + "\n"


def of_phantoms(folder: Path, pictures: Path) -> str:
    """Write the part on phantoms from their report, and its pictures."""
    pictures.mkdir(parents=True, exist_ok=True)
    for old in pictures.glob("*.jpg"):
        old.unlink()
    body = (folder / "report.md").read_text(encoding="utf-8")
    # The report's own title and disclaimer make room for what the page says of the data.
    body = shortened(body.split("\n", 4)[4])

    def shrink(match: re.Match[str]) -> str:
        name = match.group(1)
        with Image.open(folder / "pictures" / f"{name}.png") as image:
            image.thumbnail((_WIDTH_PX, _WIDTH_PX))
            image.convert("RGB").save(pictures / f"{name}.jpg", quality=80, optimize=True)
        return f"![{name.replace('_', ' ')}](images/results/{name}.jpg)"

    body = re.sub(r"!\[\]\(pictures/([\w-]+)\.png\)", shrink, body)
    introduction = _OF_PHANTOMS.format(**_women(folder / "rows.jsonl"))
    return f"{_PHANTOMS}{introduction}\n{body}"


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
    main()
