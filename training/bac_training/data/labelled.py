"""Images that somebody has read: BAC or none, without masks; where there are any, with centre lines."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bac_training.data.centre_lines import FILE, CentreLines, read_centre_lines
from bac_training.data.tables import Line, parse_table, read_text
from bac_training.data.truth import View, spacing_pair
from bac_training.errors import DataSetError, TrainingError

__all__ = [
    "LABELS",
    "Correction",
    "LabelledImage",
    "LabelledSet",
    "is_labelled",
    "kind_group",
    "read_labelled",
]

LABELS = ("negative", "positive", "uncertain")
_HEADER = "image,label"
_CORRECTIONS = "image,label,reason"
_MOST_NAMED = 5
_AGREEMENT = 0.01
_FILM = re.compile(r"\b(film|digiti[sz]ed|analogue?)\b")
_MADE = re.compile(r"phantom|simulat|in.silico")
_DIGITAL = re.compile(r"\b(digital|ffdm|dr|cr|c-?view|presentation|processing|dicom)\b")
_VIEW = re.compile(r"\b(?:(L|R)(?:EFT|IGHT)?[-_ ]?)?(CC|MLO|ML|LM)\b")


@dataclass(frozen=True)
class LabelledImage:
    """One image and what is known of it."""

    view: View  # path, spacing and, where told, side and projection; it has no mask
    label: str  # one of `LABELS`
    kind: str = ""  # as told, such as ``"digital FFDM"``; empty where nothing is said
    source: str = ""  # where it is from, without its own file there; empty where nothing is said
    patient: str = ""  # whose image it is; its path where nothing is said, so that it counts alone

    @property
    def group(self) -> str:
        """One of ``"digital"``, ``"film"``, ``"simulated"`` and ``"other"``."""
        return kind_group(self.kind)


@dataclass(frozen=True)
class Correction:
    """A reading that replaced another: path of the image, the labels and the reason."""

    image: str
    was: str
    label: str
    reason: str


@dataclass(frozen=True)
class LabelledSet:
    """Images with labels."""

    folder: Path  # where they lie
    images: tuple[LabelledImage, ...]  # at least one
    lines: Mapping[str, CentreLines]  # what is drawn, by the image's path
    corrections: tuple[Correction, ...]  # labels that were replaced
    sha256: str  # of all that was read: list, corrections and centre lines


def kind_group(kind: str) -> str:
    """Sort what a list says of an image's kind into digital, film, simulated or other."""
    told = kind.lower()
    for group, pattern in (("simulated", _MADE), ("film", _FILM), ("digital", _DIGITAL)):
        if pattern.search(told):
            return group
    return "other"


def is_labelled(folder: Path) -> bool:
    """Tell whether a folder has ``images.csv`` with labels and no masks (and no ``truth.json``)."""
    path = folder / "images.csv"
    if (folder / "truth.json").is_file() or not path.is_file():
        return False
    try:
        names, _, _ = parse_table(path, read_text(path), _HEADER)
    except ValueError:
        return False
    return "label" in names and "mask" not in names


def read_labelled(folder: Path, corrections: Path | None = None) -> LabelledSet:
    """Read a folder of images with labels.

    Parameters
    ----------
    folder : Path
        Holds ``images.csv`` in UTF-8 with the columns ``image`` (path within the folder) and ``label``
        (negative, positive or uncertain), optionally ``pixel_spacing_mm``, ``kind``, ``view``, ``source``
        and ``patient``; and, where arteries were drawn, ``centre_lines.json``
        (see `bac_training.data.centre_lines`).
    corrections : Path, optional
        A second table, with the columns ``image``, ``label`` and ``reason``: readings that replace those of
        the list. Where it has a column ``patient``, that is taken as well; the label may then be empty.

    Raises
    ------
    TrainingError
        When something is missing or damaged, or contradicts itself; all faults of a table at once.
    """
    path = folder / "images.csv"
    lines = table_of(path, _HEADER, ("image", "label"))
    problems: list[str] = []
    images = [image for line in lines for image in _image(path, line, problems)]
    names = [image.view.path for image in images]
    problems += [f"{path}: names {name} more than once" for name, n in Counter(names).items() if n > 1]
    raise_all(problems)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        told = ", ".join(missing[:_MOST_NAMED]) + (", ..." if len(missing) > _MOST_NAMED else "")
        raise TrainingError(
            f"{path} names {len(missing)} files that are missing: {told}; copy them there or unlist them"
        )
    changed: tuple[Correction, ...] = ()
    read = [path]
    if corrections is not None:
        images, changed = _corrected(corrections, images)
        read.append(corrections)
    drawn: Mapping[str, CentreLines] = {}
    if (folder / FILE).is_file():
        drawn = read_centre_lines(folder)
        read.append(folder / FILE)
    raise_all(_contradictions(folder / FILE, images, drawn))
    digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in read))
    return LabelledSet(folder, tuple(images), drawn, changed, digest.hexdigest())


def table_of(path: Path, header: str, required: Sequence[str]) -> list[Line]:
    """Read a table that must have certain columns and at least one line.

    Raises
    ------
    TrainingError
        When it has not.
    """
    try:
        names, lines, problems = parse_table(path, read_text(path), header)
    except ValueError as error:
        raise TrainingError(str(error)) from None
    problems += [
        f"{path}: has no column {name}; its first line must be {header}"
        for name in required
        if names and name not in names
    ]
    problems += [
        f"{path}: has the column {name} more than once; leave one"
        for name, count in Counter(names).items()
        if name and count > 1
    ]
    if not problems and not lines:
        problems.append(f"{path}: has no line below its header; add one for each image")
    raise_all(problems)
    return lines


def raise_all(problems: Sequence[str]) -> None:
    """Raise all problems as one error; none, none."""
    if len(problems) == 1:
        raise TrainingError(problems[0])
    if problems:
        raise DataSetError(problems, "nothing was evaluated")


def _image(path: Path, line: Line, problems: list[str]) -> list[LabelledImage]:
    number, fields = line
    where = f"{path}: line {number}"
    name, label = fields.get("image", ""), fields.get("label", "").lower()
    if not name:
        problems.append(f"{where} has no image; give its path within the folder")
        return []
    if label not in LABELS:
        written = repr(fields["label"]) if fields.get("label") else "empty"
        problems.append(f"{where}: label is {written}; give {', '.join(LABELS[:-1])} or {LABELS[-1]}")
        return []
    try:
        spacing = spacing_pair([float(value) for value in fields.get("pixel_spacing_mm", "").split()])
    except ValueError:
        problems.append(
            f"{where}: pixel_spacing_mm is {fields['pixel_spacing_mm']!r}; give one or two positive numbers "
            "in mm, with a point, such as 0.05"
        )
        return []
    told = _VIEW.search(fields.get("view", "").upper())
    view = View(
        path=name,
        mask="",
        options=None if spacing is None else {"pixel_spacing_mm": list(spacing)},
        spacing_mm=spacing,
        laterality=told.group(1) if told else None,
        view=told.group(2) if told else None,
    )
    patient = fields.get("patient", "") or name
    return [LabelledImage(view, label, fields.get("kind", ""), _source(fields.get("source", "")), patient)]


def _source(told: str) -> str:
    """Leave out a last word that is the path of the image's own file at its source."""
    words = told.split()
    if len(words) > 1 and "/" in words[-1] and re.search(r"\.\w{2,4}$", words[-1]):
        words = words[:-1]
    return " ".join(words)


def _corrected(
    path: Path, images: Sequence[LabelledImage]
) -> tuple[list[LabelledImage], tuple[Correction, ...]]:
    by_name = {image.view.path: image for image in images}
    problems, changed, seen = [], [], set()
    for number, fields in table_of(path, _CORRECTIONS, ("image", "label", "reason")):
        name, label, reason = (fields.get(key, "") for key in ("image", "label", "reason"))
        label, patient = label.lower(), fields.get("patient", "")
        where = f"{path}: line {number}"
        if name not in by_name:
            problems.append(f"{where} names {name or 'no image'}, which images.csv does not list")
        elif name in seen:
            problems.append(f"{where} names {name} again; leave one line for it")
        elif not label and not patient:
            problems.append(f"{where} changes nothing; give a label and a reason")
        elif label and label not in LABELS:
            problems.append(f"{where}: label is {label!r}; give {', '.join(LABELS[:-1])} or {LABELS[-1]}")
        elif label and not reason:
            problems.append(f"{where} has no reason; say why the reading is {label}")
        else:
            was = by_name[name]
            if label and label != was.label:
                changed.append(Correction(name, was.label, label, reason))
            by_name[name] = replace(was, label=label or was.label, patient=patient or was.patient)
        seen.add(name)
    raise_all(problems)
    return list(by_name.values()), tuple(changed)


def _contradictions(
    path: Path, images: Sequence[LabelledImage], drawn: Mapping[str, CentreLines]
) -> list[str]:
    known = {image.view.path: image for image in images}
    problems = [f"{path} names {name}, which images.csv does not list" for name in drawn if name not in known]
    for name, lines in drawn.items():
        image = known.get(name)
        if image is None:
            continue
        if lines.bac and image.label == "negative":
            problems.append(f"{path} draws BAC on {name}, whose label is negative; correct one of them")
        told = image.view.spacing_mm
        if told and any(abs(mm / lines.mm_per_pixel - 1.0) > _AGREEMENT for mm in told):
            problems.append(
                f"{path} says {lines.mm_per_pixel:g} mm a pixel of {name}, images.csv {told[0]:g}; "
                "correct one of them"
            )
    return problems
