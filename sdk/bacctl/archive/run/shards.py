"""Which rows of a manifest a shard has: by what an image is, so that no order or number of files matters."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from bacctl.archive.manifest import MANIFEST_SCHEMA, Manifest, ManifestRow

_WRITTEN = re.compile(r"(\d{1,6})/(\d{1,6})")
_KEYS = ("sop_instance_uid", "header_sha256", "uri")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several equal shares of a manifest.

    Attributes
    ----------
    number : int
        From 0, as array jobs and indexed jobs count.
    count : int
        How many there are.
    """

    number: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``i/n``.

        Raises
        ------
        ValueError
            It is none; the text is one line for people.
        """
        found = _WRITTEN.fullmatch(text)
        if found is None or not int(found[1]) < int(found[2]):
            raise ValueError(f"{text}: give i/n, such as 0/8 to 7/8: shards are counted from 0")
        return cls(int(found[1]), int(found[2]))

    @property
    def name(self) -> str:
        """What its folder is called."""
        return f"shard-{self.number:05d}-of-{self.count:05d}"

    def has(self, key: str) -> bool:
        """Tell whether an image is of this shard, by the text that stands for it."""
        return zlib.crc32(key.encode("utf-8", "surrogateescape")) % self.count == self.number


def key_of(row: ManifestRow) -> str:
    """Return what stands for an image: equal bytes and equal UIDs come to the same shard."""
    return row.sop_instance_uid or row.header_sha256 or row.uri


def rows_of(
    manifest: Manifest, shard: Shard, choose: Callable[[int, int], Callable[[int], bool]]
) -> Iterator[tuple[int, ManifestRow]]:
    """Read some rows of a shard.

    Parameters
    ----------
    manifest : Manifest
        Read in batches.
    shard : Shard
        Whose rows.
    choose : callable
        From the first number and the one after the last to what tells which of these are wanted.

    Yields
    ------
    tuple of (int, ManifestRow)
        Number in the manifest and row, in their order.
    """
    first = 0
    for batch in manifest.batches():
        is_wanted = choose(first, first + batch.num_rows)
        places = [place for place in _of_shard(batch, shard) if is_wanted(first + place)]
        if places:
            wanted = batch.take(pa.array(places, pa.int64()))
            columns = [wanted.column(field.name).to_pylist() for field in MANIFEST_SCHEMA]
            for place, values in zip(places, zip(*columns, strict=True), strict=True):
                yield first + place, ManifestRow(*values)
        first += batch.num_rows


def count_of_shard(manifest: Manifest, shard: Shard) -> int:
    """Count the rows of a shard."""
    if shard.count == 1:
        return manifest.rows
    return sum(len(_of_shard(batch, shard)) for batch in manifest.batches(_KEYS))


def _of_shard(batch: pa.RecordBatch, shard: Shard) -> list[int]:
    if shard.count == 1:
        return list(range(batch.num_rows))
    keys = zip(*(batch.column(name).to_pylist() for name in _KEYS), strict=True)
    return [place for place, (uid, header, uri) in enumerate(keys) if shard.has(uid or header or uri)]
