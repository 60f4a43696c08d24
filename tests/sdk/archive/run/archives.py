"""A small archive of files that a fake server measures by their bytes."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

from bacctl.archive.manifest import Manifest, ManifestRow, writing
from bacctl.archive.run.local import LocalLoop
from bacctl.archive.run.loop import Limits, Progress
from bacctl.archive.run.measure import Measurer
from bacctl.archive.run.output import ShardOutput
from bacctl.archive.run.plan import MeasuredBy, Plan, Settings
from bacctl.archive.run.reading import Counts
from bacctl.archive.run.shards import Shard
from bacctl.testing import FakeServer


class Heard:
    """What a run says."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.progress: list[Progress] = []

    def show(self, progress: Progress) -> None:
        self.progress.append(progress)

    def talk(self, text: str) -> None:
        self.lines.append(text)


class Archive:
    """Files, a manifest of them, and runs over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.manifest = folder / "manifest.parquet"
        self.rows: list[ManifestRow] = []

    def add(self, data: bytes, **known: Any) -> ManifestRow:
        path = self.folder / f"{len(self.rows):04d}.dcm"
        path.write_bytes(data)
        state = path.stat()
        header = data[:4]
        facts: dict[str, Any] = {
            "size": state.st_size,
            "mtime_ns": state.st_mtime_ns,
            "header_bytes": len(header),
            "header_sha256": hashlib.sha256(header).hexdigest(),
        }
        row = ManifestRow(str(path), **{**facts, **known})
        self.rows.append(row)
        return row

    def write(self) -> None:
        with writing(self.manifest) as writer:
            writer.add(self.rows)

    def run(
        self,
        fake: FakeServer,
        *,
        shard: Shard = Shard(),  # noqa: B008  # frozen
        resume: bool = False,
        stop: threading.Event | None = None,
        settings: Settings = Settings(),  # noqa: B008
        heard: Heard | None = None,
        max_retries: int = 0,
        out: str | None = None,
        journal: Path | None = None,
        **limits: Any,
    ) -> Counts:
        with (
            Manifest(self.manifest) as listed,
            fake.client(max_retries=max_retries) as client,
            ShardOutput(out or str(self.out), shard, journal) as output,
            output.open_journal(resume=resume) as journal_,
        ):
            measured_by = MeasuredBy.of(client.server_info())
            output.agree(journal_, Plan(listed.digest(), listed.rows, shard.count, settings, measured_by))
            loop = LocalLoop(
                listed,
                shard,
                output,
                journal_,
                Measurer(client, settings, measured_by),
                Limits(**limits),
                heard or Heard(),
                stop or threading.Event(),
            )
            try:
                loop.run()
            finally:
                self.counts = journal_.counts()
            return self.counts
