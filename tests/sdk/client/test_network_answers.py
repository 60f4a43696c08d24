"""Servers that answer, but not with the result of this image, over real gRPC."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from bac_terms import errors
from bacctl import AsyncClient, Client
from bacctl.testing import make_report


def test_another_grpc_service(analyze, serve):
    with pytest.raises(errors.IncompatibleServerError, match="does not serve the model bac"):
        analyze(serve(service="helloworld.Greeter"))


def test_triton_without_our_model(analyze, serve):
    def infer(request, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'bac' is not found")

    with pytest.raises(errors.IncompatibleServerError):
        analyze(serve(infer))


def test_another_schema(analyze, serve, triton_response):
    def infer(request, context):
        return triton_response({"rows": 4, "columns": 2, "status": "ok", "schema": "bacctl.analysis/9"})

    with pytest.raises(errors.IncompatibleServerError, match=r"bacctl\.analysis/1"):
        analyze(serve(infer))


@pytest.mark.parametrize("value", [{"status": "perhaps"}, {"area_mm2": -1.0}, {"vessels": [{}]}])
def test_report_that_follows_no_schema(analyze, serve, triton_response, value):
    report = {"rows": 4, "columns": 2, "status": "ok", **value}
    with pytest.raises(errors.IncompatibleServerError, match="report"):
        analyze(serve(lambda request, context: triton_response(report)))


def test_answer_that_is_no_message(analyze, serve):
    with pytest.raises(errors.IncompatibleServerError):
        analyze(serve(serialise=lambda message: b"\xff\xff\xff"))


def test_answer_that_is_cut_short(analyze, serve):
    # The bytes of a message that ends too early are no message.
    with pytest.raises(errors.IncompatibleServerError):
        analyze(serve(serialise=lambda message: message.SerializeToString()[:-100]))


def answering(kind, triton_response):
    """Give a server that answers with what belongs to another request, in one of several ways."""

    def infer(request, context):
        if kind == "refusal":
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, "BAC-VIEW-SPOT: a spot view; send another [request other]"
            )
        binding = {"tag": "other", "sha256": "0" * 64, "crc32": {}}
        return triton_response(make_report(rows=8, columns=8, weights_sha256="ab" * 32, binding=binding))

    return infer


@pytest.mark.parametrize("kind", ["report", "refusal"])
def test_answer_to_another_request_is_refused(analyze, serve, triton_response, kind):
    with pytest.raises(errors.ServerFaultError) as caught:
        analyze(serve(answering(kind, triton_response)))
    assert caught.value.code == "BAC-SERVER-MIXED-UP"


def test_report_that_does_not_say_whose_it_is(analyze, serve):
    with pytest.raises(errors.IncompatibleServerError, match="does not say which request"):
        analyze(serve(bound=False))


@pytest.mark.parametrize("kind", ["report", "refusal"])
def test_another_server_is_asked_after_a_mix_up(serve, triton_response, kind):
    urls = [serve(answering(kind, triton_response)), serve()]

    async def in_loop():
        async with AsyncClient(urls, max_retries=1) as client:
            return [await client.analyze(b"x") for _ in range(3)]

    with Client(urls, max_retries=1) as client:
        both = [client.analyze(b"x") for _ in range(3)], asyncio.run(in_loop())
    for results in both:
        # The first went to the wrong one; it is left alone from then on.
        codes = [[notice.code for notice in result.warnings] for result in results]
        assert codes == [["BAC-W-MEASURED-AGAIN"], [], []]
