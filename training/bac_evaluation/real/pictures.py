"""Pictures of the worst labelled images: the whole view, and each finding enlarged, plain and outlined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from bac_evaluation.pictures import to_grey
from bac_evaluation.real.figures import Case
from bac_evaluation.real.rows import quantify_labelled
from bac_evaluation.settings import Settings
from bac_imaging.pipeline import to_working_mask
from bac_training.data.labelled import LabelledImage, LabelledSet
from bac_training.network.backends import Segmenter

__all__ = ["choose_worst", "draw_worst"]

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
Box = tuple[slice, slice]

_FOUND = (0, 220, 255)
_JOIN_PX = 30  # findings nearer than twice this share a picture
_MARGIN_PX = 40  # 4 mm of surroundings
_ZOOM = 3
_SIDE_PX = 800  # of an enlarged finding; larger ones are enlarged less
_VIEW_PX = 1100
_CAPTION_PX = 26
_MOST_FINDS = 8


def choose_worst(cases: Sequence[Case], count: int) -> list[Case]:
    """Choose the images with the most false mask or the longest missed arteries, the worst first.

    A millimetre of a missed centre line weighs as much as a square millimetre of false mask. Uncertain images
    and those on which nothing is wrong are left out, as are those that were not measured.
    """

    def wrong(case: Case) -> float:
        image, row = case
        if row.status != "ok" or image.label == "uncertain":
            return 0.0
        if image.label == "negative":
            return sum(row.false_mm2)
        return row.line_mm - row.covered_mm + (row.far_mm2 if row.line_mm else 0.0)

    ranked = sorted((case for case in cases if wrong(case) > 0), key=wrong, reverse=True)
    return ranked[:count]


def draw_worst(
    labelled: LabelledSet,
    cases: Sequence[Case],
    judge_of: Callable[[LabelledImage], tuple[Segmenter, Settings]],
    folder: Path,
    count: int,
) -> list[Path]:
    """Draw the worst cases; each is measured once more for its mask.

    Parameters
    ----------
    labelled : LabelledSet
        Images.
    cases : sequence of (LabelledImage, RealRow)
        What was measured.
    judge_of : callable
        From an image to the network and settings that judged it.
    folder : Path
        Where ``worst-01.png`` and so on go, the whole view with its findings numbered, and beside it
        ``worst-01-find-1.png`` and so on, each finding enlarged. Earlier ones are removed.
    count : int
        How many cases.

    Returns
    -------
    list of Path
        Pictures of whole views, the worst first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("worst-*.png"):
        old.unlink()
    written = []
    for number, (image, row) in enumerate(choose_worst(cases, count), start=1):
        prepared, result = quantify_labelled(
            labelled.folder, image, labelled.lines.get(image.view.path), *judge_of(image)
        )
        mask = to_working_mask(result.mask, prepared.context)
        findings = _boxes_of_findings(mask)
        path = folder / f"worst-{number:02d}.png"
        wrong = sum(row.false_mm2)
        caption = f"{image.view.path}: {image.label}, {row.area_mm2:.1f} mm2 marked, {wrong:.1f} false"
        _whole(prepared.signal, prepared.breast, mask, findings, caption).save(path)
        for index, box in enumerate(findings, start=1):
            _enlarged(prepared.signal, prepared.breast, mask, box).save(
                path.with_name(f"{path.stem}-find-{index}.png")
            )
        written.append(path)
    return written


def _boxes_of_findings(mask: BoolArray) -> list[Box]:
    """Return the boxes of findings with their surroundings, those that lie close together as one."""
    joined = ndimage.maximum_filter(mask, 2 * _JOIN_PX + 1)
    labels, _ = ndimage.label(joined, structure=np.ones((3, 3)))
    labels = np.where(mask, labels, 0)
    boxes = [box for box in ndimage.find_objects(labels) if box is not None]
    areas = [int(mask[box].sum()) for box in boxes]
    order = sorted(range(len(boxes)), key=lambda number: -areas[number])
    return [_widened(boxes[number], mask.shape) for number in order[:_MOST_FINDS]]


def _widened(box: Box, shape: tuple[int, ...]) -> Box:
    first, second = (
        slice(max(part.start - _MARGIN_PX, 0), min(part.stop + _MARGIN_PX, size))
        for part, size in zip(box, shape, strict=True)
    )
    return first, second


def _painted(signal: FloatArray, breast: BoolArray, box: Box) -> npt.NDArray[np.uint8]:
    return np.repeat(to_grey(signal[box], breast[box])[..., None], 3, axis=2)


def _whole(
    signal: FloatArray, breast: BoolArray, mask: BoolArray, findings: Sequence[Box], caption: str
) -> Image.Image:
    painted = _painted(signal, breast, (slice(None), slice(None)))
    painted[ndimage.binary_dilation(mask, iterations=3) & ~ndimage.binary_dilation(mask)] = _FOUND
    picture = Image.fromarray(painted)
    scale = min(_VIEW_PX / max(picture.size), 1.0)
    picture = picture.resize([max(1, round(side * scale)) for side in picture.size], Image.Resampling.BOX)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(18)
    for number, (rows, columns) in enumerate(findings, start=1):
        corners = [round(value * scale) for value in (columns.start, rows.start, columns.stop, rows.stop)]
        pen.rectangle(corners, outline=(255, 210, 0))
        pen.text((corners[0] + 3, corners[1] + 1), str(number), (255, 210, 0), font)
    return _captioned(picture, caption)


def _enlarged(signal: FloatArray, breast: BoolArray, mask: BoolArray, box: Box) -> Image.Image:
    plain = _painted(signal, breast, box)
    zoom = min(_ZOOM, _SIDE_PX / max(plain.shape))
    size = (max(1, round(plain.shape[1] * zoom)), max(1, round(plain.shape[0] * zoom)))
    grey = np.asarray(Image.fromarray(plain).resize(size, Image.Resampling.BICUBIC))
    inside = np.asarray(Image.fromarray(mask[box]).resize(size, Image.Resampling.NEAREST))
    marked = grey.copy()
    # The line lies just outside the mask, so that it hides nothing.
    marked[ndimage.binary_dilation(inside) & ~inside] = _FOUND
    pair = Image.fromarray(np.concatenate((grey, marked), axis=1))
    wide, tall = (part.stop - part.start for part in (box[1], box[0]))
    return _captioned(
        pair, f"{wide / 10:.0f} x {tall / 10:.0f} mm at the detector; enlarged {zoom:.1f} times"
    )


def _captioned(picture: Image.Image, caption: str) -> Image.Image:
    page = Image.new("RGB", (max(picture.width, 500), picture.height + _CAPTION_PX), "black")
    page.paste(picture, (0, _CAPTION_PX))
    ImageDraw.Draw(page).text(
        (6, 4), f"{caption}; research use only", (235, 235, 235), ImageFont.load_default(14)
    )
    return page
