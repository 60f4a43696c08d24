"""A scan of a real object store, and a manifest that goes into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bacctl.archive import storage
from bacctl.archive.manifest import Manifest
from bacctl.archive.scanning.scan import scan

from .images import exam, mammogram

pytest.importorskip("s3fs", reason="needs bacctl[archive]")
pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_scan_of_objects_is_that_of_files(bucket: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    exam(root / "a", 1)
    exam(root / "b", 2)
    (root / "empty.dcm").write_bytes(b"")
    (root / "notes.txt").write_bytes(b"notes")
    # A header that is longer than what is read at first.
    (root / "long.dcm").write_bytes(mammogram(**_long()))
    for path in root.rglob("*.*"):
        storage.put(f"{bucket}/root/{path.relative_to(root)}", path)
    local = scan(str(root), str(tmp_path / "manifest.parquet"))
    remote = scan(f"{bucket}/root", f"{bucket}/out/manifest.parquet")
    assert {**remote.to_dict(), "source": None} == {**local.to_dict(), "source": None}
    with (
        storage.local_copy(f"{bucket}/out/manifest.parquet") as copy,
        Manifest(copy) as there,
        Manifest(tmp_path / "manifest.parquet") as here,
    ):
        pairs = list(zip(there.read(), here.read(), strict=True))
    assert len(pairs) == 10
    for (_, one), (_, other) in pairs:
        assert one.uri == f"{bucket}/root/{Path(other.uri).relative_to(root)}"
        assert one.etag == storage.stat(one.uri).token
        assert (one.header_sha256, one.header_bytes) == (other.header_sha256, other.header_bytes)
        assert (one.sop_instance_uid, one.view, one.code) == (other.sop_instance_uid, other.view, other.code)
    # The manifest there is a source, too.
    again = scan(f"{bucket}/out/manifest.parquet", str(tmp_path / "again.parquet"))
    assert again.source == f"{bucket}/root"
    assert again.changes is not None
    assert not any(listed.count for listed in again.changes.values())


def _long() -> dict[str, str]:
    return {"SOPInstanceUID": "1.2.3.4.5.6.7", "TextComments": "y" * 100_000}
