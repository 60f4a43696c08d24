"""Draw the two pictures of docs/design.md: the rooms as `.importlinter` has them, and the way of an image.

``python scripts/design_pictures.py`` writes docs/images/rooms.svg and docs/images/way.svg.
"""

from __future__ import annotations

import sys
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

_ROOT = Path(__file__).resolve().parents[1]
_IMAGES = _ROOT / "docs" / "images"

ROOMS = {"packages": "packages", "bacctl": "sdk/bacctl", "imaging": "imaging/bac_imaging"}
"""Contracts of `.importlinter` that are drawn, with their titles."""

WAY = {
    "bac_preprocess: prepare.prepare": (
        ("read/reader.py", "which kind of file"),
        ("read/dicom_file.py", "parsed"),
        ("read/dicom_header.py", "measurable, or refused with a code"),
        ("read/attributes/", "view, spacing, beam"),
        ("read/pixels/decode.py", "stored values"),
        ("read/pixels/intensity.py", "signal: calcium is bright"),
        ("grid/working_grid.py", "0.1 mm"),
        ("grid/breast.py", "the breast's mask"),
        ("grid/normalise.py", "local contrast"),
        ("grid/tiles.py", "512 x 512"),
    ),
    "bac_segment": (
        ("onnxruntime.py", "the U-Net on the CPU; or openvino.py"),
        ("vessels/votes.py", "looks again, turned, where it found something"),
        ("grid/checksum.py", "whose tiles"),
    ),
    "bac_quantify: quantify.quantify": (
        ("grid/tiles.py", "stitch"),
        ("vessels/find.py", "vessels of the probabilities"),
        ("weighing.py", "mass/: background, beam, scatter"),
        ("vessels/probability.py", "probability, operating point"),
        ("vessels/stored.py", "back to the stored matrix"),
        ("report.py", "the record of the image"),
    ),
}
"""Steps of the server, and the files of `imaging/bac_imaging` that an image passes there."""

_OUT = ("TILES, SIGNAL, CONTEXT", "PROBABILITY, CHECKSUM", "REPORT, MASK, DENSITY")


def layers_of(contract: str) -> list[list[str]]:
    """Return the layers of a contract, the highest first, each with its rooms."""
    written = ConfigParser()
    written.read(_ROOT / ".importlinter")
    text = written[f"importlinter:contract:{contract}"]["layers"]
    return [line.replace(":", "|").replace(" ", "").split("|") for line in text.split("\n") if line.strip()]


def _box(
    axes: Any, place: tuple[float, float, float], text: str, note: str = "", colour: str = "#e8eef4"
) -> None:
    left, bottom, width = place
    axes.add_patch(plt.Rectangle((left, bottom), width, 0.8, facecolor=colour, edgecolor="#5a6b7b"))
    axes.text(left + width / 2, bottom + (0.52 if note else 0.4), text, ha="center", va="center", size=8)
    if note:
        axes.text(left + width / 2, bottom + 0.2, note, ha="center", va="center", size=6.5, color="#44525f")


def _panel(axes: Any, title: str, rows: int) -> None:
    axes.set(xlim=(0, 1), ylim=(-rows, 1), title=title)
    axes.axis("off")


def draw_rooms() -> Any:
    """Draw who stands above whom."""
    drawn = {title: layers_of(contract) for contract, title in ROOMS.items()}
    most = max(len(layers) for layers in drawn.values())
    figure, panels = plt.subplots(1, len(drawn), figsize=(13, 0.52 * most + 0.6), layout="constrained")
    for axes, (title, layers) in zip(panels, drawn.items(), strict=True):
        _panel(axes, title, most)
        for row, layer in enumerate(layers):
            for column, room in enumerate(layer):
                _box(axes, (column / len(layer) + 0.005, -row, 1 / len(layer) - 0.01), room)
    return figure


def draw_way() -> Any:
    """Draw the files that an image passes, step by step."""
    most = max(len(files) for files in WAY.values()) + 1
    figure, panels = plt.subplots(1, len(WAY), figsize=(11, 0.52 * most), layout="constrained")
    for axes, out, (step, files) in zip(panels, _OUT, WAY.items(), strict=True):
        _panel(axes, step, most)
        for row, (file, note) in enumerate(files):
            _box(axes, (0.02, -row, 0.96), file, note)
        _box(axes, (0.02, -len(files) - 0.3, 0.96), out, colour="#f6e7c8")
    return figure


def main() -> int:
    """Write both pictures."""
    settings = {"svg.fonttype": "none", "svg.hashsalt": "bacctl", "font.family": "sans-serif"}
    with mpl.rc_context(settings):
        for name, figure in (("rooms", draw_rooms()), ("way", draw_way())):
            figure.savefig(_IMAGES / f"{name}.svg", metadata={"Date": None})
    return 0


if __name__ == "__main__":
    sys.exit(main())
