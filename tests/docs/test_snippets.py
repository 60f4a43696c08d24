"""Every snippet of the quick start and the cookbook is run as it stands, against the real server.

Python (```python) is run in a namespace of its own, shell (```sh) by bash, each in a folder that holds the
files which the pages name. Only addresses are put in: those of the pages stand for servers of the reader's.
```console shows what makes an environment, or takes minutes; installation and the other commands have tests
of their own.
"""

from __future__ import annotations

import csv
import inspect
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

import bacctl
from bacctl.server.embedded import EmbeddedServer

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
PAGES = ("quickstart", "cookbook")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Snippet(NamedTuple):
    """A fenced block, and the heading that it stands under."""

    page: str
    heading: str
    number: int
    language: str
    code: str


def snippets() -> Iterator[Snippet]:
    for page in PAGES:
        text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
        for chapter in re.split(r"^##? ", text, flags=re.MULTILINE)[1:]:
            heading = chapter.partition("\n")[0]
            for number, block in enumerate(_FENCE.finditer(chapter)):
                yield Snippet(page, heading, number, block[1], block[2])


ALL = list(snippets())


def of(language: str) -> Any:
    chosen = [snippet for snippet in ALL if snippet.language == language]
    return pytest.mark.parametrize("snippet", chosen, ids=lambda s: f"{s.page}-{s.heading}-{s.number}")


@pytest.fixture
def folder(material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what the pages name, to work in."""
    here = tmp_path / "here"
    shutil.copytree(material, here)
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def addresses(server: EmbeddedServer, gateway: str) -> dict[str, str]:
    away = "127.0.0.1:9"  # the discard port: nobody listens
    return {
        "gpu-host:8001": server.url,
        "gpu-1:8001": server.url,
        "gpu-2:8001": away,
        "secure-host:8443": gateway,
    }


def test_pages_hold_what_is_run() -> None:
    assert {snippet.language for snippet in ALL} == {"python", "sh", "console"}
    recipes = {snippet.heading for snippet in ALL if snippet.page == "cookbook"}
    assert len(recipes) == 12


@of("python")
def test_python(
    snippet: Snippet,
    folder: Path,
    addresses: dict[str, str],
    server: EmbeddedServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # A client's own server is tested elsewhere, and takes seconds to start.
    monkeypatch.setattr(bacctl.Client, "embedded", lambda: bacctl.Client(server.url))
    code = snippet.code
    for told, real in addresses.items():
        code = code.replace(f'"{told}"', f'"{real}"')
    assert "8001" not in code.replace(server.url, "")
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, f"{snippet.page}: {snippet.heading}", "exec"), names)
    printed = capsys.readouterr().out
    check = CHECKS.get((snippet.heading, snippet.number))
    if check is not None:
        check(names, printed)


@of("sh")
def test_shell(snippet: Snippet, folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", snippet.code],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    check = SHELL_CHECKS.get((snippet.heading, snippet.number))
    if check is not None:
        check(folder)


# What a snippet says it does, where running without an error does not show it.


def _refused(_names: dict[str, Any], printed: str) -> None:
    told = "BAC-SPACING-MISSING the file does not say how large its pixels are give the spacing "
    assert printed.startswith(told)
    assert told in (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")


def _table(names: dict[str, Any], _printed: str) -> None:
    assert set(names["table"]["laterality"]) == {"L", "R"}
    assert len(names["measured"]) == 2


def _change(names: dict[str, Any], _printed: str) -> None:
    mass = names["change"].calcium_mass_mg
    assert mass.verdict == "progressed"
    # 8 and 40 mg in each breast; the model's own tests say how exact it is.
    assert mass.prior == pytest.approx(16, rel=0.25)
    assert mass.current == pytest.approx(80, rel=0.25)
    assert names["exam"].missing_views == ("LMLO", "RMLO")


def _defaults(_names: dict[str, Any], _printed: str) -> None:
    told = inspect.signature(bacctl.Client).parameters
    assert (told["timeout"].default, told["retry_for"].default) == (300, 60)


def _mask(names: dict[str, Any], _printed: str) -> None:
    with Image.open("mask.png") as png:
        mask = np.asarray(png)
    assert mask.shape == (1350, 1000)
    assert set(np.unique(mask)) == {0, 255}
    assert np.load("density.npy").shape == mask.shape


def _two_lines(_names: dict[str, Any], printed: str) -> None:
    lines = sorted(printed.splitlines())
    assert [line.split()[:2] for line in lines] == [["exam/LCC.dcm", "ok"], ["exam/RCC.dcm", "ok"]]


def _lines(*expected: str) -> Callable[[dict[str, Any], str], None]:
    def check(_names: dict[str, Any], printed: str) -> None:
        assert sorted(printed.splitlines()) == sorted(expected)

    return check


def _secure(names: dict[str, Any], printed: str) -> None:
    assert printed.startswith("True {'name': ")
    assert names["token"] == "a-token"


def _csv(folder: Path) -> None:
    with (folder / "results" / "analysis.csv").open() as table:
        assert [row["status"] for row in csv.DictReader(table)] == ["ok", "ok"]


def _jsonl(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "new.jsonl").read_text().splitlines()]
    assert [line["type"] for line in lines].count("image") == 2


CHECKS: dict[tuple[str, int], Callable[[dict[str, Any], str], None]] = {
    ("In Python", 1): _refused,
    ("A table of pandas or polars", 0): _table,
    ("Many files in an event loop", 0): _two_lines,
    ("A server with TLS and a token", 0): _secure,
    ("Several servers", 0): _lines("exam/LCC.dcm ok", "exam/RCC.dcm ok"),
    ("Time limits and retries", 0): _defaults,
    ("An exam, and the change between two", 0): _change,
    ("Mask and overlay as files", 0): _mask,
}
SHELL_CHECKS: dict[tuple[str, int], Callable[[Path], None]] = {
    ("A folder to CSV", 0): _csv,
    ("A folder to CSV", 1): _jsonl,
}
