"""Requests as Triton takes them, and answers, none of them trusted."""

import json

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from bac_terms import errors
from bacctl.client.transports.wire import infer_request, read_answer


def test_request():
    request = infer_request(b"abc", {"pixel_spacing_mm": [0.1, 0.2]})
    # What any KServe server sees, from the bytes on the wire.
    sent = service_pb2.ModelInferRequest.FromString(request.SerializeToString())
    assert sent.model_name == "bac"
    assert [(t.name, t.datatype, list(t.shape)) for t in sent.inputs] == [
        ("DICOM", "UINT8", [3]),
        ("OPTIONS", "UINT8", [len(sent.raw_input_contents[1])]),
    ]
    assert sent.raw_input_contents[0] == b"abc"
    assert json.loads(sent.raw_input_contents[1]) == {"pixel_spacing_mm": [0.1, 0.2]}
    assert [t.name for t in infer_request(b"abc", None).inputs] == ["DICOM"]


def test_a_request_without_density_names_the_other_outputs():
    request = infer_request(b"abc", None, with_density=False)
    assert [t.name for t in request.outputs] == ["REPORT", "MASK"]
    assert request.parameters["density"].bool_param is False
    assert [t.name for t in infer_request(b"abc", None).outputs] == ["REPORT", "MASK", "DENSITY"]


def response(report, mask, density, names=("REPORT", "MASK", "DENSITY")):
    message = service_pb2.ModelInferResponse()
    arrays = (
        np.frombuffer(b"" if report is None else json.dumps(report).encode(), np.uint8),
        np.array(mask, np.uint8),
        np.array(density, np.float32),
    )
    for name, array in zip(names, arrays, strict=True):
        message.outputs.add(name=name, shape=array.shape)
        message.raw_output_contents.append(array.tobytes())
    return message


def test_first_pixel_is_in_the_high_bit():
    # 3 x 5 pixels, row by row: bits 1000_0001 0100_000 with one bit of filling.
    answer = read_answer(
        response({"rows": 3, "columns": 5}, [0b1000_0001, 0b0100_0000], np.arange(15).reshape(3, 5))
    )
    assert np.argwhere(answer.mask).tolist() == [[0, 0], [1, 2], [1, 4]]
    assert answer.mask.dtype == bool
    assert answer.density[1].tolist() == [5, 6, 7, 8, 9]


def test_an_answer_without_density_is_read_where_none_was_asked_for():
    sent = response({"rows": 3, "columns": 5}, [0, 0], np.arange(15).reshape(3, 5))
    assert read_answer(sent, with_density=False).density is None  # a server that sends it all the same
    del sent.outputs[2], sent.raw_output_contents[2]
    assert read_answer(sent, with_density=False).density is None
    with pytest.raises(errors.IncompatibleServerError):
        read_answer(sent)


def test_no_mass_no_density():
    assert read_answer(response({"rows": 1, "columns": 8}, [0], np.zeros((0, 0)))).density is None


@pytest.mark.parametrize(
    "message",
    [
        response(None, [0], np.zeros((0, 0))),
        response({"rows": 3, "columns": 5}, [], np.zeros((0, 0))),
        response({"rows": 3, "columns": 5}, [0], np.zeros((0, 0))),
        response({"rows": 3, "columns": 5}, [0, 0, 0], np.zeros((0, 0))),
        response({"rows": 3, "columns": 5}, [0, 0], np.zeros((2, 2))),
        response({"rows": 3}, [0, 0], np.zeros((0, 0))),
        response({"rows": None, "columns": 5}, [0, 0], np.zeros((0, 0))),
        response({"rows": -3, "columns": 5}, [], np.zeros((0, 0))),
    ],
)
def test_wrong_sizes_are_a_fault_of_the_server(message):
    with pytest.raises(errors.ServerFaultError, match="NumPy below 2"):
        read_answer(message)


def test_answer_that_was_cut_short():
    whole = response({"rows": 3, "columns": 5}, [0, 0], np.zeros((3, 5)))
    whole.raw_output_contents[2] = whole.raw_output_contents[2][:-4]
    with pytest.raises(errors.ServerFaultError):
        read_answer(whole)
    del whole.raw_output_contents[2]
    with pytest.raises(errors.ServerFaultError):
        read_answer(whole)


@pytest.mark.parametrize(
    "message",
    [
        response({"rows": 1, "columns": 8}, [0], np.zeros((0, 0)), ("LOGITS", "MASK", "DENSITY")),
        response({"rows": 1, "columns": 8, "schema": "bacctl.analysis/2"}, [0], np.zeros((0, 0))),
        response([1, 2], [0], np.zeros((0, 0))),
        service_pb2.ModelInferResponse(),
    ],
)
def test_other_model_or_other_schema(message):
    with pytest.raises(errors.IncompatibleServerError):
        read_answer(message)


@pytest.mark.parametrize(
    "report", [b'{"rows": 1e999, "columns": 5}', b'{"rows": NaN, "columns": 5}', b"[" * 100_000]
)
def test_json_that_is_none_or_holds_no_size(report):
    message = response({}, [0], np.zeros((0, 0)))
    message.raw_output_contents[0] = report
    with pytest.raises(errors.ServerFaultError):
        read_answer(message)
