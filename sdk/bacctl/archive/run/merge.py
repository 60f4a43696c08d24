"""One table of all shards, of parts that the journals vouch for."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from bac_imaging.files import whole_file
from bac_terms.errors import FailedError, RefusedError
from bacctl.archive import storage
from bacctl.archive.parts import PART_SCHEMA
from bacctl.archive.run.output import read_part, read_plan
from bacctl.archive.run.plan import Plan
from bacctl.archive.run.reading import NAME, Counts, JournalReader
from bacctl.archive.run.shards import Shard
from bacctl.archive.stores import local

PARTIAL = "bacctl.partial"
RUN = "bacctl.run"
MISSING = "bacctl.missing_images"


@dataclass(frozen=True, slots=True)
class Merged:
    """What a table holds.

    Attributes
    ----------
    images : int
        Its rows.
    missing : int
        Images of the manifest that have no row in it.
    incomplete : tuple of str
        Shards that are not complete, or were never begun.
    """

    images: int
    missing: int
    incomplete: tuple[str, ...]


@contextmanager
def open_journal(out: str, shard: Shard) -> Iterator[JournalReader | None]:
    """Open the journal of a shard for reading; None where the shard was never begun.

    Raises
    ------
    RefusedError
        BAC-ARCHIVE-OUTPUT: it is of another release, or damaged.
    FailedError
        BAC-STORAGE-*, BAC-FILE-UNREADABLE.
    """
    uri = storage.join(out, shard.name, NAME)
    if not storage.exists(uri):
        yield None
        return
    with storage.local_copy(uri) as path, JournalReader(path) as reader:
        yield reader if reader.is_made else None


def plan_of(out: str) -> Plan:
    """Read what a run is.

    Raises
    ------
    RefusedError
        BAC-ARCHIVE-OUTPUT: there is none.
    """
    plan = read_plan(out)
    if plan is None:
        raise RefusedError(
            "BAC-ARCHIVE-OUTPUT", "there is no run in this folder", "give the --out of `bacctl archive run`"
        )
    return plan


def merge(out: str, target: str, *, partial: bool = False) -> Merged:
    """Write one Parquet file of all shards, whole or not at all.

    Its metadata have the run (``bacctl.run``), whether it is partial (``bacctl.partial``, "true" or "false")
    and how many images are missing. Rows stand in the order of shards and parts. Memory is that of one part.

    Parameters
    ----------
    out : str
        URI of the run's folder.
    target : str
        URI of the file.
    partial : bool, optional
        Also where shards are not complete.

    Returns
    -------
    Merged

    Raises
    ------
    RefusedError
        BAC-ARCHIVE-OUTPUT: there is no run, a journal is of another one, or shards are not complete.
    FailedError
        BAC-ARCHIVE-PART: a part is missing or damaged. BAC-STORAGE-*.
    """
    plan = plan_of(out)
    shards = [Shard(number, plan.shards) for number in range(plan.shards)]
    settled, incomplete = _survey(out, plan, shards)
    if incomplete and not partial:
        more = f" and {len(incomplete) - 3} more" if len(incomplete) > 3 else ""
        raise RefusedError(
            "BAC-ARCHIVE-OUTPUT",
            f"{len(incomplete)} of {plan.shards} shards are not complete: {', '.join(incomplete[:3])}{more}",
            "run them to their end with --resume, or give --partial for what there is",
        )
    missing = plan.manifest_rows - settled
    told = {
        RUN: json.dumps(json.loads(plan.to_text())),
        PARTIAL: "true" if incomplete else "false",
        MISSING: str(missing),
    }
    schema = PART_SCHEMA.with_metadata({**PART_SCHEMA.metadata, **told})
    with ExitStack() as stack:
        if storage.is_remote(target):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bacctl-")))
            _write(out, shards, plan, folder / "merged.parquet", schema, settled)
            storage.put(target, folder / "merged.parquet")
        else:
            _write(out, shards, plan, Path(local.path_of(target)), schema, settled)
    return Merged(settled, missing, tuple(incomplete))


def _survey(out: str, plan: Plan, shards: list[Shard]) -> tuple[int, list[str]]:
    settled, incomplete = 0, []
    for shard in shards:
        with open_journal(out, shard) as journal:
            if journal is None:
                incomplete.append(shard.name)
                continue
            begun = journal.fact("plan")
            if begun is not None:
                plan.check_same(Plan.from_text(begun))
            counts = journal.counts()
            settled += counts.in_parts
            if not is_complete(counts):
                incomplete.append(shard.name)
    return settled, incomplete


def is_complete(counts: Counts) -> bool:
    """Tell whether all of a shard is in parts."""
    return counts.complete and counts.in_parts == counts.images


def _write(out: str, shards: list[Shard], plan: Plan, path: Path, schema: pa.Schema, expected: int) -> None:
    seen = bytearray((plan.manifest_rows + 7) // 8)
    rows = 0
    try:
        with whole_file(path, synced=True) as file:
            with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
                for table in _tables(out, shards):
                    _see_each_once(table, seen)
                    writer.write_table(table.select(schema.names).replace_schema_metadata(schema.metadata))
                    rows += table.num_rows
            if rows != expected:
                raise RefusedError(
                    "BAC-ARCHIVE-OUTPUT", "a shard went on while it was merged", "merge when it has ended"
                )
    except OSError as error:
        why = error.strerror or error
        raise FailedError("BAC-STORAGE-WRITE", f"the table could not be written: {why}") from error


def _tables(out: str, shards: list[Shard]) -> Iterator[pa.Table]:
    for shard in shards:
        with open_journal(out, shard) as journal:
            parts = [] if journal is None else journal.parts()
        for part in parts:
            yield read_part(storage.join(out, shard.name), part)


def _see_each_once(table: pa.Table, seen: bytearray) -> None:
    for number in table.column("row").to_pylist():
        place, bit = number >> 3, 1 << (number & 7)
        if place >= len(seen) or seen[place] & bit:
            raise FailedError("BAC-ARCHIVE-PART", f"row {number} of the manifest is in two parts")
        seen[place] |= bit
