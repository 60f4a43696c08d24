"""The rows of a run or of what was merged: of complete parts alone, as the journals say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bac_terms.errors import FailedError, RefusedError
from bacctl.archive import storage
from bacctl.archive.parts import FORMAT, PART_SCHEMA
from bacctl.archive.report.rows import COLUMNS
from bacctl.archive.run import journal as journals
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
                yield from _merged(place)
            else:
                for number in range(plan.shards):
                    yield from self._shard(place, Shard(number, plan.shards))

    def _shard(self, place: str, shard: Shard) -> Iterator[Any]:
        name, folder = f"shard {shard.number}/{shard.count}", storage.join(place, shard.name)
        journal = storage.join(folder, journals.NAME)
        if not storage.exists(journal):
            self.incomplete.append(f"{place}: {name} was not begun")
            return
        with storage.local_copy(journal) as path, journals.JournalReader(path) as reader:
            counts, parts = reader.counts(), reader.parts()
        if not counts.complete:
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


def _merged(place: str) -> Iterator[Any]:
    """Read a file of parts in batches."""
    import pyarrow as pa
    from pyarrow import parquet

    with storage.local_copy(place) as path:
        try:
            with parquet.ParquetFile(path) as file:
                found = file.schema_arrow
                told = (found.metadata or {}).get(b"bacctl.table")
                kinds = {field.name: field.type for field in found}
                if told != FORMAT.encode() or any(kinds.get(one.name) != one.type for one in PART_SCHEMA):
                    raise _no_parts(place, "holds no parts that this release reads")
                for batch in file.iter_batches(_ROWS, columns=list(COLUMNS), use_threads=False):
                    yield pa.Table.from_batches([batch])
        except pa.ArrowInvalid:
            raise _no_parts(place, "is damaged, or no file of parts") from None
        except FileNotFoundError:
            raise _no_parts(place, "is neither a run nor a file of parts") from None
        except IsADirectoryError:
            raise _no_parts(place, "is a folder without run.json") from None


def _no_parts(place: str, found: str) -> RefusedError:
    return RefusedError(
        "BAC-ARCHIVE-REPORT",
        f"{place}: {found}",
        "give the folder of `bacctl archive run`, or what was merged of it",
    )
