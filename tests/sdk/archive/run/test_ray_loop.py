"""What the loop does with the rows of a cluster, which stands here for itself; `test_ray` has a real one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from tests.sdk.archive.run.archives import Archive, Heard

from bac_terms.errors import from_catalogue
from bacctl.archive.manifest import Manifest, ManifestRow
from bacctl.archive.parts import PartRow
from bacctl.archive.ray_loop import RayLoop
from bacctl.archive.run.loop import Limits, Progress, StoppedError
from bacctl.archive.run.measure import failed
from bacctl.archive.run.output import ShardOutput
from bacctl.archive.run.plan import MeasuredBy, Plan, Settings
from bacctl.archive.run.shards import Shard

IMAGES = 1000
STOP_AT = 20
BETWEEN_S = 0.01


class SwiftCluster:
    """Gives a row every hundredth of a second: no pause is long enough to look for a stop in."""

    workers = 1

    def __init__(self, rows: list[ManifestRow]) -> None:
        self._rows = rows
        self.over = threading.Event()

    def measure(
        self, blocks: list[pa.Table], ordered: bool, take: Callable[[PartRow], None], *of_worker: Any
    ) -> None:
        for number in (number for block in blocks for number in block.column("number").to_pylist()):
            if self.over.wait(BETWEEN_S):
                return
            take(failed(number, self._rows[number], from_catalogue("BAC-DECODE-FAILED")))


def test_a_stop_is_seen_while_rows_come_without_a_pause(empty_archive: Archive) -> None:
    empty_archive.rows = [ManifestRow(f"/{n}.dcm", sop_instance_uid=f"1.2.{n}") for n in range(IMAGES)]
    empty_archive.write()
    stop = threading.Event()

    class Stops(Heard):
        def show(self, progress: Progress) -> None:
            if progress.new == STOP_AT:
                stop.set()

    by, cluster = MeasuredBy("0" * 64, None, None), SwiftCluster(empty_archive.rows)
    start = time.monotonic()
    with (
        Manifest(empty_archive.manifest) as listed,
        ShardOutput(str(empty_archive.out), Shard()) as output,
        output.open_journal(resume=False) as journal,
    ):
        output.agree(journal, Plan(listed.digest(), listed.rows, 1, Settings(), by))
        places = listed, Shard(), output, journal
        loop = RayLoop(*places, cluster, Settings(), by, Limits(), Stops(), stop)  # type: ignore[arg-type]
        try:
            with pytest.raises(StoppedError):
                loop.run()
        finally:
            cluster.over.set()
        counts = journal.counts()
    # What had come by then is kept.
    assert STOP_AT <= counts.settled == counts.in_parts < IMAGES, time.monotonic() - start
