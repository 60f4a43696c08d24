"""What the models share, with a stand-in for the module that only Triton's stub has."""

import json
from hashlib import sha256
from types import SimpleNamespace

import numpy as np
import pytest

from bac_imaging.mask_bits import pack_mask
from bac_imaging.vessels.demands import PostProcessing
from bac_terms.errors import FailedError, RefusedError
from bacctl._claim import MARK
from bacctl.service.steps import ModelCard, answer_each, from_json, read_model_card, to_json


class FakeTensor:
    def __init__(self, name, array):
        self._name, self._array = name, np.asarray(array)

    def name(self):
        return self._name

    def as_numpy(self):
        return self._array


class FakeError(Exception):
    INVALID_ARG, INTERNAL = "INVALID_ARG", "INTERNAL"


@pytest.fixture
def logged():
    return []


@pytest.fixture
def triton(logged):
    return SimpleNamespace(
        Tensor=FakeTensor,
        TritonError=FakeError,
        InferenceResponse=lambda output_tensors=(), error=None: SimpleNamespace(
            outputs={tensor.name(): tensor.as_numpy() for tensor in output_tensors}, error=error
        ),
        Logger=SimpleNamespace(log_error=logged.append),
    )


def request(**inputs):
    return SimpleNamespace(inputs=lambda: [FakeTensor(name, array) for name, array in inputs.items()])


def test_each_request_gets_its_own_answer(triton, logged):
    def answer(inputs):
        number = int(inputs["N"][0])
        if number == 1:
            raise RefusedError("BAC-VIEW-SPOT")
        if number == 2:
            raise FailedError("BAC-CODEC-MISSING")
        if number == 3:
            raise KeyError("Doe^Jane")
        return {"TWICE": np.array([2 * number])}

    counted = []
    ok, refused, failed, broken = answer_each(
        triton,
        [request(N=[n]) for n in (4, 1, 2, 3)],
        answer,
        lambda inputs, error: counted.append((int(inputs["N"][0]), error.code)),
    )
    assert counted == [(1, "BAC-VIEW-SPOT"), (2, "BAC-CODEC-MISSING"), (3, "BAC-INTERNAL")]
    assert ok.error is None
    assert ok.outputs["TWICE"].tolist() == [8]
    assert refused.error.args[0].startswith("BAC-VIEW-SPOT: ")
    assert refused.error.args[1] == "INVALID_ARG"
    assert failed.error.args[0].startswith("BAC-CODEC-MISSING: ")
    assert failed.error.args[1] == "INVALID_ARG"
    assert broken.error.args[0].startswith("BAC-INTERNAL: ")
    assert broken.error.args[1] == "INTERNAL"
    assert "KeyError" in broken.error.args[0]
    # A header's content never reaches a log or an answer.
    assert "test_serving.py" in logged[0]
    assert "Doe" not in logged[0] + broken.error.args[0]


def test_a_request_without_what_its_step_needs_is_a_mix_up(triton, tmp_path, monkeypatch):
    """Seen on Triton 2.51, which checks requests, after a step had stood still for three seconds."""
    mark = tmp_path / "mixed-up"
    monkeypatch.setenv(MARK, str(mark))

    def answer(inputs):
        assert inputs.get("TICKET") is None  # what may be absent is asked for so
        return {"TWICE": inputs["TILES"]}

    counted = []
    right, wrong = answer_each(
        triton,
        [request(TILES=[1]), request(REPORT=[1])],
        answer,
        lambda inputs, error: counted.append(error.code),
    )
    assert right.error is None
    assert wrong.error.args[0].startswith("BAC-SERVER-MIXED-UP: ")
    assert wrong.error.args[1] == "INVALID_ARG"
    assert counted == ["BAC-SERVER-MIXED-UP"]
    assert mark.exists()  # so that the server is started again


def test_json_round_trip():
    assert from_json(to_json({"a": [1, 2.5, None]})) == {"a": [1, 2.5, None]}
    assert from_json(None) is None
    assert from_json(np.zeros(0, np.uint8)) is None


def test_json_without_nan():
    with pytest.raises(ValueError, match="JSON"):
        to_json({"mass": float("nan")})


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe", b"[0.1, 0.1]", b"3", b'"a"', b"null"])
def test_what_is_no_json_object(text):
    with pytest.raises(RefusedError, match="BAC-OPTIONS-INVALID"):
        from_json(np.frombuffer(text, np.uint8))


def test_mask_is_packed_row_by_row_from_the_high_bit():
    mask = np.zeros((3, 5), bool)
    mask[0, 0] = mask[1, 2] = mask[1, 4] = True
    assert pack_mask(mask).tolist() == [0b1000_0001, 0b0100_0000]


def test_card_must_describe_the_weights_beside_it(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"weights")
    digest = sha256(b"weights").hexdigest()
    (tmp_path / "model_card.json").write_text(json.dumps({"sha256": digest, "threshold": 0.4}))
    assert read_model_card(tmp_path) == ModelCard(digest, 0.4)
    chosen = {"sha256": digest, "threshold": 0.4, "post_processing": {"min_length_mm": 8.0}}
    (tmp_path / "model_card.json").write_text(json.dumps(chosen))
    card = read_model_card(tmp_path)
    assert card == ModelCard(digest, 0.4, {"min_length_mm": 8.0})
    assert card.parameters() == PostProcessing(0.4, 0.4, 0.6, min_length_mm=8.0)
    (tmp_path / "model.onnx").write_bytes(b"other weights")
    with pytest.raises(ValueError, match="export the model again"):
        read_model_card(tmp_path)


def test_the_card_holds_the_map_from_scores_to_probabilities(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"weights")
    flat = {"weights": {"peak": 0.0}, "ranges": {"peak": [0.0, 1.0]}}
    card = {"sha256": sha256(b"weights").hexdigest(), "threshold": 0.4}
    (tmp_path / "model_card.json").write_text(json.dumps(card))
    assert read_model_card(tmp_path).fitted() is None
    names = {
        "vessel": ("mean", "length", "area", "deep"),
        "found": ("strongest", "others"),
        "nothing": ("peak",),
    }
    fitted = {
        curve: {
            "intercept": -1.0,
            "weights": dict.fromkeys(own, 0.5),
            "ranges": {name: [0.0, 1.0] for name in own},
        }
        for curve, own in names.items()
    }
    card["probability_map"] = {"schema": "bacctl.probability_map/1", "prevalence": 0.1, **fitted}
    (tmp_path / "model_card.json").write_text(json.dumps(card))
    assert read_model_card(tmp_path).fitted().prevalence == 0.1
    for wrong in ({"vessel": {**flat, "intercept": 0.0}}, {"prevalence": 2.0}, {"schema": "bacctl.other/1"}):
        card["probability_map"] = {"schema": "bacctl.probability_map/1", "prevalence": 0.1, **fitted, **wrong}
        (tmp_path / "model_card.json").write_text(json.dumps(card))
        with pytest.raises(ValueError, match=r"model_card\.json: .*; fit it again") as caught:
            read_model_card(tmp_path).fitted()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"min_lenght_mm": 8.0}, "names min_lenght_mm"),
        ({"outline": 0.3}, "names outline"),
        ({"seed": "0.7"}, "not made of numbers"),
        ({"seed": float("nan")}, "not made of numbers"),
        ([0.7], "not made of numbers"),
        (None, "not made of numbers"),
    ],
)
def test_a_card_with_wrong_post_processing_is_refused_in_one_line(tmp_path, chosen, message):
    (tmp_path / "model.onnx").write_bytes(b"weights")
    card = {"sha256": sha256(b"weights").hexdigest(), "threshold": 0.4, "post_processing": chosen}
    (tmp_path / "model_card.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match=message) as caught:
        read_model_card(tmp_path).parameters()
    assert "export the model again" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "end"),
    [
        (b'{"tag": "mine"}', " [request mine]"),
        (b'{"tag": "no tag"}', "view"),
        (b"{", "view"),
        (b"", "view"),
    ],
)
def test_refusal_names_the_request_where_it_has_a_tag(triton, options, end):
    def answer(inputs):
        raise RefusedError("BAC-VIEW-SPOT")

    (refused,) = answer_each(
        triton, [request(OPTIONS=np.frombuffer(options, np.uint8))], answer, lambda *_: None
    )
    assert refused.error.args[0].endswith(end)
