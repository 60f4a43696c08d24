"""What `bacctl archive run` says while it works, and whom it waits for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.sdk.archive.conftest import Call
from tests.sdk.archive.run.archives import Archive

from bac_terms.errors import FailedError
from bacctl.archive.run.loop import Progress
from bacctl.archive.run.merge import merge
from bacctl.archive.run.plan import Settings
from bacctl.archive.run.shards import Shard
from bacctl.cli.commands.archive.progress import _Lines, codes_text
from bacctl.cli.commands.archive.run import _run, _who_measures
from bacctl.cli.sink import Sink
from bacctl.testing import FakeServer


def test_a_line_a_minute_has_rate_time_left_and_codes(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 59.0, 100.0, 150.0])
    show = _Lines(lambda: next(times))
    codes = Counter({"BAC-VIEW-SPOT": 2, "BAC-MODALITY": 1})
    for settled in (900, 1000, 1100):
        show(Progress(settled, 2000, settled - 800, codes))
    # 200 images in 100 s, 1,000 left: those of earlier starts are not in the rate.
    assert capsys.readouterr().err == (
        "archive run: 1000 of 2000 images; 2.0 images/s, 8 min 20 s left; BAC-VIEW-SPOT 2, BAC-MODALITY 1\n"
    )


def test_the_most_frequent_codes_come_first_and_the_rest_is_counted() -> None:
    assert codes_text({"A": 1, "B": 3, "C": 2, "D": 1, "E": 1, "F": 1}) == (
        "B 3, C 2, A 1, D 1 and 2 more codes"
    )
    assert codes_text({}) == ""


def test_a_server_that_is_away_at_the_start_is_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_who_measures.__globals__, "_PAUSE_S", 0.01)
    fake = FakeServer()
    fake.fail_next("BAC-SERVER-UNAVAILABLE", 2)
    with fake.client(max_retries=0) as client, Sink() as sink:
        assert _who_measures(client, sink, 60.0).weights_sha256 == "0" * 64
    assert capsys.readouterr().err.count("BAC-SERVER-UNAVAILABLE") == 2


def test_a_server_that_stays_away_at_the_start_is_an_error() -> None:
    fake = FakeServer()
    fake.fail_next("BAC-SERVER-UNAVAILABLE", 5)
    with (
        fake.client(max_retries=0) as client,
        Sink(quiet=True) as sink,
        pytest.raises(FailedError, match="BAC-SERVER-UNAVAILABLE"),
    ):
        _who_measures(client, sink, 0.0)


def test_a_copy_of_the_journal_that_was_never_made_is_made(
    archive: Archive, fake: FakeServer, tmp_path: Path
) -> None:
    """What a kill leaves between the last part's entry and the copy of a journal that lies elsewhere."""
    archive.run(fake, journal=tmp_path / "journals")
    (copy,) = archive.out.glob("*/journal.sqlite")
    copy.unlink()

    @contextmanager
    def nobody() -> Iterator[Any]:
        raise AssertionError("nothing is left to measure")
        yield

    places = str(archive.manifest), str(archive.out), Shard(), Settings(), nobody(), tmp_path / "journals"
    counts, number = _run(Sink(quiet=True), *places, resume=True)
    assert (counts.in_parts, number) == (20, None)
    assert merge(str(archive.out), str(tmp_path / "all.parquet")).images == 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("scan", "nowhere", "--out", "m.parquet"), "nowhere: BAC-FILE-UNREADABLE: "),
        (("run", "nowhere.parquet", "--out", "o"), "nowhere.parquet: BAC-FILE-UNREADABLE: "),
        (("run", "note.txt", "--out", "o"), "note.txt: BAC-ARCHIVE-MANIFEST: "),
        (("status", "nowhere"), "nowhere: BAC-ARCHIVE-OUTPUT: "),
        (("merge", "nowhere", "--out", "x.parquet"), "nowhere: BAC-ARCHIVE-OUTPUT: "),
    ],
)
def test_a_fault_names_what_it_is_about(
    call: Call, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "note.txt").write_text("no manifest")
    code, out, err = call(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith(said)
    assert len(err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]
