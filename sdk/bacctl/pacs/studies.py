"""Whole studies from a DICOMweb service into files, and files into one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from bac_terms.errors import FailedError
from bac_terms.identifiers import is_uid
from bacctl.pacs.web import WebArchive


def fetch_study(
    archive: WebArchive, study_uid: str, folder: Path
) -> Iterator[tuple[Path, FailedError | None]]:
    """Fetch the mammograms of a study into files.

    Parameters
    ----------
    archive : WebArchive
        Where it is.
    study_uid : str
        Which it is.
    folder : Path
        Where the files go.

    Yields
    ------
    tuple of (Path, FailedError or None)
        Each image's file, and why there is none.

    Raises
    ------
    FailedError
        The study cannot be listed, or holds no mammogram.
    """
    images = archive.images(study_uid)
    if not images:
        raise FailedError("BAC-PACS-INCOMPLETE", "the study holds no mammogram", "check which study it is")
    for number, (series_uid, instance_uid) in enumerate(images, 1):
        # Never a name that was not looked at: it comes from elsewhere.
        path = folder / (f"{instance_uid}.dcm" if is_uid(instance_uid) else f"image-{number}.dcm")
        try:
            archive.fetch(study_uid, series_uid, instance_uid, path)
        except FailedError as error:
            yield path, error
        else:
            yield path, None


def store_files(archive: WebArchive, paths: Iterable[Path]) -> Iterator[tuple[Path, FailedError | None]]:
    """Store files one by one; yields each with why it was not stored, None where it was."""
    for path in paths:
        try:
            archive.store(path.read_bytes())
        except FailedError as error:
            yield path, error
        except OSError as error:
            yield path, FailedError("BAC-FILE-UNREADABLE", f"the file cannot be read ({error.strerror})", "")
        else:
            yield path, None
