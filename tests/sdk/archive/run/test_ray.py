"""A run on a real Ray cluster of two nodes on this machine, with a fake server at the border."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sdk.archive.run.archives import Archive, Heard
from tests.sdk.archive.run.ray_nodes import add_node
from tests.sdk.archive.run.test_loop import rows_of

from bacctl.archive.manifest import Manifest
from bacctl.archive.run.loop import Limits, Progress, StoppedError
from bacctl.archive.run.output import ShardOutput
from bacctl.archive.run.plan import Plan, Settings
from bacctl.archive.run.reading import Counts
from bacctl.archive.run.shards import Shard
from bacctl.client.blocking import Client
from bacctl.testing import FakeServer, Request, make_report, refusal

ray_cluster = pytest.importorskip("ray.cluster_utils", reason="needs bacctl[archive]")

from bacctl.archive.ray_loop import Cluster, RayLoop  # noqa: E402  # where Ray is not, neither is this

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
IMAGES = 80
EQUAL = [20, 60]
POISON = 37
_NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


class Nodes:
    """Two nodes with room for one worker each."""

    def __init__(self) -> None:
        self.cluster = ray_cluster.Cluster()
        add_node(self.cluster, **_NODE, include_dashboard=False)
        self.second: Any = add_node(self.cluster, **_NODE)

    def kill_second(self) -> None:
        node, self.second = self.second, None
        self.cluster.remove_node(node, allow_graceful=False)


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    made = Nodes()
    yield made
    made.cluster.shutdown()


def varied_archive(folder: Path, *, duplicates: bool) -> Archive:
    """Make files of which one is refused, two may have the bytes of others, and one was found unsuitable."""
    made = Archive(folder)
    for number in range(IMAGES):
        known: dict[str, Any] = {"sop_instance_uid": f"1.2.{number}"}
        data = b"file %04d" % number
        if number == 50:
            known["code"] = "BAC-MODALITY"
        if duplicates and number in EQUAL:
            data = b"file %04d" % (number - 5)
            known = {"sop_instance_uid": f"1.2.{number - 5}", "duplicate_of": made.rows[number - 5].uri}
        made.add(data, **known)
    made.write()
    return made


def connect_of(poison: bytes, wait_s: float) -> Any:
    """Make what makes a client. Of functions in functions, so that Ray sends them and imports no test."""

    def measure(request: Request) -> dict[str, Any]:
        number = int(request.data[-4:])
        if request.data == poison:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(wait_s)
        if number == 70:
            raise refusal("BAC-VIEW-SPOT")
        return make_report(calcium_mass_mg=float(number), sop_instance_uid=f"1.2.{number}")

    def connect() -> Client:
        return FakeServer(measure).client(max_retries=0)

    return connect


def run_on_ray(archive: Archive, address: str, connect: Any, heard: Heard, **limits: Any) -> Counts:
    settings = Settings()
    with (
        Manifest(archive.manifest) as listed,
        ShardOutput(str(archive.out), Shard()) as output,
        output.open_journal(resume=True) as journal,
        Cluster.joined(address, connect, 2, 1) as cluster,
    ):
        measured_by = cluster.measured_by()
        output.agree(journal, Plan(listed.digest(), listed.rows, 1, settings, measured_by))
        places = listed, Shard(), output, journal
        stop = threading.Event()
        RayLoop(*places, cluster, settings, measured_by, Limits(**limits), heard, stop).run()
        return journal.counts()


def run_here(archive: Archive, connect: Any, out: Path, stop_at: int | None = None) -> list[dict[str, Any]]:
    """Run it without Ray, to its end or until so many images have a result; return its rows."""
    stop = threading.Event()

    class Stops(Heard):
        def show(self, progress: Progress) -> None:
            if progress.new == stop_at:
                stop.set()

    archive.out, before = out, archive.out
    fake = FakeServer()
    fake.client = lambda **_: connect()  # type: ignore[method-assign]
    try:
        archive.run(fake, stop=stop, heard=Stops())
    except StoppedError:
        assert stop_at is not None
    rows = rows_of(archive)
    archive.out = before
    return rows


@pytest.mark.parametrize(
    ("duplicates", "tries"), [(False, 1), pytest.param(True, 3, marks=pytest.mark.full)], ids=["", "varied"]
)
def test_a_node_and_a_process_die_midway_and_no_row_is_lost(
    nodes: Nodes, tmp_path: Path, duplicates: bool, tries: int
) -> None:
    varied = varied_archive(tmp_path, duplicates=duplicates)
    expected = run_here(varied, connect_of(b"", 0.0), varied.folder / "plain")
    begun = run_here(varied, connect_of(b"", 0.0), varied.out, stop_at=9)
    assert 9 <= len(begun) < 20

    class KillsNode(Heard):
        def show(self, progress: Progress) -> None:
            if progress.new >= 20 and nodes.second is not None:
                nodes.kill_second()

    poison = b"file %04d" % POISON
    counts = run_on_ray(
        varied, nodes.cluster.address, connect_of(poison, 0.05), KillsNode(), tries=tries, part_rows=25
    )
    assert nodes.second is None
    assert (counts.settled, counts.in_parts, counts.parked, counts.complete) == (IMAGES, IMAGES, 1, True)
    found = rows_of(varied)
    parked = found.pop(POISON)
    assert (parked["row"], parked["uri"]) == (POISON, varied.rows[POISON].uri)
    assert (parked["status"], parked["code"], parked["parked"]) == ("failed", "BAC-ARCHIVE-PARKED", True)
    del expected[POISON]
    assert found == expected
    assert [row["row"] for row in found if row["duplicate"] == "equal"] == EQUAL * duplicates
