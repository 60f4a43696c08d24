"""The manifest of an archive: one row a file, as its header says, before any image is measured.

It is Parquet of an explicit schema, and is read in batches: no part of the program holds all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from hashlib import sha256
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
from pyarrow import parquet

from bac_imaging.files import whole_file
from bac_terms.errors import RefusedError, from_catalogue
from bacctl._version import __version__
from bacctl.wording import INTENDED_USE

FORMAT = "bacctl.manifest/1"
BATCH_ROWS = 4096
_FORMAT_KEY = b"bacctl.table"
_CHUNK_BYTES = 2**20

AGE_BANDS = ("<40", "40-44", "45-49", "50-54", "55-59", "60-64", "65-69", "70-74", "75-79", "80-84", "85+")


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One file of an archive. None stands for what its header does not say.

    Of a file that no image can be made of, ``code`` says why; it has a row all the same.

    Attributes
    ----------
    uri : str
        Where it is: an absolute path, or an address that `bacctl.archive.storage` opens. A path that holds
        bytes which are no text is a ``file://`` address with these percent-encoded. No two rows have the
        same.
    size : int or None
        Bytes of the file.
    mtime_ns : int or None
        When it was last changed, in ns since the epoch; None where the storage does not tell.
    etag : str or None
        What an object store or a DICOMweb archive tells versions of it apart by.
    header_bytes : int or None
        How many bytes at the beginning of the file `header_sha256` is of.
    header_sha256 : str or None
        SHA-256 of these, hexadecimal.
    sop_instance_uid, series_instance_uid, study_instance_uid : str or None
        As the header has them, where they may be shown (`bac_terms.identifiers.is_shown`).
    patient_key : str or None
        16 hexadecimal digits that tell patients of this manifest apart: a digest with a key that the scan
        makes and keeps nowhere, so that it means nothing elsewhere.
    modality : str or None
        Such as "MG".
    intent : {"processing", "presentation"} or None
        Presentation intent type.
    laterality : {"L", "R"} or None
        Which breast.
    view : str or None
        "CC", "MLO" or another view.
    rows, columns : int or None
        Size of the stored matrix.
    transfer_syntax : str or None
        Its UID.
    manufacturer, model, software_versions, detector_id_hash : str or None
        As `bac_terms.device.Device` has them.
    device_key : str or None
        16 hexadecimal digits for one mammography unit: the beginning of the SHA-256 of manufacturer, model
        and, where there is one, serial number of the device, line feeds between. Without salt, so that a unit
        has the same in every archive.
    month : str or None
        Of the exposure, else of the study: "2024-03".
    age_band : str or None
        One of `AGE_BANDS`.
    code, reason : str or None
        Why the file is not analysed, as a code of the catalogue and in words; None where it is.
    duplicate_of : str or None
        ``uri`` of the first row with this SOP Instance UID, where this one is not it.
    cost_core_s : float or None
        Estimated seconds of one processor core.
    warnings : str or None
        Codes of what other files say of this one, blanks between: BAC-W-UID-REPEATED where images of other
        content have its SOP Instance UID, BAC-W-EXAM-MIXED where the headers of its study contradict each
        other on whose it is or when it was.
    """

    uri: str
    size: int | None = None
    mtime_ns: int | None = None
    etag: str | None = None
    header_bytes: int | None = None
    header_sha256: str | None = None
    sop_instance_uid: str | None = None
    series_instance_uid: str | None = None
    study_instance_uid: str | None = None
    patient_key: str | None = None
    modality: str | None = None
    intent: str | None = None
    laterality: str | None = None
    view: str | None = None
    rows: int | None = None
    columns: int | None = None
    transfer_syntax: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    software_versions: str | None = None
    detector_id_hash: str | None = None
    device_key: str | None = None
    month: str | None = None
    age_band: str | None = None
    code: str | None = None
    reason: str | None = None
    duplicate_of: str | None = None
    cost_core_s: float | None = None
    warnings: str | None = None


MANIFEST_SCHEMA = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("size", pa.int64()),
        pa.field("mtime_ns", pa.int64()),
        pa.field("etag", pa.string()),
        pa.field("header_bytes", pa.int64()),
        pa.field("header_sha256", pa.string()),
        pa.field("sop_instance_uid", pa.string()),
        pa.field("series_instance_uid", pa.string()),
        pa.field("study_instance_uid", pa.string()),
        pa.field("patient_key", pa.string()),
        pa.field("modality", pa.string()),
        pa.field("intent", pa.string()),
        pa.field("laterality", pa.string()),
        pa.field("view", pa.string()),
        pa.field("rows", pa.int32()),
        pa.field("columns", pa.int32()),
        pa.field("transfer_syntax", pa.string()),
        pa.field("manufacturer", pa.string()),
        pa.field("model", pa.string()),
        pa.field("software_versions", pa.string()),
        pa.field("detector_id_hash", pa.string()),
        pa.field("device_key", pa.string()),
        pa.field("month", pa.string()),
        pa.field("age_band", pa.string()),
        pa.field("code", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("duplicate_of", pa.string()),
        pa.field("cost_core_s", pa.float64()),
        pa.field("warnings", pa.string()),
    ],
    metadata={_FORMAT_KEY.decode(): FORMAT, "bacctl.version": __version__, "intended_use": INTENDED_USE},
)
_NAMES = tuple(field.name for field in fields(ManifestRow))
_CELLS = attrgetter(*_NAMES)


def age_band(years: int | None) -> str | None:
    """Return the band of `AGE_BANDS` that an age in years is in."""
    if years is None:
        return None
    return AGE_BANDS[min(max((years - 35) // 5, 0), len(AGE_BANDS) - 1)]


class ManifestWriter:
    """Writes rows into an open file, in row groups of some thousands.

    Parameters
    ----------
    file : binary file
        Such as `writing` gives.
    metadata : mapping of str to str, optional
        What the file is to say of itself beyond its format, such as the roots that were scanned.
    """

    def __init__(self, file: BinaryIO, metadata: Mapping[str, str] | None = None) -> None:
        schema = MANIFEST_SCHEMA.with_metadata({**MANIFEST_SCHEMA.metadata, **_encoded(metadata or {})})
        self._writer = parquet.ParquetWriter(file, schema, compression="zstd")
        self._held: list[ManifestRow] = []

    def add(self, rows: Iterable[ManifestRow]) -> None:
        """Add rows, in the order that the run is to take them in."""
        for row in rows:
            self._held.append(row)
            if len(self._held) >= BATCH_ROWS:
                self._flush()

    def close(self) -> None:
        """Write what is left and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._held:
            self._writer.write_batch(batch_of(self._held))
            self._held.clear()


@contextmanager
def writing(path: Path, metadata: Mapping[str, str] | None = None) -> Iterator[ManifestWriter]:
    """Write a manifest such that there is the old file or the whole new one.

    Parameters
    ----------
    path : Path
        Where; its folder must exist.
    metadata : mapping of str to str, optional
        As for `ManifestWriter`.

    Yields
    ------
    ManifestWriter

    Raises
    ------
    OSError
        The folder cannot be written, or the disk is full.
    """
    with whole_file(path, synced=True) as file:
        writer = ManifestWriter(file, metadata)
        try:
            yield writer
        finally:  # after an error, too: what is left open complains later, and the file goes anyway
            writer.close()


def batch_of(rows: Sequence[ManifestRow]) -> pa.RecordBatch:
    """Put rows into one batch of `MANIFEST_SCHEMA`."""
    columns = zip(*map(_CELLS, rows), strict=True)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, MANIFEST_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=MANIFEST_SCHEMA)


class Manifest:
    """A manifest that is read in batches.

    Parameters
    ----------
    source : Path or binary file
        The Parquet file; of an object store an open, seekable one.

    Attributes
    ----------
    rows : int
        How many files it lists.
    metadata : mapping of str to str
        What the file says of itself.

    Raises
    ------
    RefusedError
        BAC-ARCHIVE-MANIFEST: it is no manifest, or of another release.
    OSError
        It cannot be read.
    """

    def __init__(self, source: Path | BinaryIO) -> None:
        self._source = source
        try:
            self._file = parquet.ParquetFile(source)
        except (pa.ArrowInvalid, OSError) as error:  # of a damaged footer it is an OSError without errno
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise from_catalogue("BAC-ARCHIVE-MANIFEST") from None
        schema = self._file.schema_arrow
        told = schema.metadata or {}
        self.metadata = {
            key.decode(): value.decode("utf-8", "replace")
            for key, value in told.items()
            if not key.startswith(b"ARROW:")
        }
        self.rows: int = self._file.metadata.num_rows
        if told.get(_FORMAT_KEY) != FORMAT.encode():
            raise from_catalogue("BAC-ARCHIVE-MANIFEST")
        for field in MANIFEST_SCHEMA:
            if field.name not in schema.names or schema.field(field.name).type != field.type:
                raise RefusedError(
                    "BAC-ARCHIVE-MANIFEST",
                    f"the manifest's column {field.name} is missing or of another type",
                )

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def digest(self) -> str:
        """Return the SHA-256 of the file, hexadecimal."""
        found = sha256()
        if isinstance(self._source, Path):
            with self._source.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    found.update(chunk)
        else:
            place = self._source.tell()
            self._source.seek(0)
            while chunk := self._source.read(_CHUNK_BYTES):
                found.update(chunk)
            self._source.seek(place)
        return found.hexdigest()

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Read it from its beginning.

        Parameters
        ----------
        columns : sequence of str, optional
            Which; by default all.

        Yields
        ------
        pyarrow.RecordBatch
            Of `BATCH_ROWS` rows or less.

        Raises
        ------
        RefusedError
            BAC-ARCHIVE-MANIFEST: it is damaged.
        """
        wanted = None if columns is None else list(columns)
        try:
            yield from self._file.iter_batches(BATCH_ROWS, columns=wanted, use_threads=False)
        except (pa.ArrowInvalid, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise RefusedError("BAC-ARCHIVE-MANIFEST", "the manifest is damaged") from None

    def read(self) -> Iterator[tuple[int, ManifestRow]]:
        """Read it row by row, each with its number, which begins with 0."""
        number = 0
        for batch in self.batches(_NAMES):
            for values in zip(*(batch.column(name).to_pylist() for name in _NAMES), strict=True):
                yield number, ManifestRow(*values)
                number += 1


def _encoded(metadata: Mapping[str, str]) -> dict[bytes, bytes]:
    return {key.encode(): value.encode() for key, value in metadata.items()}
