"""An archive of small phantom images, and runs of `bacctl archive` over it as users start them."""

from __future__ import annotations

import hashlib
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pydicom
from pyarrow import parquet
from tests.faults.images import make_images

from bac_terms.errors import BacctlError
from bacctl.archive.manifest import ManifestRow, writing
from bacctl.archive.parts import TIMES
from bacctl.archive.run.merge import merge
from bacctl.archive.run.reading import JournalReader
from bacctl.archive.run.shards import Shard

BACCTL = str(Path(sys.executable).with_name("bacctl"))
_HEADER_BYTES = 1000
_LOOK_S = 0.02
_LONGEST_S = 7200.0


def make_archive(folder: Path, count: int) -> Path:
    """Write images that all differ in mass; return the path of their manifest."""
    with writing(folder / "manifest.parquet") as manifest:
        for path in make_images(folder / "images", count):
            data, state = path.read_bytes(), path.stat()
            uid = pydicom.dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID
            manifest.add(
                [
                    ManifestRow(
                        str(path),
                        len(data),
                        state.st_mtime_ns,
                        header_bytes=_HEADER_BYTES,
                        header_sha256=hashlib.sha256(data[:_HEADER_BYTES]).hexdigest(),
                        sop_instance_uid=str(uid),
                    )
                ]
            )
    return folder / "manifest.parquet"


class Run:
    """Runs over one manifest into one folder."""

    def __init__(self, manifest: Path, out: Path, url: str, shard: Shard = Shard()) -> None:  # noqa: B008
        self.manifest, self.out, self.url, self.shard = manifest, out, url, shard

    def start(self, *options: object) -> subprocess.Popen[str]:
        """Start it in a process of its own."""
        shard = f"{self.shard.number}/{self.shard.count}"
        command = [BACCTL, "archive", "run", self.manifest, "--out", self.out, "--shard", shard, "--resume"]
        return subprocess.Popen(
            [*map(str, command), "--url", self.url, *map(str, options)],
            cwd=self.manifest.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, *options: object) -> str:
        """Run it to its end; return what it prints."""
        process = self.start(*options)
        out, err = process.communicate(timeout=_LONGEST_S)
        assert process.returncode == 0, err
        return out

    def end_after(self, images: int, number: signal.Signals, *options: object) -> int:
        """End it by a signal once so many images have a result; return the exit code."""
        process = self.start(*options)
        deadline = time.monotonic() + _LONGEST_S
        while self.settled() < images and process.poll() is None and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
        process.send_signal(number)
        process.communicate(timeout=240)
        return int(process.returncode)

    def settled(self) -> int:
        """Count the images that have a result."""
        path = self.out / self.shard.name / "journal.sqlite"
        try:
            with JournalReader(path) as journal:
                return journal.counts().settled
        except (sqlite3.Error, BacctlError):  # it is being made
            return 0


def end_at_random(run: Run, images: int, times: int, seed: int, *options: object) -> list[int]:
    """Kill a run, or ask it to stop, so many times while it works; return the exit codes."""
    chance = random.Random(seed)
    codes = []
    for turn in range(times):
        left = images - run.settled()
        after = run.settled() + chance.randint(1, max(1, left // (times - turn + 1)))
        number = signal.SIGTERM if turn % 2 else signal.SIGKILL
        codes.append(run.end_after(after, number, *options))
    return codes


def rows_of(out: Path) -> list[dict[str, Any]]:
    """Merge a run and return its rows by their number, without what differs from run to run."""
    target = out / "all.parquet"
    merge(str(out), str(target))
    rows = sorted(parquet.read_table(target).to_pylist(), key=lambda row: row["row"])
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]
