"""Make the README's picture from a finished demo: the overlay with the most calcium, scaled."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from PIL import Image

_HEIGHT_PX = 900


def main(demo: Path, picture: Path) -> None:
    """Copy one overlay of `demo` to `picture`, scaled to a page."""
    images = json.loads((demo / "analysis.json").read_text())["images"]
    richest = max(images, key=lambda image: image["calcium_mass_mg"] or 0.0)
    with Image.open(richest["files"]["overlay"]) as overlay:
        scale = _HEIGHT_PX / overlay.height
        small = overlay.resize((round(overlay.width * scale), _HEIGHT_PX), Image.Resampling.LANCZOS)
    picture.parent.mkdir(parents=True, exist_ok=True)
    small.save(picture, optimize=True)
    print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
