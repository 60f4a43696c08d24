"""The manifest: what is written is read, and what is none is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from bac_terms.errors import RefusedError
from bacctl.archive.manifest import (
    BATCH_ROWS,
    MANIFEST_SCHEMA,
    Manifest,
    ManifestRow,
    age_band,
    writing,
)

ROW = ManifestRow("/a/1.dcm", 10, 123, sop_instance_uid="1.2.3", rows=4, month="2024-03", cost_core_s=1.5)


def test_what_is_written_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "manifest.parquet"
    rows = [dataclasses.replace(ROW, uri=f"/a/{number}.dcm") for number in range(BATCH_ROWS + 5)]
    with writing(path, {"root": "/a"}) as writer:
        writer.add(rows)
    with Manifest(path) as manifest:
        assert manifest.rows == len(rows)
        assert manifest.metadata["root"] == "/a"
        assert manifest.metadata["intended_use"] == "research use only"
        assert list(manifest.read()) == list(enumerate(rows))
        assert manifest.digest() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_row_and_the_schema_have_the_same_names() -> None:
    assert [field.name for field in dataclasses.fields(ManifestRow)] == MANIFEST_SCHEMA.names


def test_a_manifest_that_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "manifest.parquet"
    endless = (dataclasses.replace(ROW, rows=1 // (number < 2 * BATCH_ROWS)) for number in itertools.count())
    with pytest.raises(ZeroDivisionError), writing(path) as writer:
        writer.add(endless)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_manifest_is_one(tmp_path: Path) -> None:
    with writing(tmp_path / "m.parquet"):
        pass
    with Manifest(tmp_path / "m.parquet") as manifest:
        assert list(manifest.read()) == []


@pytest.mark.parametrize("content", [b"", b"no Parquet", b"PAR1 but no more PAR1"])
def test_what_is_no_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.parquet"
    path.write_bytes(content)
    with pytest.raises(RefusedError, match="BAC-ARCHIVE-MANIFEST"):
        Manifest(path)


def test_a_damaged_footer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    with writing(path) as writer:
        writer.add([ROW])
    data = bytearray(path.read_bytes())
    length = int.from_bytes(data[-8:-4], "little")
    data[-8 - length : -8] = bytes(value ^ 0xFF for value in data[-8 - length : -8])
    path.write_bytes(data)
    with pytest.raises(RefusedError, match="BAC-ARCHIVE-MANIFEST"):
        Manifest(path)


def test_another_table_is_refused(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"uri": ["/a"]}), tmp_path / "m.parquet")
    with pytest.raises(RefusedError, match="BAC-ARCHIVE-MANIFEST"):
        Manifest(tmp_path / "m.parquet")


def test_a_column_of_another_type_is_named(tmp_path: Path) -> None:
    table = pa.Table.from_batches([], schema=MANIFEST_SCHEMA)
    place = MANIFEST_SCHEMA.get_field_index("size")
    parquet.write_table(table.set_column(place, "size", pa.array([], pa.string())), tmp_path / "m.parquet")
    with pytest.raises(RefusedError, match="column size"):
        Manifest(tmp_path / "m.parquet")


def test_a_damaged_manifest_is_refused_and_not_read_half(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    with writing(path) as writer:
        writer.add([dataclasses.replace(ROW, uri=f"/{number}") for number in range(2000)])
    data = bytearray(path.read_bytes())
    for place in range(4, len(data) // 2, 7):
        data[place] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(RefusedError, match="BAC-ARCHIVE-MANIFEST"), Manifest(path) as manifest:
        list(manifest.read())


@pytest.mark.parametrize(
    ("years", "band"),
    [
        (None, None),
        (0, "<40"),
        (39, "<40"),
        (40, "40-44"),
        (44, "40-44"),
        (84, "80-84"),
        (85, "85+"),
        (101, "85+"),
    ],
)
def test_age_bands(years: int | None, band: str | None) -> None:
    assert age_band(years) == band
