"""Which files a path stands for: a file is itself, a folder is every image in it, told by content."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Enough for the preamble and the file meta information, which names the kind of object.
_HEAD_BYTES = 1024
_IMAGE_MAGIC = (
    b"\x89PNG\r\n\x1a\n",
    b"II*\x00",
    b"MM\x00*",
    b"II+\x00",
    b"MM\x00+",
    b"\xff\xd8\xff",
)
_IMAGE_SUFFIXES = frozenset({".dcm", ".dicom", ".dic", ".ima", ".png", ".tif", ".tiff", ".jpg", ".jpeg"})
# Archives often name a file by its SOP Instance UID alone.
_UID = re.compile(r"2\.25\.\d{10,}|[012](\.\d+){5,}")
_PACKED_SUFFIXES = frozenset({".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar", ".zst"})
# What bacctl itself writes beside images; a second run over the same folder must not analyse the first one's.
_OWN_SUFFIXES = (".mask.png", ".overlay.png", ".sr.dcm", ".seg.dcm", ".pm.dcm", ".sc.dcm", ".pr.dcm")
# DICOM objects that hold no image (PS3.4 annex B): directory, waveforms, presentation states, parametric
# maps, raw data and segmentations, structured reports, encapsulated documents.
_NO_IMAGE_CLASSES = (
    b"1.2.840.10008.1.3.10",
    b"1.2.840.10008.5.1.4.1.1.9.",
    b"1.2.840.10008.5.1.4.1.1.11.",
    b"1.2.840.10008.5.1.4.1.1.30",
    b"1.2.840.10008.5.1.4.1.1.66",
    b"1.2.840.10008.5.1.4.1.1.88.",
    b"1.2.840.10008.5.1.4.1.1.104.",
)
_CHECK_DISK = "check its disk or share"
_NO_FILE = "neither a file nor a folder; save the image in a file first"
_MEDIA_STORAGE_SOP_CLASS = b"\x02\x00\x02\x00UI"


@dataclass(frozen=True)
class Sources:
    """The files to analyse.

    Attributes
    ----------
    files : tuple of Path
        In the order given; the files of a folder sorted by name. Each file once.
    skipped : int
        Files in folders that are no image.
    faults : tuple of (Path, str)
        What can be neither read nor passed over, with the reason: locked folders, and links to nowhere, named
        pipes and devices that are named like images.
    lost_links : tuple of Path
        Other links that lead nowhere; nobody knows what they stood for. They count as skipped.
    packed : tuple of Path
        Packed files, such as ``.zip`` and ``.gz``, whose content was not looked into. They count as skipped.
    """

    files: tuple[Path, ...]
    skipped: int
    faults: tuple[tuple[Path, str], ...] = ()
    lost_links: tuple[Path, ...] = ()
    packed: tuple[Path, ...] = ()

    def and_those_of(self, other: Sources) -> Sources:
        """Return these files and others, each once."""
        return Sources(
            tuple(dict.fromkeys(self.files + other.files)),
            self.skipped + other.skipped,
            tuple(dict.fromkeys(self.faults + other.faults)),
            tuple(dict.fromkeys(self.lost_links + other.lost_links)),
            tuple(dict.fromkeys(self.packed + other.packed)),
        )


def find_sources(
    paths: Sequence[Path], leave_out: Iterable[Path] = (), *, listed: Iterable[Path] = ()
) -> Sources:
    """Find the files that paths stand for.

    Parameters
    ----------
    paths : sequence of Path
        Files, taken whatever they hold, and folders, walked through links to folders too.
    leave_out : iterable of Path
        Folders that are not entered, such as the one that results are written to.
    listed : iterable of Path
        More files and folders, out of a list that a program such as ``find`` made. Like those of a folder,
        they are told by content; what is not there any more is a fault among others.

    Returns
    -------
    Sources

    Raises
    ------
    FileNotFoundError
        A path does not exist; ``filename`` is the path.
    """
    for path in paths:
        if is_missing(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    walk = _Walk(leave_out)
    files: dict[Path, None] = {}
    for path in paths:
        files.update(dict.fromkeys(walk.folder(path) if os.path.isdir(path) else walk.file(path)))
    for path in listed:
        files.update(dict.fromkeys(walk.entry(path)))
    faults = tuple(dict.fromkeys(walk.faults))  # a list may name what a folder of it holds too
    return Sources(tuple(files), walk.skipped, faults, tuple(walk.lost_links), tuple(walk.packed))


def is_missing(path: Path) -> bool:
    """Tell whether there is nothing at a path, as opposed to something that may not be looked at.

    Parameters
    ----------
    path : Path
        Any path, also one that no file can have.

    Returns
    -------
    bool
        True also for links that lead nowhere.
    """
    try:
        os.stat(path)
    except OSError as error:
        # Anything else, such as a share that does not answer, may hide a file.
        return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
    return False


class _Walk:
    def __init__(self, leave_out: Iterable[Path]) -> None:
        self.faults: list[tuple[Path, str]] = []
        folders = [folder for folder in leave_out if os.path.isdir(folder)]
        # Folders are known by device and inode, so that a loop of links ends.
        self._entered = {_identity(folder.stat()) for folder in folders}
        self._left_out = tuple(os.path.join(os.path.realpath(folder), "") for folder in folders)
        # By name: a list may name a file that was met in a folder of the same list.
        self._skipped: set[str] = set()
        self.lost_links: dict[Path, None] = {}
        self.packed: dict[Path, None] = {}

    @property
    def skipped(self) -> int:
        return len(self._skipped)

    def entry(self, path: Path) -> Iterator[Path]:
        """Take one entry of a list."""
        if self._left_out and os.path.realpath(path).startswith(self._left_out):
            return
        if os.path.isdir(path):
            yield from self.folder(path)
        elif is_missing(path):
            self.faults.append((path, "there is no such file or folder; check the list"))
        else:
            yield from self._told_by_content(path)

    def file(self, path: Path) -> Iterator[Path]:
        try:
            mode = os.stat(path).st_mode
        except PermissionError:
            self.faults.append((path, "the file may not be looked at; check the permissions of its folder"))
            return
        except OSError as error:
            self.faults.append((path, f"the file cannot be looked at ({error.strerror}); {_CHECK_DISK}"))
            return
        if stat.S_ISREG(mode):
            yield path
        else:  # reading a pipe or a device may never end
            self.faults.append((path, _NO_FILE))

    def folder(self, folder: Path) -> Iterator[Path]:
        try:
            identity = _identity(folder.stat())
            if identity in self._entered:
                return
            self._entered.add(identity)
            entries = sorted(os.listdir(folder))
        except PermissionError:
            self.faults.append((folder, "the folder cannot be listed; check its permissions"))
            return
        except OSError as error:
            self.faults.append((folder, f"the folder cannot be listed ({error.strerror}); {_CHECK_DISK}"))
            return
        for name in entries:
            path = folder / name
            if os.path.isdir(path):
                yield from self.folder(path)
            else:
                yield from self._told_by_content(path)

    def _told_by_content(self, path: Path) -> Iterator[Path]:
        if is_image(path):
            if fault := _no_file(path):
                self.faults.append((path, fault))
            else:
                yield path
            return
        self._skipped.add(str(path))
        if is_packed(path.name):
            self.packed[path] = None
        elif os.path.islink(path) and is_missing(path):
            self.lost_links[path] = None


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def is_image(path: Path) -> bool:
    """Tell whether a file is worth analysing, from its first bytes.

    Parameters
    ----------
    path : Path
        Any file.

    Returns
    -------
    bool
        True for DICOM (with or without preamble), PNG, TIFF and JPEG. True also for what must be reported and
        not passed over, since a mammogram may be lost in it: what is named like an image and holds none, is
        empty, is a link to nowhere, a pipe or a device; and a file that cannot be read. False for everything
        else, for DICOM objects that hold no image, for what bacctl wrote of an earlier run, and for the
        ``._`` files of macOS.
    """
    if path.name.endswith(_OWN_SUFFIXES) or path.name.startswith("._"):
        return False
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe may never end
            return _named_like_image(path)
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError:
        return not is_missing(path) or _named_like_image(path)
    return _holds_image(head) or (_named_like_image(path) and not _is_other_object(head))


def is_image_of(name: str, head: bytes) -> bool:
    """Tell as `is_image` does of a file that was opened already.

    Parameters
    ----------
    name : str
        Name of the file, without its folder.
    head : bytes
        How it begins, 1024 bytes or more of it.

    Returns
    -------
    bool
    """
    if name.endswith(_OWN_SUFFIXES) or name.startswith("._"):
        return False
    return _holds_image(head) or (_has_image_name(name) and not _is_other_object(head))


def is_packed(name: str) -> bool:
    """Tell whether a name is that of a packed file, such as ``.zip`` and ``.gz``."""
    return os.path.splitext(name)[1].lower() in _PACKED_SUFFIXES


def _holds_image(head: bytes) -> bool:
    if head[128:132] == b"DICM":
        return not _is_other_object(head)
    return head.startswith(_IMAGE_MAGIC) or _starts_like_dataset(head)


def _is_other_object(head: bytes) -> bool:
    """Tell whether this is a DICOM object without an image."""
    return head[128:132] == b"DICM" and _sop_class(head[:_HEAD_BYTES]).startswith(_NO_IMAGE_CLASSES)


def _named_like_image(path: Path) -> bool:
    """Tell whether a name, or that of what a link stands for, is one that images have."""
    names = [path.name]
    with contextlib.suppress(OSError):
        names.append(os.path.basename(os.readlink(path)))
    return any(map(_has_image_name, names))


def _has_image_name(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in _IMAGE_SUFFIXES or _UID.fullmatch(name) is not None


def _no_file(path: Path) -> str:
    """Say why what is named like an image cannot be read at all; empty where it may be."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        if not is_missing(path):
            return ""
        if os.path.islink(path):
            return "this link leads nowhere; restore the file that it stands for, or take the link away"
        return "the file is gone; it was there when the folder was listed"
    return "" if stat.S_ISREG(mode) else _NO_FILE


def _sop_class(head: bytes) -> bytes:
    start = head.find(_MEDIA_STORAGE_SOP_CLASS)
    if start < 0:
        return b""
    start += len(_MEDIA_STORAGE_SOP_CLASS)
    length = int.from_bytes(head[start : start + 2], "little")
    return head[start + 2 : start + 2 + length]


def _starts_like_dataset(head: bytes) -> bool:
    """Recognise a dataset without preamble: it begins with a short element of group 0002 or 0008."""
    if len(head) < 8 or head[:2] not in (b"\x02\x00", b"\x08\x00") or head[3] != 0:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return explicit or int.from_bytes(head[4:8], "little") <= 256
