"""One image through the pipeline that serves, held against its truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_evaluation.dataset import View
from bac_evaluation.served import Segmented, segment_view
from bac_evaluation.settings import Settings
from bac_evaluation.vessels.findings import Findings, judge_findings
from bac_evaluation.vessels.froc import Candidate, score_vessels
from bac_evaluation.vessels.geometry import Shape, near, shape_of, shapes_of
from bac_evaluation.vessels.matching import TOLERANCE_MM, FoundVessel, TrueVessel, compare, share_masses
from bac_imaging.pipeline import Quantified
from bac_imaging.vessels.demands import PostProcessing
from bac_terms.errors import FailedError, RefusedError, internal
from bac_training.data.sources import read_mask
from bac_training.errors import TrainingError
from bac_training.network.backends import Segmenter
from bac_training.network.metrics import Overlap

__all__ = ["SURFACE_MM", "Row", "measure"]

BoolArray = npt.NDArray[np.bool_]

SURFACE_MM = 0.2
_TINY = 1e-6
_BRIDGE_MM = 2.0  # the mask convention: gaps under 2 mm are part of the vessel


@dataclass(frozen=True)
class Near:
    """Points of truth and of the result, and those of each within a tolerance of the other.

    Attributes
    ----------
    true, found : float
        Length in mm, or number of points.
    true_near, found_near : float
        Of these, near the other.
    """

    true: float = 0.0
    found: float = 0.0
    true_near: float = 0.0
    found_near: float = 0.0


@dataclass(frozen=True)
class Row:
    """What was measured on one image. Plain types only, so that a row survives JSON.

    Attributes
    ----------
    path : str
        Of the image in the data set.
    result : dict
        The image object of the pipeline's report; of a refused or failed image its status, code and reason.
    overlap : Overlap
        Pixels of the masks in the stored matrix.
    line : Near
        Centre lines in mm, near = within 1 mm of the other mask.
    surface : Near
        Border points, near = within 0.2 mm of the other border.
    false_area_mm2 : float
        Found area farther than 1 mm from the true mask, in the object's plane.
    true_vessels, found_vessels : list
        Vessels of truth and result.
    candidates : list of Candidate
        Everything that a looser rule would take for a vessel, with its score.
    vessel_scores : list of float
        For each true vessel the score down to which candidates must be taken to find it, 0 where none does.
    findings : Findings or None
        What was found, one by one, for probabilities; None of an image that was refused or failed.
    """

    path: str
    result: dict[str, Any]
    overlap: Overlap
    line: Near = Near()
    surface: Near = Near()
    false_area_mm2: float = 0.0
    true_vessels: list[TrueVessel] = field(default_factory=list)
    found_vessels: list[FoundVessel] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    vessel_scores: list[float] = field(default_factory=list)
    findings: Findings | None = None

    @property
    def is_true(self) -> bool:
        """Whether the image shows BAC."""
        return self.overlap.true > 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        row = asdict(self)
        del row["findings"]
        return {**row, "finds": None if self.findings is None else self.findings.to_dict()}

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Row:
        """Read what `to_dict` wrote."""
        return cls(
            path=row["path"],
            result=row["result"],
            overlap=Overlap(**row["overlap"]),
            line=Near(**row["line"]),
            surface=Near(**row["surface"]),
            false_area_mm2=row["false_area_mm2"],
            true_vessels=[TrueVessel(**vessel) for vessel in row["true_vessels"]],
            found_vessels=[FoundVessel(**vessel) for vessel in row["found_vessels"]],
            candidates=[Candidate(**candidate) for candidate in row["candidates"]],
            vessel_scores=row["vessel_scores"],
            findings=None if row["finds"] is None else Findings.from_dict(row["finds"]),
        )


def measure(folder: Path, view: View, segmenter: Segmenter, settings: Settings) -> Row:
    """Measure one image and hold it against its truth.

    Parameters
    ----------
    folder : Path
        The data set.
    view : View
        The image.
    segmenter : Segmenter
        Network.
    settings : Settings
        Threshold and post-processing.

    Returns
    -------
    Row
        An image that is refused or fails counts as one where nothing was found.

    Raises
    ------
    TrainingError
        When the mask cannot be read or has not the image's shape.
    """
    true = read_mask(folder / view.mask)
    try:
        image = segment_view(folder, view, segmenter, settings.parameters())
        result = image.quantify(settings.parameters(), settings.fitted())
    except (RefusedError, FailedError) as error:
        refusal = {"status": error.status, "code": error.code, "reason": error.reason}
        return _unmeasured(view, true, refusal)
    except Exception as error:
        # A fault of the pipeline is a failed image here as it is in serving; the report counts it by name.
        fault = internal(error)
        refusal = {"status": fault.status, "code": fault.code, "reason": fault.message}
        return _unmeasured(view, true, refusal)
    if true.shape != result.mask.shape:
        raise TrainingError(
            f"{view.mask} has {_size(true)} pixels, its image {_size(result.mask)}; "
            "write the mask in the image's stored matrix"
        )
    return _compare(view, true, image, result, settings)


def _unmeasured(view: View, true: BoolArray, refusal: dict[str, Any]) -> Row:
    spacing = view.spacing_mm or (0.1, 0.1)
    shapes = shapes_of(true, spacing, _BRIDGE_MM)
    true_vessels, _ = compare(shapes, [], _masses(view, shapes), view.magnification)
    step = float(np.sqrt(spacing[0] * spacing[1]))
    return Row(
        path=view.path,
        result=refusal,
        overlap=Overlap(0, int(true.sum()), 0),
        line=Near(true=step * sum(len(shape.line) for shape in shapes)),
        surface=Near(true=float(sum(len(shape.outline) for shape in shapes))),
        true_vessels=true_vessels,
        vessel_scores=[0.0] * len(shapes),
    )


def _compare(
    view: View,
    true: BoolArray,
    image: Segmented,
    result: Quantified,
    settings: Settings,
) -> Row:
    spacing = image.context.pixel_spacing_mm
    magnification = view.magnification if view.arteries else image.context.magnification
    true_shapes, found_shapes = (shapes_of(mask, spacing, _BRIDGE_MM) for mask in (true, result.mask))
    true_vessels, found_vessels = compare(
        true_shapes, found_shapes, _masses(view, true_shapes), magnification
    )
    true_line, true_px, true_border = (_all(true_shapes, kind) for kind in ("line", "pixels", "outline"))
    found_line, found_px, found_border = (_all(found_shapes, kind) for kind in ("line", "pixels", "outline"))
    step = float(np.sqrt(spacing[0] * spacing[1]))
    off = ~near(found_px, true_px, TOLERANCE_MM)
    pixel_mm2 = spacing[0] * spacing[1] / magnification**2
    candidates, scores = score_vessels(true_shapes, _candidates(image, settings.parameters()))
    return Row(
        path=view.path,
        result=result.report.to_dict(),
        overlap=Overlap.of(result.mask, true),
        line=_near(true_line, true_px, found_line, found_px, TOLERANCE_MM, step),
        surface=_near(true_border, true_border, found_border, found_border, SURFACE_MM),
        false_area_mm2=float(off.sum()) * pixel_mm2,
        true_vessels=true_vessels,
        found_vessels=found_vessels,
        candidates=candidates,
        vessel_scores=scores,
        findings=judge_findings(result, spacing, pixel_mm2, true_px, true_line, step),
    )


def _candidates(image: Segmented, parameters: PostProcessing) -> list[tuple[Shape, float]]:
    """Return the core of everything that might be a vessel, each with its score.

    The score is the factor by which the demands on area, length and elongation could be raised together
    before the piece is turned down: 1 is the rule that serves, which is one point of the curve.
    """
    core = parameters.core
    loose = PostProcessing(core, core, core, min_area_mm2=0.5, min_length_mm=1.0, min_elongation=1.0)
    spacing_mm = image.context.working_spacing_mm
    found = image.vessels(loose)
    candidates = []
    for number, box in enumerate(ndimage.find_objects(found.zones), start=1):
        piece = found.mask[box] & (found.zones[box] == number)
        length = found.lengths_mm[number - 1]
        area = float(piece.sum()) * spacing_mm[0] * spacing_mm[1]
        score = min(
            area / max(parameters.min_area_mm2, _TINY),
            length / max(parameters.min_length_mm, _TINY),
            length**2 / area / max(parameters.min_elongation, _TINY),
        )
        peak = float(image.probability[box][piece].max())
        if peak < parameters.seed:
            score = min(score, peak / parameters.seed)
        candidates.append((shape_of(piece, spacing_mm, (box[0].start, box[1].start)), score))
    return candidates


def _near(
    true: npt.NDArray[np.float64],
    true_mask: npt.NDArray[np.float64],
    found: npt.NDArray[np.float64],
    found_mask: npt.NDArray[np.float64],
    tolerance_mm: float,
    weight: float = 1.0,
) -> Near:
    return Near(
        true=weight * len(true),
        found=weight * len(found),
        true_near=weight * float(near(true, found_mask, tolerance_mm).sum()),
        found_near=weight * float(near(found, true_mask, tolerance_mm).sum()),
    )


def _masses(view: View, shapes: list[Shape]) -> list[float | None]:
    return share_masses(shapes, view.arteries, view.mass_mg)


def _all(shapes: list[Shape], kind: str) -> npt.NDArray[np.float64]:
    parts = [getattr(shape, kind) for shape in shapes]
    return np.concatenate(parts) if parts else np.zeros((0, 2))


def _size(mask: BoolArray) -> str:
    return f"{mask.shape[0]} x {mask.shape[1]}"
