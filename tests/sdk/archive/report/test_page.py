"""The page of a report: what it says first, what it must not hold, and how a real browser takes it."""

from __future__ import annotations

import io
import json
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.sdk.archive.conftest import Call
from tests.sdk.archive.made_rows import Rows
from tests.sdk.archive.report.conftest import Summary
from tests.sdk.archive.report.synthetic import Archive, part
from tests.sdk.archive.run.archives import Archive as Files
from tests.sdk.outputs.test_html import Elements, shoot

from bacctl.archive.run.loop import StoppedError
from bacctl.archive.run.merge import open_journal
from bacctl.archive.run.shards import Shard
from bacctl.outputs.html.pdf import find_browser
from bacctl.testing import FakeServer, Request, make_report

HOSTILE = "<script>document.title='HACKED'</script>$x_1$"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with every table and chart, of units that nobody should believe."""
    from pyarrow import parquet

    from bacctl.archive.report.make import collected
    from bacctl.archive.report.page import page as make_page
    from bacctl.archive.report.source import Source

    folder = tmp_path_factory.mktemp("page")
    months = [f"2023-{month:02d}" for month in range(1, 11)]
    units = [(HOSTILE, "=One", "1.0"), ("Maker", "Two", "2.0")]
    archive = Archive(800, 3, months, units, share=lambda month, unit: 0.6 if month == "2023-08" else 0.3)
    parquet.write_table(part(archive), folder / "part.parquet")
    with collected(Source([str(folder / "part.parquet")]), least=1) as found:
        return make_page(found).decode()


def test_nothing_but_itself(page: str) -> None:
    elements = Elements(page)
    assert not elements.all("script")
    for _, attributes in elements.found:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href"):
                assert (value or "").startswith(("data:", "#"))
    assert not re.search(r"url\((?!#)", page)
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert page.count("esearch use only") >= 2


def test_plots_take_the_colours_of_the_page_and_say_what_they_are(page: str) -> None:
    drawn = re.findall(r'<svg role="img" aria-label="([^"]+)"', page)
    # Prevalence and two kinds of classes; five measures by month, unit and software.
    assert len(drawn) == len(set(drawn)) == 18
    assert "#010203" not in page
    assert page.count("currentColor") > 100


def test_what_is_outside_is_said_in_words_with_what_to_do(page: str) -> None:
    told = re.findall(r"<li>(Share of exams with BAC found, month 2023-08: above its limits .*?)</li>", page)
    assert len(told) == 1
    assert "To do: look at the overlays" in told[0]
    assert "expected here if nothing drifts" in page


@pytest.mark.slow
def test_a_real_browser_shows_it_by_day_and_by_night(page: str, tmp_path: Path) -> None:
    browser = find_browser()
    if browser is None:
        pytest.skip("no Chromium here")
    dark = page.replace("@media (prefers-color-scheme: dark)", "@media all")
    assert dark != page
    levels = []
    for name, text in (("day", page), ("night", dark)):
        path = tmp_path / f"{name}.html"
        path.write_text(text)
        picture, console, asked = shoot(browser, path, tmp_path)
        assert console == ""
        assert asked == []
        grey = np.asarray(Image.open(io.BytesIO(picture)).convert("L")).astype(float)
        levels.append((np.median(grey), np.percentile(grey, 1), np.percentile(grey, 99)))
    (paper, ink, _), (night, _, light) = levels
    assert paper > 230 > 100 > ink
    assert night < 40 < 150 < light


@pytest.mark.usefixtures("unplotted")
def test_shards_that_are_not_done_are_named_at_the_top(tmp_path: Path, call: Call) -> None:
    files = Files(tmp_path)
    for number in range(40):
        files.add(b"file %02d" % number, sop_instance_uid=f"1.2.{number}")
    files.write()
    fake = FakeServer(lambda request: make_report(sop_instance_uid=f"1.2.{int(request.data[-2:])}"))
    whole = files.run(fake, shard=Shard(0, 3), part_rows=4)
    stop = threading.Event()

    def measure(request: Request) -> dict[str, Any]:
        if len(halted.requests) == 6:
            stop.set()
        return make_report(sop_instance_uid=f"1.2.{int(request.data[-2:])}")

    halted = FakeServer(measure)
    with pytest.raises(StoppedError):
        files.run(halted, shard=Shard(1, 3), stop=stop, part_rows=4)
    with open_journal(str(files.out), Shard(1, 3)) as journal:
        assert journal is not None
        part = journal.counts()
    assert whole.complete
    assert not part.complete
    code, out, err = call("report", "out", "--out", "report", "--min-cell", 1, "--json")
    assert code == 0, err
    document = json.loads(out)
    assert document["rows"]["read"] == whole.in_parts + part.in_parts
    first, second = document["incomplete"]
    assert first == (
        f"out: shard 1/3 is not done; {part.in_parts} of {part.images} images are in complete parts, and no"
        " other is in this report"
    )
    assert second == "out: shard 2/3 was not begun"
    assert [line for line in err.splitlines() if "shard" in line] == [first, second]
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.index("Not all of it is here") < page.index("shard 2/3 was not begun") < page.index("<table")


def test_a_damaged_part_is_left_out_by_name(tmp_path: Path, report: Summary) -> None:
    files = Files(tmp_path)
    for number in range(12):
        files.add(b"file %02d" % number)
    files.write()
    files.run(FakeServer(), part_rows=4)
    damaged = sorted((tmp_path / "out" / "shard-00000-of-00001").glob("part-*.parquet"))[1]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    document = report(tmp_path / "out", least=1)
    assert document["rows"]["read"] == 8
    [said] = document["incomplete"]
    assert damaged.name in said
    assert "its 4 images are left out" in said


@pytest.mark.usefixtures("unplotted")
def test_formulas_stay_text_for_spreadsheets(tmp_path: Path, rows: Rows, call: Call) -> None:
    rows.woman("1.1", manufacturer="=cmd|' /C calc'!A0", model="-1", software_versions="@1")
    assert call("report", rows.write(tmp_path / "p.parquet"), "--out", "r", "--min-cell", 1)[0] == 0
    assert "\n'=cmd" in (tmp_path / "r" / "units.csv").read_text()
