"""The report: what it says, what it must not hold, and how a real browser takes it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.sdk.outputs.conftest import HOSTILE, SECRET, STUDY, Make

from bac_terms.errors import FailedError, RefusedError
from bacctl.outputs.exam_files import Choices
from bacctl.outputs.html import html_files, pdf, report_html


def page_of(exam: Any, **choices: Any) -> str:
    return report_html(exam, Choices(**choices), lambda uid: uid).decode()


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_four_views_hung_as_readers_hang_them(make_exam: Make) -> None:
    page = page_of(make_exam())
    names = re.findall(r"<figcaption><strong>(.*?)</strong>", page)
    assert names == ["R CC", "L CC", "R MLO", "L MLO"]
    pictures = Elements(page).all("img")
    assert len(pictures) == 8  # an image and a layer of outlines each
    assert all((p["src"] or "").startswith("data:image/") for p in pictures)
    told = [p["alt"] for p in pictures if p["alt"]]
    assert len(told) == 4
    assert "right breast, CC view" in (told[0] or "")
    assert "Calcium 10.0 [8.0, 12.5] mg" in (told[0] or "")


def test_values_of_the_woman(make_exam: Make) -> None:
    page = page_of(make_exam())
    # Two breasts of 10 mg each, every view alike.
    assert "20.0 [" in page
    assert "0-20" in page
    assert page.count("esearch use only") >= 2
    shares = [int(s) for s in re.findall(r"<span>(\d+) %</span>", page)]
    assert 97 <= sum(shares) <= 103
    assert "outer, middle" in page
    assert "31" in page


def test_nothing_but_itself_and_nobody_named(make_exam: Make) -> None:
    exam = make_exam()
    page = page_of(exam)
    elements = Elements(page)
    assert not elements.all("script")
    for _, attributes in elements.found:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href"):
                assert (value or "").startswith("data:")
    assert "url(" not in page
    assert SECRET not in page
    assert "1960" not in page
    assert str(exam.images[0].path) not in page
    # What a header holds is there as text alone.
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_switches_have_labels_and_the_language_is_told(make_exam: Make) -> None:
    elements = Elements(page_of(make_exam()))
    labelled = {label["for"] for label in elements.all("label")}
    assert {control["id"] for control in elements.all("input")} == labelled
    assert elements.all("html") == [{"lang": "en"}]
    assert all(frame.get("tabindex") == "0" for frame in elements.all("div") if "aria-label" in frame)


def test_one_view_and_a_refused_image_still_make_a_report(make_exam: Make) -> None:
    page = page_of(make_exam(("LCC", "RMLO"), refused="RMLO"))
    assert page.count("No accepted image of this view.") == 3
    assert "BAC-VIEW-SPOT: a spot view; send another" in page
    assert re.search("Calcium mass, both breasts</th><td>not measured", page)


def test_an_image_without_side_and_view_is_listed(make_exam: Make) -> None:
    page = page_of(make_exam(("LCC",), laterality=None, view=None))
    assert page.count("No accepted image of this view.") == 4
    assert "Score for BAC" in page


def test_a_file_that_is_gone_costs_its_picture_alone(make_exam: Make) -> None:
    exam = make_exam()
    path = exam.images[0].path
    assert path is not None
    path.unlink()
    page = page_of(exam)
    assert "Image 1 could not be drawn: its file cannot be read any more" in page
    assert len(Elements(page).all("img")) == 6


def test_a_prior_stands_beside(make_exam: Make) -> None:
    prior = make_exam(
        study="1.2.826.0.1.3680043.8.498.76", calcium_mass_mg=4.0, calcium_mass_interval_mg=[3, 5]
    )
    page = page_of(make_exam(), prior=prior)
    rows = re.findall(r"Mass, both breasts, mg</th>(.*?)</tr>", page, re.DOTALL)
    assert re.findall(r">([-+0-9.]+)<", rows[0])[:3] == ["8.0", "20.0", "+12.0"]


def test_a_prior_of_another_woman_is_refused(make_exam: Make) -> None:
    prior = make_exam(study="1.2.826.0.1.3680043.8.498.76", patient="SOMEBODY-ELSE")
    with pytest.raises(RefusedError) as refused:
        list(html_files(make_exam(), ["html"], Choices(prior=prior)))
    assert refused.value.code == "BAC-COMPARE-PATIENT"


def test_the_name_of_the_file_is_the_study(make_exam: Make) -> None:
    [file] = html_files(make_exam(), ["html"], Choices())
    assert (file.kind, file.suffix, file.stem) == ("html", ".html", STUDY)


def test_no_browser_is_told(make_exam: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(FailedError) as failed:
        list(html_files(make_exam(), ["pdf"], Choices()))
    assert failed.value.code == "BAC-OUTPUT-NO-BROWSER"


@pytest.mark.parametrize("script", ["exit 0", "printf x > report.pdf", None])
def test_a_browser_that_prints_nothing_is_told(
    script: str | None, make_exam: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / pdf.BROWSERS[0]
    program.write_text("no program" if script is None else f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(here)
    with pytest.raises(FailedError) as failed:
        list(html_files(make_exam(), ["pdf"], Choices()))
    assert failed.value.code == "BAC-OUTPUT-PRINT"
    assert not list(here.iterdir()), "a browser left a file where the user stands"


@pytest.fixture(scope="module")
def browser() -> str:
    found = pdf.find_browser()
    if found is None:
        pytest.skip("no Chromium here")
    return found


def shoot(browser: str, page: Path, folder: Path) -> tuple[bytes, str, list[str]]:
    """Open a page; gives the screenshot, what stands in the console, and what was asked of a network."""
    picture, log = folder / f"{page.stem}.png", folder / f"{page.stem}.json"
    done = subprocess.run(
        [
            browser,
            *("--headless", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--no-first-run", "--enable-logging=stderr", "--window-size=1000,1800"),
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            f"--user-data-dir={folder}/profile",
            f"--log-net-log={log}",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={**os.environ, "HOME": str(folder)},
    )
    events = json.loads(log.read_text()) if log.exists() else {"events": []}
    # A browser has requests of its own, which no origin began.
    asked = [
        params["url"]
        for event in events["events"]
        if (params := event.get("params", {})).get("initiator", "not an origin") != "not an origin"
        and params.get("url", "").startswith(("http:", "https:", "ws"))
    ]
    console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return picture.read_bytes(), console, asked


@pytest.mark.slow
def test_a_real_browser_shows_it_and_asks_for_nothing(make_exam: Make, browser: str, tmp_path: Path) -> None:
    text = page_of(make_exam())
    switched = text.replace('id="outlines" class="control" checked', 'id="outlines" class="control"')
    assert switched != text
    shots = []
    for name, content in (("on", text), ("off", switched)):
        page = tmp_path / f"{name}.html"
        page.write_text(content)
        picture, console, asked = shoot(browser, page, tmp_path)
        assert console == ""
        assert asked == []
        shots.append(picture)
    asking = tmp_path / "asking.html"
    asking.write_text("<img src='http://127.0.0.1:9/x.png'><script>console.log('here')</script>")
    _, console, asked = shoot(browser, asking, tmp_path)
    assert (len(asked), "here" in console) == (1, True)  # a page that asks is found out
    assert _amber(shots[0]) > 500
    assert _amber(shots[1]) < 50  # the outlines are off


def _amber(png: bytes) -> int:
    """Count pixels of the outline's colour where the images are."""
    import io

    import numpy as np
    from PIL import Image

    seen = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    return int((np.abs(seen - (255, 196, 0)).max(axis=2) < 40).sum())


@pytest.mark.slow
def test_a_real_browser_prints_it_on_a4(make_exam: Make, browser: str, tmp_path: Path) -> None:
    if shutil.which("pdfinfo") is None or shutil.which("pdftotext") is None:
        pytest.skip("no poppler here")
    [file] = html_files(make_exam(), ["pdf"], Choices())
    (tmp_path / "r.pdf").write_bytes(file.data)
    told = subprocess.run(["pdfinfo", tmp_path / "r.pdf"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"Page size: +59[45]\.\d+ x 84[12]\.?\d* pts", told), told
    text = subprocess.run(
        ["pdftotext", tmp_path / "r.pdf", "-"], capture_output=True, text=True, check=True
    ).stdout
    assert "Research use only" in text
    assert "20.0 [" in text
    assert SECRET not in text
