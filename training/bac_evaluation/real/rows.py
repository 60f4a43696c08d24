"""One labelled image through the pipeline that serves: what was marked, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bac_evaluation.served import segment
from bac_evaluation.settings import Settings
from bac_evaluation.vessels.findings import Findings, judge_findings
from bac_evaluation.vessels.geometry import near, points_mm
from bac_evaluation.vessels.matching import TOLERANCE_MM
from bac_imaging.pipeline import Prepared, Quantified
from bac_imaging.vessels.skin import BANDS_MM, from_skin_mm
from bac_terms.errors import FailedError, RefusedError
from bac_training.data.centre_lines import WIDE_MM, CentreLines, points_along
from bac_training.data.digital import as_presentation, is_plain
from bac_training.data.labelled import LabelledImage
from bac_training.data.truth import View
from bac_training.network.backends import Segmenter

__all__ = ["LabelledTask", "RealRow", "quantify_labelled"]


@dataclass(frozen=True)
class RealRow:
    """What was measured on one image. Plain types only, so that a row survives JSON.

    Attributes
    ----------
    path : str
        Of the image in the folder.
    status : str
        ``"ok"``, ``"refused"`` or ``"failed"``.
    code : str or None
        Why it was refused or failed.
    found : bool
        Whether BAC was reported.
    probability : float
        ``bac_probability``.
    area_mm2 : float
        Mask in the artery's plane.
    false_mm2 : list of float
        Of it, what lies more than 1 mm from any line that is drawn (all of it where none is), by its distance
        to the skin line: within 3 mm, 3 to 10 mm, deeper. Distances are at the detector.
    far_mm2 : float
        Of it, what lies more than 3 mm from any line.
    line_mm, covered_mm : float
        Length drawn as BAC, and of it what lies within 1 mm of the mask.
    findings : Findings or None
        What was found, one by one, for probabilities; None of an image that was refused or failed.
    """

    path: str
    status: str
    code: str | None = None
    found: bool = False
    probability: float = 0.0
    area_mm2: float = 0.0
    false_mm2: tuple[float, ...] = (0.0,) * (len(BANDS_MM) + 1)
    far_mm2: float = 0.0
    line_mm: float = 0.0
    covered_mm: float = 0.0
    findings: Findings | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        row = asdict(self)
        del row["findings"]
        findings = None if self.findings is None else self.findings.to_dict()
        return {**row, "false_mm2": list(self.false_mm2), "finds": findings}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> RealRow:
        """Read what `to_dict` wrote."""
        plain = {**row, "false_mm2": tuple(row["false_mm2"])}
        finds = plain.pop("finds")
        return cls(**plain, findings=None if finds is None else Findings.from_dict(finds))


@dataclass(frozen=True)
class LabelledTask:
    """What to do with every image; it can be sent to another process.

    Parameters
    ----------
    images : mapping of str to LabelledImage
        By path.
    lines : mapping of str to CentreLines
        What is drawn, by path.
    """

    images: Mapping[str, LabelledImage]
    lines: Mapping[str, CentreLines]

    def __call__(self, folder: Path, view: View, segmenter: Segmenter, settings: Settings) -> dict[str, Any]:
        """Measure one image."""
        lines = self.lines.get(view.path)
        return _measure(folder, self.images[view.path], lines, segmenter, settings).to_dict()


def quantify_labelled(
    folder: Path,
    image: LabelledImage,
    lines: CentreLines | None,
    segmenter: Segmenter,
    settings: Settings,
) -> tuple[Prepared, Quantified]:
    """Run the pipeline on one image, a digital one as DICOM FOR PRESENTATION.

    The spacing of what is drawn on it counts where the list has none.

    Raises
    ------
    BacctlError
        When the image is refused or fails.
    """
    view, data = image.view, (folder / image.view.path).read_bytes()
    spacing = view.spacing_mm or ((lines.mm_per_pixel,) * 2 if lines else None)
    options = None if spacing is None else {"pixel_spacing_mm": list(spacing)}
    if image.group == "digital" and is_plain(data):
        data = as_presentation(data, view)
    segmented = segment(data, options, segmenter, settings.parameters())
    return segmented.prepared, segmented.quantify(settings.parameters(), settings.fitted())


def _measure(
    folder: Path,
    image: LabelledImage,
    lines: CentreLines | None,
    segmenter: Segmenter,
    settings: Settings,
) -> RealRow:
    bac = points_along(() if lines is None else lines.bac)
    step = 0.0 if lines is None else sum(_length(line) for line in lines.bac) / max(len(bac), 1)
    path = image.view.path
    try:
        prepared, result = quantify_labelled(folder, image, lines, segmenter, settings)
    except (RefusedError, FailedError) as error:
        return RealRow(path, error.status, error.code, line_mm=step * len(bac))
    except Exception:
        # As in `measure`: a fault of the pipeline is a failed image, and an artery on it one not found.
        return RealRow(path, "failed", "BAC-INTERNAL", line_mm=step * len(bac))
    context, report = prepared.context, result.report
    spacing, pixel_mm2 = context.pixel_spacing_mm, context.pixel_area_mm2
    pixels = points_mm(result.mask, spacing)
    drawn = points_along(() if lines is None else (*lines.bac, *lines.uncertain))
    false = pixels[~near(pixels, drawn, TOLERANCE_MM)]
    depth = from_skin_mm(false, prepared.breast, context.working_spacing_mm) if len(false) else np.zeros(0)
    bands = np.bincount(np.searchsorted(BANDS_MM, depth), minlength=len(BANDS_MM) + 1)
    return RealRow(
        path=path,
        status="ok",
        found=bool(report.bac_detected),
        probability=float(report.bac_probability or 0.0),
        area_mm2=pixel_mm2 * len(pixels),
        false_mm2=tuple(pixel_mm2 * float(count) for count in bands),
        far_mm2=pixel_mm2 * float((~near(pixels, drawn, WIDE_MM)).sum()),
        line_mm=step * len(bac),
        covered_mm=step * float(near(bac, pixels, TOLERANCE_MM).sum()),
        findings=judge_findings(
            result,
            spacing,
            pixel_mm2,
            bac,
            bac,
            step,
            points_along(() if lines is None else lines.uncertain),
            # Nobody said where on such an image it is.
            nowhere=image.label == "positive" and not len(bac),
        ),
    )


def _length(line: Any) -> float:
    return float(np.hypot(*np.diff(line, axis=0).T).sum())
