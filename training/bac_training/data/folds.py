"""Folds: which network has not seen which image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bac_training.data.labelled import LabelledImage, raise_all, table_of
from bac_training.errors import TrainingError

__all__ = ["fold_models", "read_folds"]

_HEADER = "image,fold or patient,fold"
_MOST_NAMED = 5


def read_folds(
    path: Path, images: Sequence[LabelledImage]
) -> tuple[dict[str, str], tuple[LabelledImage, ...]]:
    """Read a table of folds.

    Parameters
    ----------
    path : Path
        CSV with the columns ``fold`` and ``image`` or ``patient``. With both, the image decides, and the
        patient is taken for images of which the list names none.
    images : sequence of LabelledImage
        What is to be judged.

    Returns
    -------
    dict of str to str
        Fold by the image's path.
    tuple of LabelledImage
        The images, with patients.

    Raises
    ------
    TrainingError
        When an image has no fold, or the images of a patient lie in several: a network would then have seen
        the patient.
    """
    lines = table_of(path, _HEADER, ("fold",))
    columns = {name for _, fields in lines for name in fields}
    key = next((name for name in ("image", "patient") if name in columns), None)
    if key is None:
        raise TrainingError(
            f"{path}: has neither a column image nor patient; its first line must be {_HEADER}"
        )
    problems: list[str] = []
    fold_of: dict[str, str] = {}
    patient_of: dict[str, str] = {}
    for number, fields in lines:
        name, fold = fields.get(key, ""), fields.get("fold", "")
        if not name or not fold:
            problems.append(f"{path}: line {number} has no {'fold' if name else key}")
        elif fold_of.setdefault(name, fold) != fold:
            problems.append(f"{path}: line {number} puts {name} in a second fold; leave one")
        if key == "image" and fields.get("patient"):
            patient_of[name] = fields["patient"]
    told = tuple(_with_patient(image, patient_of) for image in images)
    folds = {
        image.view.path: fold_of[name]
        for image in told
        for name in [image.view.path if key == "image" else image.patient]
        if name in fold_of
    }
    without = [image.view.path for image in told if image.view.path not in folds]
    if without:
        named = ", ".join(without[:_MOST_NAMED]) + (", ..." if len(without) > _MOST_NAMED else "")
        problems.append(f"{path}: gives {len(without)} images no fold: {named}; each needs one")
    of_patient: dict[str, str] = {}
    for image in told:
        own = folds.get(image.view.path)
        if own is not None and of_patient.setdefault(image.patient, own) != own:
            problems.append(
                f"{path}: the patient of {image.view.path} has images in several folds; keep them in one"
            )
    raise_all(problems)
    return folds, told


def fold_models(path: Path, given: Iterable[str], folds: Mapping[str, str]) -> dict[str, Path]:
    """Read ``FOLD=FILE`` for each fold: the network by fold, in the order given.

    `path` is the table of the folds, for messages; `folds` has the fold by the image's path.

    Raises
    ------
    TrainingError
        When a fold has no network, or a network no fold.
    """
    models: dict[str, Path] = {}
    for text in given:
        fold, equals, file = text.partition("=")
        if not (fold and equals and file):
            raise TrainingError(f"--fold-model {text}: give FOLD=FILE, such as 0=fold-0/checkpoint.pt")
        if fold in models:
            raise TrainingError(f"--fold-model {text}: fold {fold} has a network already")
        models[fold] = Path(file)
    named = set(folds.values())
    raise_all(
        [
            f"{path}: fold {fold} has no network; give --fold-model {fold}=FILE"
            for fold in sorted(named - set(models))
        ]
        + [f"--fold-model {fold}=...: {path} has no fold {fold}" for fold in models if fold not in named]
    )
    return models


def _with_patient(image: LabelledImage, patient_of: Mapping[str, str]) -> LabelledImage:
    name = image.view.path
    # An image without a patient has its own path for one.
    return replace(image, patient=patient_of.get(name, name)) if image.patient == name else image
