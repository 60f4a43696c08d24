"""A Parametric Map a view: calcium in mg/mm2."""

from __future__ import annotations

import copy

import numpy as np
from highdicom.content import PixelMeasuresSequence, VOILUTTransformation
from highdicom.enum import ContentQualificationValues
from highdicom.pm import ParametricMap, RealWorldValueMapping
from highdicom.uid import UID

from bac_terms.errors import FailedError
from bacctl.outputs.dicom.codes import MASS, MG_PER_MM2
from bacctl.outputs.dicom.run import RESEARCH, Run
from bacctl.outputs.dicom.source import Source, place_side


def parametric_map(run: Run, source: Source) -> ParametricMap | None:
    """Make the map of one image.

    Parameters
    ----------
    run : Run
        Of the exam.
    source : Source
        The image.

    Returns
    -------
    highdicom.pm.ParametricMap or None
        32-bit floats in the matrix of the image; their sum times the area of a pixel is the mass. None where
        nothing was found or weighed.

    Raises
    ------
    FailedError
        ``BAC-OUTPUT-NO-MASK``: something was weighed, and the result has no density.
    """
    density, spacing = source.image.density, source.spacing_mm
    if spacing is None or source.image.calcium_mass_mg is None or not source.mask.any():
        return None
    if density is None:  # of a client that asked for none: no word that nothing was weighed
        raise FailedError("BAC-OUTPUT-NO-MASK", "the result has no density, which a map is made of")
    # The map's frames are ordered by their place in space, which a projection has none of: the plane of the
    # image itself stands for it, in a frame of reference of its own.
    placed = copy.deepcopy(source.header)
    placed.FrameOfReferenceUID = source.header.get("FrameOfReferenceUID") or UID()
    placed.ImagePositionPatient = [0.0, 0.0, 0.0]
    placed.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    placed.PixelSpacing = list(spacing)
    placed.SliceThickness = 1.0
    most = float(density.max())
    mapping = RealWorldValueMapping(
        lut_label="CALCIUM",
        lut_explanation="Calcium in the plane of the artery",
        unit=MG_PER_MM2,
        value_range=(0.0, max(most, 1e-6)),
        slope=1.0,
        intercept=0.0,
        quantity_definition=MASS,
    )
    dataset = ParametricMap(
        source_images=[placed],
        pixel_array=np.ascontiguousarray(density, dtype=np.float32),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[
            VOILUTTransformation(window_center=most / 2 or 0.5, window_width=most or 1.0)
        ],
        pixel_measures=PixelMeasuresSequence(spacing, slice_thickness=1.0),
        content_label="CALCIUM",
        content_description=f"Calcium in mg/mm2. {RESEARCH}",
        content_qualification=ContentQualificationValues.RESEARCH,
        **run.identity("pm", source),
    )
    # LINEAR allows no width below 1, and highdicom writes no function.
    dataset.SharedFunctionalGroupsSequence[0].FrameVOILUTSequence[0].VOILUTFunction = "LINEAR_EXACT"
    place_side(dataset, source)
    return dataset
