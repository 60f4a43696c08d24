"""Shards: every row is of one of them, whatever its place, and equal images are of the same."""

from __future__ import annotations

import zlib

import pytest
from tests.sdk.archive.run.archives import Archive

from bacctl.archive.manifest import Manifest, ManifestRow
from bacctl.archive.run.shards import Shard, count_of_shard, key_of, rows_of


def test_shards_part_the_manifest(archive: Archive) -> None:
    with Manifest(archive.manifest) as manifest:
        found = []
        for number in range(3):
            shard = Shard(number, 3)
            rows = list(rows_of(manifest, shard, lambda first, end: lambda number: True))
            assert len(rows) == count_of_shard(manifest, shard)
            assert [number for number, _ in rows] == sorted(number for number, _ in rows)
            # CRC-32 as anybody computes it.
            assert all(zlib.crc32(row.header_sha256.encode()) % 3 == shard.number for _, row in rows)
            found += rows
    assert sorted(found, key=lambda one: one[0]) == list(enumerate(archive.rows))


def test_only_chosen_rows_are_read(archive: Archive) -> None:
    with Manifest(archive.manifest) as manifest:
        rows = rows_of(manifest, Shard(), lambda first, end: lambda number: number in {3, 17})
        assert [number for number, _ in rows] == [3, 17]


def test_an_image_goes_by_its_uid_then_its_header_then_its_place() -> None:
    assert key_of(ManifestRow("/a", header_sha256="ff", sop_instance_uid="1.2")) == "1.2"
    assert key_of(ManifestRow("/a", header_sha256="ff")) == "ff"
    assert key_of(ManifestRow("/a")) == "/a"


def test_shards_are_written_from_zero() -> None:
    assert Shard.parse("7/8") == Shard(7, 8)
    assert Shard(7, 8).name == "shard-00007-of-00008"


@pytest.mark.parametrize("text", ["8/8", "1", "1/0", "0/0", "-1/2", "a/b", "1/2/3", "", "1/ 2"])
def test_what_is_no_shard_says_what_is(text: str) -> None:
    with pytest.raises(ValueError, match="0/8 to 7/8"):
        Shard.parse(text)
