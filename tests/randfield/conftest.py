"""A unit of coarse pixels: it shows what the tests look at, at a third of the cost."""

import dataclasses
from collections.abc import Iterator

import pytest

from bac_randfield.image.detector import SYSTEMS


@pytest.fixture(scope="module")
def coarse() -> Iterator[str]:
    """The scintillator with half as many pixels either way, 0.2 mm each."""
    fine = SYSTEMS["csi-100"]
    coarse = dataclasses.replace(fine, name="csi-200", pitch_mm=0.2, matrices=((1147, 957), (1531, 1197)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SYSTEMS, coarse.name, coarse)
        yield coarse.name
