"""The rows of a run or of what was merged: of complete parts alone, as the journals say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bac_terms.errors import FailedError, RefusedError
from bacctl.archive import storage
from bacctl.archive.parts import FORMAT, PART_SCHEMA
from bacctl.archive.report.rows import COLUMNS
from bacctl.archive.run.merge import MISSING, PARTIAL, is_complete, open_journal
from bacctl.archive.run.output import read_part, read_plan
from bacctl.archive.run.shards import Shard

_ROWS = 16384


@dataclass
class Source:
    """Runs and merged files to read.

    Attributes
    ----------
    places : sequence of str
        URIs: folders of runs, and Parquet files.
    incomplete : list of str
        What is missing, in words; whole when `batches` has come to its end.
    """

    places: Sequence[str]
    incomplete: list[str] = field(default_factory=list)

    def batches(self) -> Iterator[Any]:
        """Read all rows.

        Yields
        ------
        pyarrow.Table
            With the columns of `bacctl.archive.report.rows.COLUMNS`.

        Raises
        ------
        RefusedError
            BAC-ARCHIVE-REPORT: a place is neither a run nor a file of parts.
        FailedError
            BAC-STORAGE-*, BAC-FILE-UNREADABLE: it cannot be read.
        """
        for place in self.places:
            plan = None if place.endswith(".parquet") else read_plan(place)
            if plan is None:
                yield from self._merged(place)
            else:
                for number in range(plan.shards):
                    yield from self._shard(place, Shard(number, plan.shards))

    def _shard(self, place: str, shard: Shard) -> Iterator[Any]:
        name, folder = f"shard {shard.number}/{shard.count}", storage.join(place, shard.name)
        with open_journal(place, shard) as journal:
            if journal is None:
                self.incomplete.append(f"{place}: {name} was not begun")
                return
            counts, parts = journal.counts(), journal.parts()
        if not is_complete(counts):
            of = "" if counts.images is None else f" of {counts.images:,}"
            self.incomplete.append(
                f"{place}: {name} is not done; {counts.in_parts:,}{of} images are in complete parts, and no"
                " other is in this report"
            )
        for part in parts:
            try:
                yield read_part(folder, part).select(COLUMNS)
            except FailedError as error:
                if error.code != "BAC-ARCHIVE-PART":
                    raise
                self.incomplete.append(
                    f"{place}: {name}: {error.reason}; its {part.images:,} images are left out"
                )

    def _merged(self, place: str) -> Iterator[Any]:
        """Read a file of parts in batches."""
        import pyarrow as pa
        from pyarrow import parquet

        with storage.local_copy(place) as path:
            if not path.is_file():
                raise _no_parts(place, "is a folder without run.json" if path.is_dir() else "does not exist")
            try:
                with parquet.ParquetFile(path) as file:
                    told = _checked(place, file.schema_arrow)
                    if told.get(PARTIAL.encode()) == b"true":
                        missing = int(told.get(MISSING.encode(), b"0"))
                        self.incomplete.append(
                            f"{place}: was merged before the run was done; {missing:,} images are missing"
                        )
                    for batch in file.iter_batches(_ROWS, columns=list(COLUMNS), use_threads=False):
                        yield pa.Table.from_batches([batch])
            except (pa.ArrowInvalid, OSError) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                raise _no_parts(place, "is damaged, or no file of parts") from None


def _checked(place: str, found: Any) -> Mapping[bytes, bytes]:
    """Return the metadata of a schema, which has to be that of parts."""
    told: Mapping[bytes, bytes] = found.metadata or {}
    kinds = {one.name: one.type for one in found}
    if told.get(b"bacctl.table") != FORMAT.encode() or any(
        kinds.get(one.name) != one.type for one in PART_SCHEMA
    ):
        raise _no_parts(place, "holds no parts that this release reads")
    return told


def _no_parts(place: str, found: str) -> RefusedError:
    return RefusedError(
        "BAC-ARCHIVE-REPORT",
        f"{place}: {found}",
        "give the folder of `bacctl archive run`, or what was merged of it",
    )
