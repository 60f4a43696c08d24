"""The fake server that users test their own programs with."""

import asyncio
import doctest
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import bacctl.testing
from bacctl import ImageResult, RefusedError, ServerOverloadedError, ServerUnavailableError
from bacctl.results.schemas import analysis_schema
from bacctl.testing import FakeServer, make_report, refusal

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_public_names():
    assert set(bacctl.testing.__all__) == {"FakeServer", "Measure", "Request", "make_report", "refusal"}


def test_examples_run():
    assert doctest.testmod(bacctl.testing).failed == 0
    page = (DOCS / "sdk.md").read_text(encoding="utf-8")
    (example,) = (
        code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "FakeServer" in code
    )
    exec(compile(example, "sdk.md", "exec"), {})


def test_report_follows_the_schema():
    schema = {**analysis_schema(), "$ref": "#/$defs/image"}
    image = ImageResult.from_report(make_report(calcium_mass_mg=3.0, laterality="R")).to_dict()
    jsonschema.validate(image, {"$defs": schema["$defs"], "$ref": "#/$defs/image"})


def test_what_was_sent_is_kept():
    fake = FakeServer()
    with fake.client() as client:
        client.server_info()
        client.analyze(b"x", 0.1)
    (request,) = fake.requests  # the test image is not among them
    assert (request.data, request.options) == (b"x", {"pixel_spacing_mm": [0.1, 0.1]})


def test_mask_and_density():
    mask = np.eye(4, 3, dtype=bool)
    fake = FakeServer(lambda request: make_report(mask=mask, density=mask * 2.0))
    with fake.client() as client:
        result = client.analyze(b"x")
    assert np.array_equal(result.mask, mask)
    assert result.density.dtype == np.float32
    with FakeServer().client() as client:
        result = client.analyze(b"x")
    assert result.mask.shape == (4, 3)
    assert not result.mask.any()
    assert result.density is None


def test_faults_and_refusals_reach_both_clients():
    def measure(request):
        raise refusal("BAC-VIEW-SPOT")

    fake = FakeServer(measure)

    async def main():
        async with fake.async_client(max_retries=0) as client:
            with pytest.raises(RefusedError):
                await client.analyze(b"x")
            fake.fail_next("BAC-SERVER-OVERLOADED")
            with pytest.raises(ServerOverloadedError):
                await client.analyze(b"x")

    asyncio.run(main())
    with fake.client(max_retries=0) as client, pytest.raises(RefusedError):
        client.analyze(b"x")


def test_a_fault_reaches_whoever_asks_for_the_server():
    fake = FakeServer()
    with fake.client(max_retries=0) as client:
        fake.fail_next("BAC-SERVER-UNAVAILABLE", times=2)
        assert not client.ready()
        with pytest.raises(ServerUnavailableError):
            client.server_info()
        assert client.ready()
    assert not fake.requests
