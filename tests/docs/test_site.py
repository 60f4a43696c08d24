"""What the pages leave out or say twice: public names, pages that nobody finds, the schemas' page."""

from __future__ import annotations

import importlib.util
import json
import re
from collections import Counter
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

import bacctl

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def schema_page() -> ModuleType:
    return script("schema_page")


def test_every_public_name_has_one_place_in_the_reference() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md"))
    places = Counter(re.findall(r"^::: bacctl\.(\w+)$", pages, re.MULTILINE))
    assert places == Counter({*bacctl.__all__, "testing"} - {"__version__"})


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"- ([\w/-]+\.md)$", text, re.MULTILINE))
    assert named == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}


def test_every_page_says_what_it_is_for() -> None:
    assert all("esearch use only" in page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*DOCS.rglob("*.md"), *(ROOT / "examples").glob("*.md")]
    for page in pages:
        for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.relative_to(ROOT)}: {link}"


def test_nothing_is_fetched_when_a_page_is_read() -> None:
    settings = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), yaml.SafeLoader)
    assert settings["theme"]["font"] is False
    assert not {"extra_javascript", "extra_css", "extra"} & set(settings)
    assert "esearch use only" in settings["copyright"]


def test_the_page_of_the_schemas_is_theirs(schema_page: ModuleType) -> None:
    page = (DOCS / "schema.md").read_text(encoding="utf-8")
    assert page == schema_page.make_page(), "run: python scripts/schema_page.py"


def test_the_page_of_the_codes_is_the_catalogue() -> None:
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    assert page == script("errors_page").make_page(), "run: python scripts/errors_page.py"


def test_the_page_of_the_schemas_leaves_no_field_out() -> None:
    page = (DOCS / "schema.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE))
    leaves = {row.rpartition(".")[2] for row in rows}
    for file in files("bacctl").joinpath("schema").iterdir():
        assert _fields(json.loads(file.read_text(encoding="utf-8"))) <= leaves, file.name


def _fields(entry: Any) -> set[str]:
    """Names of all properties of a schema, found without knowing its keywords."""
    if isinstance(entry, list):
        return set().union(*map(_fields, entry))
    if not isinstance(entry, dict):
        return set()
    return set(entry.get("properties", ())).union(*map(_fields, entry.values()))


def test_a_benchmark_fills_its_places_and_leaves_the_others() -> None:
    bench_page = script("bench_page")
    page = (DOCS / "performance.md").read_text(encoding="utf-8")
    names = re.findall(r"<!-- bench: ([\w-]+) -->", page)
    assert len(set(names)) == len(names)
    assert page.count("<!-- end -->") == len(names)
    assert {"about", "targets", "served", "cold", "peers"} <= set(names)
    filled = bench_page.filled(page, {"served": "| one table |", "elsewhere": "x"})
    assert filled.count("<!-- bench: served -->\n| one table |\n<!-- end -->") == 1
    assert len(re.findall(r"<!-- bench: ([\w-]+) -->", filled)) == len(names)
    assert bench_page.filled(filled, {"served": "| one table |"}) == filled
    assert {part for part, _, _ in bench_page.TARGETS} <= set(names)
