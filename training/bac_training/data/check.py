"""The quick look at a data set before anything is prepared: headers, sizes, spacings and masks.

What only decoding an image can tell (a truncated file, a breast that cannot be found) is told by the
preparation, which decodes every image once and comes before the first step too.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from PIL import Image

from bac_imaging.read.attributes.acceptance import check_dimensions, check_kind, check_layout
from bac_imaging.read.attributes.geometry import given_geometry, read_geometry
from bac_imaging.read.attributes.header import Header
from bac_imaging.read.attributes.views import read_view
from bac_terms.errors import RefusedError
from bac_training.data.folder import Entry
from bac_training.errors import refusal

__all__ = ["Checked", "check_apart", "check_folder"]

_LARGEST_PART = 0.25  # of the image; the most calcified breast has a tenth of that
_ORIENTATION = 274


@dataclass
class Checked:
    """What a look at one folder found."""

    usable: list[Entry] = field(default_factory=list)  # images without a fault so far
    # faultless masks that mark something, and that are black
    with_bac: int = 0
    without_bac: int = 0
    # what identifies an image (its file, its SOPInstanceUID), its exam (StudyInstanceUID) and its woman (her
    # pseudonym), with the first image that has it
    images: dict[str, str] = field(default_factory=dict)
    studies: dict[str, str] = field(default_factory=dict)
    women: dict[str, str] = field(default_factory=dict)
    masks: dict[Path, str] = field(default_factory=dict)  # masks that mark something, with their image
    problems: list[str] = field(default_factory=list)  # one line each


@dataclass(frozen=True)
class _Seen:
    """Size of the stored matrix and identifiers, as far as a header tells them."""

    shape: tuple[int, int] | None = None
    sop_uid: str | None = None
    study_uid: str | None = None


def check_folder(folder: Path, entries: Sequence[Entry]) -> Checked:
    """Look at the headers and masks of all images of a folder.

    Parameters
    ----------
    folder : Path
        The folder.
    entries : sequence of Entry
        Its images.

    Returns
    -------
    Checked
        What is usable and what is wrong.
    """
    checked = Checked()
    listed: set[Path] = set()
    for entry in entries:
        image, mask = folder / entry.image, folder / entry.mask
        problems = [
            f"{path}: is listed but missing; add the file or take out its line"
            for path in (image, mask)
            if not path.is_file()
        ]
        if not problems and image.resolve() in listed:
            problems = [f"{image}: is listed twice; leave one line"]
        listed.add(image.resolve())
        if not problems:
            problems = list(_look(image, mask, entry, checked))
        if not problems:
            checked.usable.append(entry)
        checked.problems += problems
    return checked


def check_apart(training: Mapping[Path, Checked], validation: Mapping[Path, Checked]) -> list[str]:
    """Name women, exams and files that serve both training and validation, one line each."""
    found: dict[str, str] = {}
    for kind, what in (("images", "the image"), ("studies", "the exam"), ("women", "the woman")):
        known = {key: name for c in training.values() for key, name in getattr(c, kind).items()}
        for checked in validation.values():
            for key, name in getattr(checked, kind).items():
                if key in known:
                    # An image is in its exam, and an exam is a woman's: each is named once.
                    found.setdefault(
                        name,
                        f"{name}: {what} is in the training data too ({known[key]}); keep all images of a "
                        "woman on one side",
                    )
    return list(found.values())


def _look(image: Path, mask: Path, entry: Entry, checked: Checked) -> Iterator[str]:
    seen = _Seen()
    try:
        seen = _read_header(image, entry)
    except RefusedError as error:
        yield f"{image}: {refusal(error)}"
    except OSError as error:
        yield f"{image}: cannot be read ({error.strerror or error}); mend that"
    if seen.sop_uid and checked.images.setdefault(seen.sop_uid, str(image)) != str(image):
        yield f"{image}: is the same image as {checked.images[seen.sop_uid]}; leave one"
    checked.images.setdefault(str(image.resolve()), str(image))
    if seen.study_uid:
        checked.studies.setdefault(seen.study_uid, str(image))
    if entry.woman:
        checked.women.setdefault(entry.woman, str(image))
    fault, bac_px = _look_at_mask(mask, seen.shape)
    if not fault and bac_px and checked.masks.setdefault(mask.resolve(), str(image)) != str(image):
        fault = f"is the mask of {checked.masks[mask.resolve()]} too; give each image with BAC its own"
    if fault:
        yield f"{mask}: {fault}"
    else:
        checked.with_bac += bac_px > 0
        checked.without_bac += bac_px == 0


def _read_header(path: Path, entry: Entry) -> _Seen:
    with path.open("rb") as file:
        is_dicom = file.read(132)[128:] == b"DICM"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _read_dicom(path, entry) if is_dicom else _read_plain(path, entry)


def _read_dicom(path: Path, entry: Entry) -> _Seen:
    try:
        # Large elements, the pixels above all, stay on disk.
        header = Header(pydicom.dcmread(path, defer_size=4096))
    except Exception:  # pydicom raises whatever its parser stumbles over; the preparation names it
        return _Seen()
    check_kind(header)
    read_view(header)
    layout = check_layout(header)
    read_geometry(header, layout.rows, layout.columns, entry.spacing_mm, None)
    identifiers = header.identifier("SOPInstanceUID"), header.identifier("StudyInstanceUID")
    return _Seen((layout.rows, layout.columns), *identifiers)


def _read_plain(path: Path, entry: Entry) -> _Seen:
    try:
        with Image.open(path, formats=("PNG", "TIFF", "JPEG")) as image:
            rows, columns = image.height, image.width
            turned = getattr(image, "tag_v2", {}).get(_ORIENTATION, 1) != 1
    except Exception:  # Pillow's parsers do the same
        return _Seen()
    check_dimensions(rows, columns)
    given_geometry(entry.spacing_mm, rows, columns)
    return _Seen(None if turned else (rows, columns))


def _look_at_mask(path: Path, shape: tuple[int, int] | None) -> tuple[str | None, int]:
    """Return what is wrong with a mask, if anything, and its number of BAC pixels."""
    if path.stat().st_size == 0:
        return "is empty; write it again, as 8-bit PNG", 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of images that are larger than photographs
            mask = Image.open(path)
        with mask:
            if mask.mode not in ("1", "L"):
                kind = {"P": "a palette", "I": "16 bits or more", "I;16": "16 bits", "F": "fractions"}
                return f"has {kind.get(mask.mode, 'colour')}; write it as 8-bit grey PNG, 0 and 255", 0
            size = (mask.height, mask.width)
            if shape is not None and size != shape:
                sizes = f"is {size[0]} x {size[1]} pixels, its image {shape[0]} x {shape[1]}"
                return f"{sizes}; draw it on the stored image", 0
            counts = mask.histogram()
    except Exception as error:  # whatever Pillow's parsers stumble over
        reason = str(error).split(": ")[0] or type(error).__name__
        return f"cannot be read ({reason}); write it again, as 8-bit PNG", 0
    values = [value for value, count in enumerate(counts) if count]
    if not set(values) <= {0, 255}:
        shown = ", ".join(map(str, values[:5])) + (", ..." if len(values) > 5 else "")
        return f"holds the values {shown}; write 0 for no BAC and 255 for BAC, as PNG", 0
    bac_px = counts[255]
    if bac_px > _LARGEST_PART * size[0] * size[1]:
        return f"marks {bac_px / (size[0] * size[1]):.0%} of the image; 255 must be BAC, 0 all else", 0
    return None, bac_px
