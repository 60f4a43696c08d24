"""From a place to its manifest, in memory that does not grow with it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from itertools import islice
from pathlib import Path

from bac_imaging.read.attributes.spacing import Spacing
from bac_terms.errors import FailedError, RefusedError
from bacctl.archive import storage
from bacctl.archive.manifest import Manifest, writing
from bacctl.archive.scanning.files import Looked, Looker
from bacctl.archive.scanning.spool import Spool
from bacctl.archive.scanning.summary import Summary
from bacctl.archive.scanning.web import Service
from bacctl.archive.stores import local

SOURCE = "bacctl.source"
"""Name under which a manifest says what was scanned."""
_PARQUET = b"PAR1"
_STORE = "BAC-STORAGE-"
_AT_A_TIME = 64

Progress = Callable[[int], None]


def scan(
    source: str,
    out: str,
    *,
    given: Spacing | None = None,
    authorization: str | Callable[[], str] | None = None,
    progress: Progress = lambda images: None,
) -> Summary:
    """Look through the headers of an archive, and write its manifest whole or not at all.

    Parameters
    ----------
    source : str
        A folder, a prefix of an object store or one file; a DICOMweb service (``https://HOST/dicom-web``); or
        a manifest, whose own source is scanned once more and compared with it.
    out : str
        Where the manifest goes: a path or ``s3://bucket/key``.
    given : (float, float), optional
        Spacing at the detector that the run will give, (between rows, between columns), in mm: images
        without one are not refused then.
    authorization : str or callable, optional
        Of a DICOMweb service, as for `bacctl.pacs.web.WebArchive`.
    progress : callable, optional
        Called with the number of images so far.

    Returns
    -------
    Summary

    Raises
    ------
    FailedError
        The source cannot be looked into at all, or the manifest not be written (`bacctl.archive.storage`);
        BAC-PACS-UNREACHABLE and the like for a DICOMweb service.
    RefusedError
        BAC-ARCHIVE-MANIFEST: `source` is a Parquet file that is no manifest, or one that does not say what
        was scanned; BAC-FILE-NOT-IMAGE: there is no image.
    ValueError
        The address of the DICOMweb service is none, or a token would go there in the clear.
    """
    with closing(Spool()) as spool:
        before = _take_manifest(source, spool)
        summary = Summary(before or source)
        for looked in _batches(_all(summary, given, authorization)):
            images = [each for each in looked if each.kind == "image"]
            summary.other += sum(each.kind == "other" for each in looked)
            summary.packed += sum(each.kind == "packed" for each in looked)
            for code, row in ((each.row.code, each.row) for each in images):
                if code is not None and code.startswith(_STORE):  # it is the store's fault, and may pass
                    summary.faults.add([row.uri, code, row.reason])
            spool.add(images)
            progress(len(spool))
        if not len(spool):
            faults = summary.faults.first
            raise RefusedError(
                "BAC-FILE-NOT-IMAGE",
                f"no image was found, and {summary.faults.count} places could not be looked into"
                if faults
                else "no image was found",
                faults[0][2] if faults else "check what it holds",
            )
        spool.settle()
        summary.count(spool, compare=before is not None)
        _write(spool, out, summary.source)
    return summary


def _take_manifest(source: str, spool: Spool) -> str | None:
    """Take the rows of a manifest, and return what it is of; None for any other source."""
    if Service.is_address(source) or not _begins_as_parquet(source):
        return None
    with storage.local_copy(source) as path, Manifest(path) as manifest:
        scanned: str | None = manifest.metadata.get(SOURCE)
        if scanned is None:
            raise RefusedError("BAC-ARCHIVE-MANIFEST", "the manifest does not say what was scanned")
        spool.add_before(row for _, row in manifest.read())
    return scanned


def _begins_as_parquet(source: str) -> bool:
    if storage.is_remote(source):
        return source.endswith(".parquet") and storage.read_range(source, 0, 4) == _PARQUET
    return os.path.isfile(local.path_of(source)) and storage.read_range(source, 0, 4) == _PARQUET


def _all(
    summary: Summary, given: Spacing | None, authorization: str | Callable[[], str] | None
) -> Iterator[Looked]:
    if Service.is_address(summary.source):
        yield from Service(summary.source, authorization, given).look(summary.report)
        return
    looker = Looker(given)
    entries = storage.walk(summary.source, summary.report)
    while batch := list(islice(entries, _AT_A_TIME)):
        yield from looker.look(batch)


def _batches(looked: Iterator[Looked]) -> Iterator[list[Looked]]:
    while batch := list(islice(looked, _AT_A_TIME)):
        yield batch


def _write(spool: Spool, out: str, source: str) -> None:
    """Write the manifest where it goes, whole or not at all."""
    told = {SOURCE: source if "://" in source else local.uri_of(os.path.abspath(source))}
    with tempfile.TemporaryDirectory(prefix="bacctl-") if storage.is_remote(out) else nullcontext() as folder:
        path = Path(folder, "manifest.parquet") if folder else Path(local.path_of(out))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with writing(path, told) as writer:
                writer.add(spool.rows())
        except OSError as error:
            raise FailedError(
                "BAC-STORAGE-WRITE", f"the manifest could not be written: {error.strerror}"
            ) from error
        if folder:
            storage.put(out, path)
