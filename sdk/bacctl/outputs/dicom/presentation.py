"""A Grayscale Softcopy Presentation State a view: the image as it is, with outlines upon it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from highdicom.color import CIELabColor
from highdicom.content import PresentationLUTTransformation
from highdicom.pr import (
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GrayscaleSoftcopyPresentationState,
    SoftcopyVOILUTTransformation,
    TextObject,
)
from pydicom.dataset import Dataset

from bacctl.outputs.dicom.outlines import outlines
from bacctl.outputs.dicom.picture import legend
from bacctl.outputs.dicom.run import RESEARCH, Run, find_name
from bacctl.outputs.dicom.source import Source
from bacctl.outputs.dicom.vessels import number_vessels, places_of


def presentation_state(run: Run, source: Source) -> GrayscaleSoftcopyPresentationState | None:
    """Make the presentation state of one image.

    Parameters
    ----------
    run : Run
        Of the exam.
    source : Source
        The image.

    Returns
    -------
    highdicom.pr.GrayscaleSoftcopyPresentationState or None
        None where nothing was found.
    """
    if not source.mask.any():
        return None
    header = source.header
    layer = GraphicLayer(
        "BAC", order=1, description=RESEARCH, display_color=CIELabColor.from_rgb(255, 196, 0)
    )
    annotation = GraphicAnnotation(
        referenced_images=[header],
        graphic_layer=layer,
        graphic_objects=_graphics(run, source),
        text_objects=[_text(run, source)],
    )
    window = _window(header)
    inverse = header.PhotometricInterpretation == "MONOCHROME1"
    dataset = GrayscaleSoftcopyPresentationState(
        referenced_images=[_without_luts(header)],
        content_label="BAC",
        content_description=f"Arterial calcification. {RESEARCH}",
        graphic_annotations=[annotation],
        graphic_layers=[layer],
        voi_lut_transformations=None if window is None else [window],
        # It would be IDENTITY else, and such an image would be shown as its negative.
        presentation_lut_transformation=PresentationLUTTransformation("INVERSE" if inverse else "IDENTITY"),
        **run.identity("pr", source),
    )
    if source.image.laterality is not None:
        dataset.Laterality = source.image.laterality
    return dataset


def _graphics(run: Run, source: Source) -> list[GraphicObject]:
    labels = number_vessels(source.image)
    objects = []
    for number, place in places_of(labels).items():
        corner = (place[1].start, place[0].start)
        for line in outlines(labels[place] == number):
            objects.append(
                GraphicObject(
                    "POLYLINE",
                    line.astype(np.float64) + corner,
                    "PIXEL",
                    tracking_id=find_name(source, number),
                    tracking_uid=run.tracking_uid(source.number, number),
                )
            )
    return objects


def _text(run: Run, source: Source) -> TextObject:
    words = legend(source.image, run.exam, run.comparison)
    return TextObject(
        text_value="\r\n".join(words),
        units="DISPLAY",
        bounding_box=(0.02, 0.02, 0.6, 0.2),
    )


def _without_luts(header: Dataset) -> Dataset:
    """Leave out the ways of display, of which the state names one; a modality LUT stays."""
    plain = Dataset()
    plain.update(header)
    for about in ("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"):
        if about in plain:
            delattr(plain, about)
    return plain


def _window(header: Dataset) -> SoftcopyVOILUTTransformation | None:
    """Take the first of the image's windows, as viewers do; highdicom takes no two beside a VOI LUT."""
    centres, widths = (_numbers(header.get(about)) for about in ("WindowCenter", "WindowWidth"))
    if not centres or not widths or not widths[0] >= 1:
        return None
    function = str(header.get("VOILUTFunction") or "LINEAR")
    return SoftcopyVOILUTTransformation(
        window_center=centres[0],
        window_width=widths[0],
        voi_lut_function=function if function in ("LINEAR", "LINEAR_EXACT", "SIGMOID") else "LINEAR",
    )


def _numbers(value: Any) -> list[float]:
    try:
        values = [value] if isinstance(value, (str, float, int)) else list(value or ())
        numbers = [float(number) for number in values]
    except (TypeError, ValueError):
        return []
    return [number for number in numbers if math.isfinite(number)]
