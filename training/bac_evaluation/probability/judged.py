"""Images with their findings and their truth: what probabilities are fitted on and held against."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_evaluation.vessels.findings import Findings
from bac_imaging.vessels.evidence import Evidence
from bac_training.errors import TrainingError

__all__ = ["FILE", "PREVALENCE", "JudgedImage", "JudgedSet", "read_judged", "weights_of", "write_judged"]

FILE = "finds.jsonl"
SCHEMA = "bac_training.evaluation.finds/1"
PREVALENCE = 0.1
"""Share of images with BAC: 9.7 % of the images of 1,493 women (Mobini et al., Eur Radiol Exp 2024)."""
_MOST = 50  # images of a source and class: more of one kind must not outvote the others


@dataclass(frozen=True)
class JudgedImage:
    """One image.

    Attributes
    ----------
    source : str
        What images of one kind have in common, such as a generator; left out together.
    path : str
        Of the image in its data set.
    is_true : bool
        Whether it shows BAC.
    findings : Findings or None
        What was found; None of an image that was refused or failed.
    """

    source: str
    path: str
    is_true: bool
    findings: Findings | None

    @property
    def evidence(self) -> Evidence:
        """What speaks for BAC on an image that was measured; ValueError for one that was not."""
        if self.findings is None:
            raise ValueError(f"{self.path} was not measured")
        return self.findings.evidence


@dataclass(frozen=True)
class JudgedSet:
    """The images of one report, and what measured them.

    Attributes
    ----------
    data, data_sha256 : str
        Name and digest of the data set.
    model_sha256 : tuple of str
        Networks that measured them.
    settings : dict
        Threshold and post-processing.
    images : tuple of JudgedImage
        At least one.
    """

    data: str
    data_sha256: str
    model_sha256: tuple[str, ...]
    settings: dict[str, Any]
    images: tuple[JudgedImage, ...]


def weights_of(images: Sequence[JudgedImage], prevalence: float) -> npt.NDArray[np.float64]:
    """Weigh images so that those with BAC make up a given share.

    Within each class a source counts as its number of images, up to 50 of them.

    Parameters
    ----------
    images : sequence of JudgedImage
        Images.
    prevalence : float
        The share.

    Returns
    -------
    ndarray of float64, shape (n,)
        Sum 1. Where a class is missing, the other one has all.
    """
    groups: dict[tuple[bool, str], list[int]] = defaultdict(list)
    for number, image in enumerate(images):
        groups[image.is_true, image.source].append(number)
    weights = np.zeros(len(images))
    for numbers in groups.values():
        weights[numbers] = min(len(numbers), _MOST) / len(numbers)
    truth = np.array([image.is_true for image in images], dtype=bool)
    for own, fraction in ((truth, prevalence), (~truth, 1.0 - prevalence)):
        if own.any():
            weights[own] *= fraction / weights[own].sum()
    return np.asarray(weights / weights.sum())


def write_judged(path: Path, judged: JudgedSet) -> None:
    """Write one line that says what was measured with what, then one an image."""
    header = {
        "schema": SCHEMA,
        "intended_use": "research use only",
        "data": judged.data,
        "data_sha256": judged.data_sha256,
        "model_sha256": list(judged.model_sha256),
        "settings": judged.settings,
    }
    lines: Iterable[dict[str, Any]] = (
        {
            "source": image.source,
            "path": image.path,
            "is_true": image.is_true,
            "finds": None if image.findings is None else image.findings.to_dict(),
        }
        for image in judged.images
    )
    path.write_text("".join(json.dumps(line, allow_nan=False) + "\n" for line in (header, *lines)))


def read_judged(report: Path, source: str | None = None) -> JudgedSet:
    """Read what a report of `bacctl evaluate` holds of single images.

    Parameters
    ----------
    report : Path
        Its folder.
    source : str, optional
        Name of the source of all its images, in place of those they have.

    Raises
    ------
    TrainingError
        When it is none, or of another version.
    """
    path = report / FILE
    try:
        header, *lines = (json.loads(line) for line in path.read_text().splitlines())
        if header["schema"] != SCHEMA or not lines:
            raise ValueError(header["schema"])
        images = tuple(
            JudgedImage(
                source or line["source"],
                line["path"],
                line["is_true"],
                None if line["finds"] is None else Findings.from_dict(line["finds"]),
            )
            for line in lines
        )
        names = header["data"], header["data_sha256"], tuple(header["model_sha256"]), header["settings"]
        return JudgedSet(*names, images)
    except (OSError, ValueError, KeyError, TypeError):
        raise TrainingError(
            f"{path} holds no finds; write it with bacctl evaluate DATA --report {report}"
        ) from None
