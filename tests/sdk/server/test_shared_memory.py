"""How large an image the /dev/shm that there is has room for."""

from __future__ import annotations

import re
from collections import namedtuple
from pathlib import Path

import pytest

from bacctl import doctor
from bacctl.server.shared_memory import MIB, largest_image, needed_bytes

LIMITS = Path(__file__).parents[3] / "docs" / "limits.md"


@pytest.mark.parametrize(
    ("pixels", "file_mb", "left_mb"),
    # What images left in /dev/shm of Triton 2.51, all three regions together: 2294 x 1914 to 5760 x 4800
    # pixels, breasts smaller than the field.
    [(4.4e6, 8.4, 195), (13.6e6, 26, 323), (27.6e6, 53, 451)],
)
def test_no_less_than_was_measured(pixels: float, file_mb: float, left_mb: int) -> None:
    needed = needed_bytes(int(pixels), int(file_mb * MIB))
    assert left_mb * MIB <= needed <= (left_mb + 4 * 64) * MIB


def test_the_largest_image_fits_and_the_next_does_not() -> None:
    for free in (512, 520, 600, 700, 1024):
        pixels = largest_image(free * MIB)
        assert needed_bytes(pixels) <= free * MIB
        assert pixels == 64_000_000 or needed_bytes(pixels + 1_000_000) > free * MIB
    assert largest_image(100 * MIB) == 0


def test_a_large_file_takes_its_own_size_on_top() -> None:
    """As 410 MB of one, for which neither 520 nor 600 MB were enough."""
    assert needed_bytes(4_400_000, 410 * MIB) > 600 * MIB


@pytest.mark.parametrize("free", [512, 520, 1024])
def test_doctor_says_what_fits(free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage(0, 0, free * MIB))
    check = doctor.check_shared_memory()
    assert check.passed
    found = re.search(r"(\d+) MB free .* up to (\d+) million pixels", check.finding)
    assert found is not None
    assert (int(found[1]), int(found[2]) * 10**6) == (free, largest_image(free * MIB))


def test_the_limits_say_the_same() -> None:
    rows = re.findall(r"^\| (\d+) MB \| (\d+) million \|", LIMITS.read_text(), re.MULTILINE)
    assert len(rows) >= 3
    for free, millions in rows:
        assert largest_image(int(free) * MIB) == int(millions) * 10**6
