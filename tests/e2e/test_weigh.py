"""A reader's outline through the real server, by both clients and by the command."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from bacctl import AsyncClient, Client, RefusedError


def tube() -> npt.NDArray[np.bool_]:
    """Return where `raw_mammogram` has its calcium."""
    row, column = np.mgrid[:700, :480]
    return (np.abs(row - (350 + 60 * np.sin(column / 60.0))) < 5) & (column > 60) & (column < 260)


def test_what_was_drawn_is_weighed_by_both_clients_and_the_command(
    client: Client, raw_mammogram: bytes, tmp_path: Path
) -> None:
    found = client.analyze(raw_mammogram)
    assert found.outline_source == "network"
    given = client.weigh(raw_mammogram, tube())
    assert given.outline_source == "given"
    assert given.mask is not None
    np.testing.assert_array_equal(given.mask, tube())
    assert given.magnification is not None
    area = tube().sum() * (0.15 / given.magnification) ** 2
    assert given.area_mm2 == pytest.approx(area, rel=1e-3)
    # 0.02 g/cm2 all over it; the image has 14 cm2/g, which is not quite this beam's coefficient.
    assert given.calcium_mass_mg == pytest.approx(0.2 * area, rel=0.35)
    low, high = given.calcium_mass_interval_mg or (0.0, 0.0)
    assert 0 < low < (given.calcium_mass_mg or 0.0) < high
    assert given.bac_probability == found.bac_probability
    assert {vessel.probability for vessel in given.vessels} == {None}
    half = client.weigh(raw_mammogram, tube() & (np.arange(480) < 160)).calcium_mass_mg
    assert half == pytest.approx(0.5 * (given.calcium_mass_mg or 0.0), rel=0.15)

    async def again() -> float | None:
        async with AsyncClient(client.url) as other:
            return (await other.weigh(raw_mammogram, tube())).calcium_mass_mg

    assert asyncio.run(again()) == given.calcium_mass_mg

    image, mask = tmp_path / "image.dcm", tmp_path / "mask.png"
    image.write_bytes(raw_mammogram)
    Image.fromarray(tube().astype(np.uint8) * 255).save(mask)
    command = [sys.executable, "-m", "bacctl", "weigh", image, "--mask", mask, "--url", client.url, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    [told] = json.loads(done.stdout)["images"]
    assert (told["outline_source"], told["calcium_mass_mg"]) == ("given", given.calcium_mass_mg)


def test_outlines_that_are_refused(client: Client, raw_mammogram: bytes) -> None:
    off = np.zeros((700, 480), bool)
    off[:30, 400:] = True
    for mask, code in (
        (off, "BAC-MASK-OFF-BREAST"),
        (np.ones((480, 700), bool), "BAC-MASK-SIZE"),
        (np.zeros((700, 480), bool), "BAC-MASK-EMPTY"),
        (b"no picture", "BAC-MASK-UNREADABLE"),
    ):
        with pytest.raises(RefusedError) as refused:
            client.weigh(raw_mammogram, mask)
        assert refused.value.code == code
    stream = io.BytesIO()
    Image.fromarray(off).save(stream, format="PNG")
    with pytest.raises(RefusedError) as refused:
        client.weigh(raw_mammogram, stream.getvalue())
    assert refused.value.code == "BAC-MASK-OFF-BREAST"
