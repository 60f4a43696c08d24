"""Real images with arteries drawn by hand, and others without any: what is covered, and what is invented.

``python -m bac_evaluation.real.lines FOLDER [--pixel-spacing MM]``

Real images come without masks, but somebody can draw the centre line of a calcified artery. The folder holds
images and ``centre_lines.json``::

    {"film.png": {"mm_per_pixel": 0.1, "bac": [[[x, y], ...], ...], "uncertain": [...]}}

Points are (x, y) = (column, row) in pixels of the stored matrix, 0 at the middle of the first. What is drawn
as uncertain need not be found and may be. Images that the file does not name show no BAC.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bac_evaluation.dataset import View
from bac_evaluation.page import table
from bac_evaluation.run import served_model
from bac_evaluation.served import Segmented, segment_view
from bac_evaluation.settings import Settings, read_settings
from bac_evaluation.vessels.geometry import near, points_mm
from bac_evaluation.vessels.matching import TOLERANCE_MM
from bac_imaging.vessels.demands import PostProcessing
from bac_terms.errors import BacctlError, RefusedError
from bac_training.data.centre_lines import FILE, WIDE_MM, CentreLines, points_along, read_centre_lines
from bac_training.errors import TrainingError
from bac_training.network.backends import Segmenter, load_segmenter

__all__ = ["RealImage", "measure_real", "to_table"]

_NO_IMAGE = "BAC-FILE-NOT-IMAGE"


@dataclass(frozen=True)
class RealImage:
    """What was measured on one image.

    Attributes
    ----------
    name : str
        File.
    code : str or None
        Why it was refused or failed.
    recall : float or None
        Part of the length drawn as BAC that lies within 1 mm of the mask, at the detector; None where nothing
        is drawn.
    area_mm2 : float
        Mask in the object's plane.
    false_mm2, far_mm2 : float
        Of it, what lies more than 1 mm and more than 3 mm, at the detector, from any line that is drawn; all
        of it where none is. The first holds the sides of arteries that are wider than 2 mm.
    """

    name: str
    code: str | None = None
    recall: float | None = None
    area_mm2: float = 0.0
    false_mm2: float = 0.0
    far_mm2: float = 0.0


def measure_real(
    folder: Path, segmenter: Segmenter, settings: Settings, spacing_mm: float | None = None
) -> list[RealImage]:
    """Run the pipeline on every image of a folder and hold the masks against the centre lines.

    Parameters
    ----------
    folder : Path
        Images and ``centre_lines.json``; files that are no image are left out.
    segmenter : Segmenter
        Network.
    settings : Settings
        Threshold and post-processing.
    spacing_mm : float, optional
        Pixel spacing at the detector of images that carry none and have no lines.

    Returns
    -------
    list of RealImage
        By file name.

    Raises
    ------
    TrainingError
        As `read_centre_lines`; also when the folder holds no image.
    """
    drawn = read_centre_lines(folder)
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != FILE)
    measured = [_measure(folder, name, drawn.get(name), segmenter, settings, spacing_mm) for name in names]
    images = [image for image in measured if image.code != _NO_IMAGE or image.name in drawn]
    if not images:
        raise TrainingError(f"{folder} holds no image; give a folder of mammograms")
    return images


def to_table(images: Sequence[RealImage]) -> str:
    """Return what was measured as a table in Markdown; an image that was not measured has its code."""
    head = (
        "image",
        "centre-line recall within 1 mm",
        "mask, mm2",
        "of it over 1 mm from a line",
        "over 3 mm",
        "not measured",
    )
    rows = []
    for image in images:
        areas = (image.area_mm2, image.false_mm2, image.far_mm2)
        rows.append(
            (
                image.name,
                "-" if image.recall is None else f"{image.recall:.3f}",
                *("-" if image.code else f"{area:.1f}" for area in areas),
                image.code or "-",
            )
        )
    return "\n".join(table(head, rows))


def _measure(
    folder: Path,
    name: str,
    lines: CentreLines | None,
    segmenter: Segmenter,
    settings: Settings,
    spacing_mm: float | None,
) -> RealImage:
    try:
        image = _segment(folder, name, lines, segmenter, settings.parameters(), spacing_mm)
        mask = image.quantify(settings.parameters()).mask
    except Exception as error:
        # As in `measure`: a fault of the pipeline is a failed image. An artery on it is one not found.
        code = error.code if isinstance(error, BacctlError) else "BAC-INTERNAL"
        return RealImage(name, code, 0.0 if lines and lines.bac else None)
    pixels = points_mm(mask, image.context.pixel_spacing_mm)
    bac = points_along(() if lines is None else lines.bac)
    all_drawn = points_along(() if lines is None else (*lines.bac, *lines.uncertain))
    pixel_mm2 = image.context.pixel_area_mm2
    false, far = (
        pixel_mm2 * float((~near(pixels, all_drawn, distance)).sum()) for distance in (TOLERANCE_MM, WIDE_MM)
    )
    return RealImage(
        name=name,
        recall=float(near(bac, pixels, TOLERANCE_MM).mean()) if len(bac) else None,
        area_mm2=pixel_mm2 * len(pixels),
        false_mm2=false,
        far_mm2=far,
    )


def _segment(
    folder: Path,
    name: str,
    lines: CentreLines | None,
    segmenter: Segmenter,
    parameters: PostProcessing,
    spacing_mm: float | None,
) -> Segmented:
    try:
        view = _view(name, lines.mm_per_pixel if lines else None)
        return segment_view(folder, view, segmenter, parameters)
    except RefusedError as error:
        if error.code != "BAC-SPACING-MISSING" or spacing_mm is None:
            raise
        return segment_view(folder, _view(name, spacing_mm), segmenter, parameters)


def _view(name: str, spacing_mm: float | None) -> View:
    options = None if spacing_mm is None else {"pixel_spacing_mm": [spacing_mm, spacing_mm]}
    return View(path=name, mask="", options=options)


def _main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bac_evaluation.real.lines",
        description="Centre lines covered and false mask on real images. Research use only.",
    )
    parser.add_argument("folder", type=Path, help=f"images and {FILE}")
    parser.add_argument(
        "--model", type=Path, help="checkpoint or ONNX file; by default the one that is served"
    )
    parser.add_argument(
        "--settings", type=Path, help="threshold and post-processing; by default the model's own"
    )
    parser.add_argument(
        "--pixel-spacing", type=float, metavar="MM", help="at the detector, for images that carry none"
    )
    options = parser.parse_args(arguments)
    if options.pixel_spacing is not None and not options.pixel_spacing > 0:
        parser.error("--pixel-spacing: give a positive number of mm")
    try:
        if not options.folder.is_dir():
            raise TrainingError(f"{options.folder}: no such folder; give one of images and {FILE}")
        segmenter = load_segmenter(options.model or served_model())
        settings = read_settings(options.settings) if options.settings else Settings.of(segmenter)
        images = measure_real(options.folder, segmenter, settings, options.pixel_spacing)
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 1
    demands = "".join(f", {name} {value:g}" for name, value in settings.post_processing.items())
    print(f"Model `{segmenter.sha256[:12]}`, threshold {settings.threshold:g}{demands}. Research use only.\n")
    print(to_table(images))
    return 0


if __name__ == "__main__":
    sys.exit(_main())
