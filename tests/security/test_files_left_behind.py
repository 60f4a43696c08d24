"""What is written: whose it is, and that a link in its place leads nobody astray."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from bac_imaging.files import write_whole
from bacctl.node.records import Limits
from bacctl.node.store import Store


def test_a_link_in_place_of_a_result_is_replaced(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep")
    (tmp_path / "out").mkdir()
    result = tmp_path / "out" / "analysis.json"
    result.symlink_to(precious)
    write_whole(result, b"{}")
    assert (precious.read_text(), result.read_bytes(), result.is_symlink()) == ("keep", b"{}", False)


@pytest.mark.parametrize("before", [None, 0o755])
def test_the_queue_of_a_node_is_its_owners(tmp_path: Path, before: int | None) -> None:
    folder = tmp_path / "queue"
    if before is not None:
        folder.mkdir(mode=before)
    store = Store(folder, Limits(10**9))
    path = store.write(store.images, b"image", ".dcm")
    modes = {one: stat.S_IMODE(one.stat().st_mode) for one in (store.images, store.results)}
    store.close()
    assert set(modes.values()) == {0o700}
    assert path.parent == store.images
    assert stat.S_IMODE((folder / "queue.sqlite").stat().st_mode) == 0o600
