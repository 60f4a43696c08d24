"""What a node's queue speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["dicom", "json"]


@dataclass(frozen=True)
class Arrival:
    """An image that came in, as its header tells of it."""

    sop_instance_uid: str
    study_instance_uid: str
    view: str | None  # "LCC", ...; None for what is none of the four


@dataclass(frozen=True)
class Limits:
    """What a queue may take.

    Attributes
    ----------
    most_bytes : int
        Images and results together.
    free_bytes : int
        What has to stay free on its disk.
    """

    most_bytes: int
    free_bytes: int = 256 << 20


@dataclass(frozen=True)
class Rules:
    """When an exam is measured, in seconds after its last image.

    Attributes
    ----------
    settle_s : float
        Where its four views are there.
    quiet_s : float
        Where they are not.
    """

    settle_s: float
    quiet_s: float


@dataclass(frozen=True)
class Exam:
    """An exam whose turn it is, with the files of its images by SOP Instance UID."""

    id: int
    study_instance_uid: str
    revision: int
    attempts: int
    files: Mapping[str, Path]


@dataclass(frozen=True)
class Made:
    """What was made of an exam, to be kept and delivered."""

    kind: Kind
    data: bytes
    sop_class_uid: str = ""
    sop_instance_uid: str = ""


@dataclass(frozen=True)
class Delivery:
    """A result that a destination has not got yet, or has not committed itself to."""

    result_id: int
    destination: str
    kind: Kind
    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    revision: int
    attempts: int
