"""Servers that do not all have the same weights: no result says nothing of it."""

from __future__ import annotations

import asyncio

import pytest

from bac_terms import errors
from bacctl import AsyncClient, Client
from bacctl.exam.build import build_exams
from bacctl.outputs.document import analysis_document
from bacctl.testing import FakeServer, make_report

OLD, NEW = "ab" * 32, "cd" * 32
DIFFER = "BAC-W-WEIGHTS-DIFFER"


@pytest.fixture
def fleet(serve, triton_response):
    """Start a server for each set of weights, and count what each is asked."""
    asked = []

    def start(*weights):
        def server(sha256):
            def infer(request, context):
                asked.append(sha256)
                report = make_report(
                    rows=480, columns=320, mass_basis="none", calcium_mass_mg=None, weights_sha256=sha256,
                    calcium_mass_interval_mg=None, min_probability=0.0,
                )  # fmt: skip
                return triton_response(report)

            return infer

        return [serve(server(sha256)) for sha256 in weights]

    start.asked = asked
    return start


@pytest.fixture(params=["sync", "async"])
def several(request):
    """Analyse some images one after the other with either client."""

    def with_threads(urls, images, **given):
        with Client(urls, **given) as client:
            return list(client.analyze_many([b"x"] * images, max_in_flight=1))

    def in_loop(urls, images, **given):
        async def main():
            async with AsyncClient(urls, **given) as client:
                return [result async for result in client.analyze_many([b"x"] * images, max_in_flight=1)]

        return asyncio.run(main())

    return with_threads if request.param == "sync" else in_loop


def warned(result):
    return [notice.text for notice in result.warnings if notice.code == DIFFER]


def test_equal_servers_are_no_news(fleet, several):
    results = several(fleet(OLD, OLD), 4)
    assert [result.status for result in results] == ["ok"] * 4
    assert not any(map(warned, results))


def test_a_mix_is_told_by_its_results(fleet, several):
    results = several(",".join(fleet(OLD, NEW)), 4)
    assert {result.weights_sha256 for result in results} == {OLD, NEW}
    assert [len(warned(result)) for result in results] == [0, 1, 1, 1]
    assert "weights cdcdcdcdcdcd after abababababab" in warned(results[1])[0]


def test_weights_that_are_asked_for(fleet, several):
    results = several(fleet(OLD, NEW, OLD), 6, weights=NEW[:12].upper())
    assert [(result.status, result.weights_sha256) for result in results] == [("ok", NEW)] * 6
    assert not any(map(warned, results))
    # Each of the others was found out once, and then left alone.
    assert fleet.asked.count(OLD) <= 2


def test_weights_that_no_server_has(fleet, several):
    (result,) = several(fleet(OLD, OLD), 1, weights=NEW)
    assert (result.status, result.code) == ("failed", "BAC-SERVER-OTHER-WEIGHTS")
    assert "abababababab in place of cdcdcdcdcdcd" in result.reason
    assert len(fleet.asked) == 8  # and not for a minute: each of them is the whole work


@pytest.mark.parametrize("weights", ["", "abc", "no digits", OLD + "0", 12345678])
def test_what_names_no_weights(weights):
    for client in (Client, AsyncClient):
        with pytest.raises(errors.ClientUsageError, match="BAC-CLIENT-OPTIONS"):
            client("localhost", weights=weights)


def test_new_weights_of_one_server_are_told_once():
    weights = iter([OLD, OLD, NEW, NEW])
    with FakeServer(lambda request: make_report(weights_sha256=next(weights))).client() as client:
        results = [client.analyze(b"x") for _ in range(4)]
    assert [len(warned(result)) for result in results] == [0, 0, 1, 0]


def test_a_result_that_was_kept_is_told_of_too(tmp_path):
    weights = [OLD]
    fake = FakeServer(lambda request: make_report(weights_sha256=weights[0]))
    with fake.client(cache=tmp_path / "cache") as client:
        client.analyze(b"first")
        weights[0] = NEW
        assert warned(client.analyze(b"second"))
        assert not warned(client.analyze(b"second"))


def test_document_and_exam_of_a_mix_name_no_weights():
    weights = iter([OLD, NEW, NEW])
    views = iter([("L", "CC"), ("L", "MLO"), ("R", "CC")])

    def measure(request):
        side, view = next(views)
        return make_report(laterality=side, view=view, weights_sha256=next(weights))

    with FakeServer(measure).client() as client:
        images = [client.analyze(bytes([number])) for number in range(3)]
    (exam,) = build_exams(images)
    assert exam.software["model"] is None
    assert DIFFER in [alarm.code for alarm in exam.alarms]
    told = {"model": OLD, "triton": "2.51.0", "probability_map": None}
    software = [
        analysis_document(some, [], skipped=0, server=told)["software"]["model"]
        for some in (images, images[:1], images[1:], [])
    ]
    assert software == [None, OLD, NEW, OLD]
