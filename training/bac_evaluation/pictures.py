"""Pictures of single cases: the image beside itself with the outlines of truth and result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from bac_evaluation.dataset import Dataset, View
from bac_evaluation.measure import Row
from bac_evaluation.served import segment_view
from bac_evaluation.settings import Settings
from bac_imaging.pipeline import to_working_mask
from bac_training.data.sources import read_mask
from bac_training.network.backends import Segmenter

__all__ = ["Case", "choose", "draw", "to_grey"]

BoolArray = npt.NDArray[np.bool_]
Case = tuple[View, Row]

_MARGIN_PX = 80  # 8 mm of surroundings
_LONGEST_PX = 900
_CAPTION_PX = 44
_TRUE, _FOUND = (255, 210, 0), (0, 220, 255)


def choose(dataset: Dataset, rows: Mapping[str, Row], count: int) -> tuple[list[Case], list[Case]]:
    """Choose the best and worst cases by the Dice of the whole image, at most `count` each, none as both.

    The best are images with BAC, the worst those with BAC or with something found; among images where all is
    wrong the one with the larger area.
    """
    cases = [(view, rows[view.path]) for view in dataset.views]
    shown = [case for case in cases if case[1].overlap.true + case[1].overlap.found > 0]
    ranked = sorted(
        shown, key=lambda case: (case[1].overlap.dice, -case[1].overlap.true - case[1].overlap.found)
    )
    count = min(count, (len(ranked) + 1) // 2)
    worst = ranked[:count]
    best = [case for case in reversed(ranked[count:]) if case[1].is_true][:count]
    return best, worst


def draw(
    dataset: Dataset,
    cases: Sequence[Case],
    segmenter: Segmenter,
    settings: Settings,
    name: Callable[[int], Path],
) -> list[Path]:
    """Draw cases; each image is measured once more for its mask.

    Parameters
    ----------
    dataset : Dataset
        Images.
    cases : sequence of (View, Row)
        What to draw.
    segmenter, settings : Segmenter, Settings
        As in the evaluation.
    name : callable
        From the number of a case (from 1) to its file.

    Returns
    -------
    list of Path
        Files written; an image that was refused or failed has none.
    """
    written = []
    for number, (view, row) in enumerate(cases, start=1):
        # What failed once would fail again, and here the report would go with it.
        if row.result["status"] != "ok":
            continue
        image = segment_view(dataset.folder, view, segmenter, settings.parameters())
        result, prepared = image.quantify(settings.parameters()), image.prepared
        true, found = (
            to_working_mask(mask, image.context)
            for mask in (read_mask(dataset.folder / view.mask), result.mask)
        )
        path = name(number)
        outlined(prepared.signal, prepared.breast, true, found, _caption(view, row)).save(path)
        written.append(path)
    return written


def outlined(
    signal: npt.NDArray[np.float32],
    breast: BoolArray,
    true: BoolArray,
    found: BoolArray,
    caption: Sequence[str],
) -> Image.Image:
    """Draw a crop twice, plain and with outlines: truth yellow, result blue.

    Parameters
    ----------
    signal : ndarray of float32, shape (h, w)
        Larger = brighter.
    breast, true, found : ndarray of bool, shape (h, w)
        Breast, true and found mask.
    caption : sequence of str
        Two lines.
    """
    crop = _crop(true | found)
    plain = np.repeat(to_grey(signal[crop], breast[crop])[..., None], 3, axis=2)
    marked = plain.copy()
    for mask, colour in ((true[crop], _TRUE), (found[crop], _FOUND)):
        # The line lies just outside the mask, so that it hides nothing.
        marked[ndimage.binary_dilation(mask) & ~mask] = colour
    pair = Image.fromarray(np.concatenate((plain, marked), axis=1))
    shrink = _LONGEST_PX / max(pair.size)
    if shrink < 1.0:
        pair = pair.resize([max(1, round(side * shrink)) for side in pair.size], Image.Resampling.LANCZOS)
    page = Image.new("RGB", (max(pair.width, 560), pair.height + _CAPTION_PX), "black")
    page.paste(pair, (0, _CAPTION_PX))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    for number, line in enumerate(caption):
        pen.text((6, 4 + 19 * number), line, (235, 235, 235), font)
    return page


def to_grey(window: npt.NDArray[np.float32], breast: BoolArray) -> npt.NDArray[np.uint8]:
    """Bring part of a signal to grey values that spread over what the breast in it holds."""
    inside = window[breast] if breast.any() else window
    low, high = np.percentile(inside, (1.0, 99.8))
    grey = np.clip((window - low) / max(float(high - low), 1e-6), 0.0, 1.0) * 255
    return np.asarray(grey.astype(np.uint8))


def _caption(view: View, row: Row) -> tuple[str, str]:
    masses = (view.mass_mg, row.result.get("calcium_mass_mg"))
    true, measured = ("-" if mass is None else f"{mass:.1f} mg" for mass in masses)
    view_label = " ".join(word for word in (view.laterality, view.view, view.look) if word)
    first = f"Dice {row.overlap.dice:.3f}; true {true}, measured {measured}; {view_label}"
    return first, "truth yellow, result blue; research use only"


def _crop(mask: BoolArray) -> tuple[slice, slice]:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return slice(None), slice(None)
    first, second = (
        slice(max(int(i[0]) - _MARGIN_PX, 0), int(i[-1]) + 1 + _MARGIN_PX) for i in (rows, columns)
    )
    return first, second
