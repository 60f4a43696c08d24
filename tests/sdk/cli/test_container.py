"""Where a container's caller says that input lies and output goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bacctl.cli.commands.container import folders_of
from bacctl.cli.guard import UsageError

PAIRS = [
    ("MONAI_INPUTPATH", "MONAI_OUTPUTPATH"),
    ("HOLOSCAN_INPUT_PATH", "HOLOSCAN_OUTPUT_PATH"),
    ("MERCURE_IN_DIR", "MERCURE_OUT_DIR"),
]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_each_contract(source: str, target: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert folders_of({source: str(tmp_path), target: str(out)}) == (tmp_path, out)


def test_mercure_sets_all_three(tmp_path: Path) -> None:
    out = tmp_path / "out"
    environment = {
        name: str(place) for pair in PAIRS for name, place in zip(pair, (tmp_path, out), strict=True)
    }
    assert folders_of(environment) == (tmp_path, out)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "MERCURE_IN_DIR and MERCURE_OUT_DIR"),
        ({"MONAI_INPUTPATH": "{0}"}, "MONAI_OUTPUTPATH is not; set both"),
        ({"MERCURE_OUT_DIR": "{0}"}, "MERCURE_IN_DIR is not; set both"),
        ({"MONAI_INPUTPATH": "{0}/no", "MONAI_OUTPUTPATH": "{0}/out"}, "mount the input there"),
        ({"MONAI_INPUTPATH": "{0}", "MONAI_OUTPUTPATH": "{0}/."}, "a folder of its own"),
        (
            {
                "MONAI_INPUTPATH": "{0}",
                "MONAI_OUTPUTPATH": "{0}/a",
                "MERCURE_IN_DIR": "{0}",
                "MERCURE_OUT_DIR": "{0}/b",
            },
            "say different things",
        ),
    ],
)
def test_what_cannot_work_is_told(environment: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        folders_of({name: value.format(tmp_path) for name, value in environment.items()})
