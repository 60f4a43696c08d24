"""Which Pythons the package installs on: the SDK on all, the server where its wheel has a stub."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SERVER_ONLY = {"nvidia-pytriton", "onnxruntime", "openvino"}


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13", "3.14"])
def test_the_sdk_on_every_python(version: str) -> None:
    assert SpecifierSet(PROJECT["requires-python"]).contains(f"{version}.0")
    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]


@pytest.mark.parametrize(
    ("version", "serves"), [("3.10", True), ("3.12", True), ("3.13", False), ("3.14", False)]
)
def test_the_server_where_it_runs(version: str, serves: bool) -> None:
    """NumPy 1 has no wheel for Python 3.13: asking for it there would build it, for an hour, and in vain."""
    asked = [Requirement(text) for text in PROJECT["optional-dependencies"]["server"]]
    met = [one for one in asked if one.marker is None or one.marker.evaluate({"python_version": version})]
    assert ({one.name for one in met} >= SERVER_ONLY) is serves
    assert any(one.name == "numpy" and "2.0" not in one.specifier for one in met) is serves
