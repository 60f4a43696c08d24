"""Make the picture of docs/phantom.md: one breast as film, processed and raw, and its artery at full size."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from bac_phantom import PhantomConfig, View, make_woman

_SEED = 41
_MASS_MG = 40.0
_HEIGHT_PX = 460


def shown(view: View, part: tuple[slice, ...] = ()) -> npt.NDArray[np.uint8]:
    """Return (a part of) the pixels as a viewer would show them, white attenuates."""
    pixels = view.stored.pixels.astype(np.float64)
    if view.look == "raw":
        pixels = -np.log(np.maximum(pixels, 1.0))
    elif view.stored.inverted:
        pixels = -pixels
    pixels = pixels[part]
    low, high = np.quantile(pixels, (0.02, 0.998))
    return np.asarray(255 * np.clip((pixels - low) / (high - low), 0, 1), dtype=np.uint8)


def scaled(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    """Return an image of the picture's height."""
    image = Image.fromarray(pixels)
    width = round(image.width * _HEIGHT_PX / image.height)
    return image.resize((width, _HEIGHT_PX), Image.Resampling.LANCZOS)


def main(picture: Path) -> None:
    """Write the picture as a JPEG."""
    panels = []
    looks: tuple[Literal["film", "presentation", "raw"], ...] = ("film", "presentation", "raw")
    for look in looks:
        config = PhantomConfig(look=look, detectors=("csi-100",), presentation_styles=("multiscale",))
        # Left MLO: the view that shows the muscle.
        view = make_woman(_SEED, config, mass_mg=_MASS_MG).views[1]
        panels.append(scaled(shown(view)))
    labels, count = ndimage.label(view.mask)
    largest = ndimage.find_objects(labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:])))[0]
    corner = [max((s.start + s.stop) // 2 - _HEIGHT_PX // 2, 0) for s in largest]
    part = tuple(slice(start, start + _HEIGHT_PX) for start in corner)
    panels.append(Image.fromarray(shown(view, part)))
    sheet = Image.new("L", (sum(p.width for p in panels) + 6 * (len(panels) - 1), _HEIGHT_PX), 255)
    column = 0
    for panel in panels:
        sheet.paste(panel, (column, 0))
        column += panel.width + 6
    sheet.save(picture, quality=85)
    print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB, {count} pieces of artery")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
