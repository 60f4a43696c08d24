"""The demo: one woman of known calcium mass, made, served, measured and compared with what is true."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bac_phantom import HARD_NEGATIVES, PhantomConfig, make_woman
from bacctl.exam.scales import mass_category
from bacctl.results import INTENDED_USE, ExamResult, ImageResult
from bacctl.wording import milligrams, number

# Fixed, so that everybody's first table is the same one; the model was never trained on this woman.
DEMO_SEED = 20_250_601
DEMO_MASS_MG = 48.0


@dataclass(frozen=True)
class DemoView:
    """One view of the demo's woman.

    Attributes
    ----------
    path : Path
        The DICOM file.
    name : str
        Side and view, such as ``"L CC"``.
    calcium_mass_mg : float
        True mass of calcium in the field of this view.
    area_mm2 : float
        True area of calcified artery.
    """

    path: Path
    name: str
    calcium_mass_mg: float
    area_mm2: float


@dataclass(frozen=True)
class DemoExam:
    """The demo's woman.

    Attributes
    ----------
    views : tuple of DemoView
        Left and right, CC and MLO.
    calcium_mass_mg : float
        True mass of both breasts.
    """

    views: tuple[DemoView, ...]
    calcium_mass_mg: float


def write_demo_exam(folder: Path, seed: int = DEMO_SEED) -> DemoExam:
    """Make the woman and write her four views as DICOM, with ``truth.json`` beside their folder.

    Parameters
    ----------
    folder : Path
        Where the DICOM files go; made if need be.
    seed : int
        Which woman.

    Returns
    -------
    DemoExam
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Lead letters are drawn without regard to the side: "RCC" on a left breast would only puzzle.
    kept = tuple(name for name in HARD_NEGATIVES if name != "letters")
    config = PhantomConfig(detectors=("csi-100",), hard_negatives=kept)
    woman = make_woman(seed, config, mass_mg=DEMO_MASS_MG)
    views = []
    for view in woman.views:
        path = folder / f"{view.laterality}{view.view}{view.suffix}"
        path.write_bytes(view.encode())
        name = f"{view.laterality} {view.view}"
        views.append(DemoView(path, name, view.calcium_mass_mg, view.area_mm2))
    truth = {
        "intended_use": INTENDED_USE,
        "calcium_mass_mg": woman.calcium_mass_mg,
        "views": [view.truth() for view in woman.views],
    }
    (folder.parent / "truth.json").write_text(json.dumps(truth, indent=2) + "\n")
    return DemoExam(tuple(views), woman.calcium_mass_mg)


def demo_rows(
    exam: DemoExam, images: Sequence[ImageResult], measured: ExamResult | None
) -> list[tuple[str, ...]]:
    """Put what was measured beside what is true.

    Parameters
    ----------
    exam : DemoExam
        What is true.
    images : sequence of ImageResult
        What was measured, in the order of the exam's views.
    measured : ExamResult or None
        What was measured for the woman.

    Returns
    -------
    list of tuple of str
        Cells (name, measured mg, true mg, measured area, true area, category); one row a view, then the
        woman.
    """
    rows: list[tuple[str, ...]] = []
    for view, image in zip(exam.views, images, strict=True):
        mass = milligrams(image.calcium_mass_mg, image.calcium_mass_interval_mg)
        rows.append(
            (
                view.name,
                mass if image.status == "ok" else f"{image.status}: {image.code}",
                number(view.calcium_mass_mg),
                number(image.area_mm2),
                number(view.area_mm2),
                "",
            )
        )
    true_category = mass_category(exam.calcium_mass_mg, exam.calcium_mass_mg > 0)
    woman: dict[str, Any] = {} if measured is None else measured.to_dict()
    rows.append(
        (
            "woman",
            milligrams(woman.get("calcium_mass_mg"), woman.get("calcium_mass_interval_mg")),
            number(exam.calcium_mass_mg),
            number(woman.get("area_mm2")),
            # Every breast is seen in two views: the mean of each, then left plus right.
            number(sum(view.area_mm2 for view in exam.views) / 2),
            f"{woman.get('mass_category') or '-'} mg (true: {true_category} mg)",
        )
    )
    return rows
