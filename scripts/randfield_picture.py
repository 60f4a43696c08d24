"""Draw docs/images/randfield.jpg: views of the random-field phantom in several styles, each with a patch.

python scripts/randfield_picture.py OUT.jpg [SEED ...]
"""

import sys

import numpy as np
from PIL import Image

from bac_randfield import RandomFieldConfig
from bac_randfield.image.processing import STYLES
from bac_randfield.woman import store_exam, take_exam

_HEIGHT, _VIEW, _PATCH = 400, 240, 400
_SEEDS = (26, 31, 13, 43, 23, 36)


def _grey(values: np.ndarray) -> Image.Image:
    low, high = np.percentile(values, [1, 99.7])
    return Image.fromarray(np.rint(np.clip((values - low) / max(high - low, 1), 0, 1) * 255).astype(np.uint8))


def _pair(seed: int, style: str) -> Image.Image:
    """One view, and a patch of 4 cm or less around its calcium or behind its nipple, a pixel a pixel."""
    config = RandomFieldConfig(
        styles=(style,), systems=("csi-100", "se-70"), two_view_share=1.0, positive_share=0.9
    )
    exam = take_exam(seed, config)
    woman = store_exam(exam, config, "presentation")
    view = max(woman.views, key=lambda v: v.calcium_mass_mg)
    pixels = view.pixels.stored.astype(np.float32)
    if view.pixels.inverted:
        pixels = pixels.max() - pixels
    mask = view.mask
    if view.laterality == "R":
        pixels, mask = pixels[:, ::-1], mask[:, ::-1]
    marked = np.argwhere(mask)
    inside = np.argwhere(pixels[::8, ::8] > 0.1 * pixels.max()) * 8
    at = marked[len(marked) // 2] if len(marked) else inside[len(inside) // 2]
    corner = [int(np.clip(a - _PATCH // 2, 0, n - _PATCH)) for a, n in zip(at, pixels.shape, strict=True)]
    patch = pixels[corner[0] : corner[0] + _PATCH, corner[1] : corner[1] + _PATCH]
    small = _grey(pixels)
    small = small.resize((small.width * _HEIGHT // small.height, _HEIGHT), Image.Resampling.BOX)
    sheet = Image.new("L", (_VIEW + _PATCH, _HEIGHT))
    sheet.paste(small.crop((0, 0, _VIEW, _HEIGHT)), (0, 0))
    sheet.paste(_grey(patch), (_VIEW, 0))
    return sheet


def main() -> None:
    """Draw the sheet."""
    seeds = [int(text) for text in sys.argv[2:]] or list(_SEEDS)
    styles = list(STYLES)
    pairs = [_pair(seed, styles[k % len(styles)]) for k, seed in enumerate(seeds)]
    rows = -(-len(pairs) // 3)
    sheet = Image.new("L", (3 * (_VIEW + _PATCH), rows * _HEIGHT))
    for k, pair in enumerate(pairs):
        sheet.paste(pair, ((k % 3) * (_VIEW + _PATCH), (k // 3) * _HEIGHT))
    sheet.save(sys.argv[1], quality=72, optimize=True)


if __name__ == "__main__":
    main()
