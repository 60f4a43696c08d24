"""What belongs to one request, and what is taken for it by mistake."""

import dataclasses
import hashlib
import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from bac_imaging.grid.checksum import segment_checksum
from bac_terms import errors
from bac_terms.errors import FailedError, RefusedError
from bacctl._claim import Claim, is_mix_up
from bacctl._error_text import from_text, to_text
from bacctl.service.binding import Envelope, Trust, bind, sealed, take_claim, unbound
from bacctl.service.steps import to_json

MIXED_UP = "BAC-SERVER-MIXED-UP"
PATH = Path(__file__).parents[2] / "wire" / "context.json"
WRITTEN = Envelope.from_dict(json.loads(PATH.read_bytes()))
NONE = np.zeros(0, np.uint8)


def one_image(seed, options=b'{"tag": "a"}'):
    """Give the third step's inputs as one image brings them there."""
    rng = np.random.default_rng(seed)
    data = rng.bytes(1000)
    tiles = rng.normal(size=(3, 1, 512, 512)).astype(np.float32)
    signal = rng.normal(size=(70, 90)).astype(np.float32)
    probability = rng.random(tiles.shape, np.float32)
    sent = np.frombuffer(options, np.uint8) if options else NONE
    claim, _ = take_claim(json.loads(options) if options else None)
    context = dataclasses.replace(WRITTEN.context, study_instance_uid=f"1.{seed}")
    envelope = Envelope(context, bind(data, sent, claim, tiles, signal), (7, 0), 1000, 2000)
    inputs = {
        "PROBABILITY": probability,
        "CHECKSUM": segment_checksum(tiles, probability),
        "SIGNAL": signal,
        "CONTEXT": to_json(envelope.to_dict()),
        "DICOM": np.frombuffer(data, np.uint8),
    }
    return inputs if not options else {**inputs, "OPTIONS": sent}


@pytest.fixture(scope="module")
def first():
    return one_image(1)


@pytest.fixture(scope="module")
def second():
    return one_image(2, b'{"tag": "b"}')


def test_what_belongs_together(first):
    envelope = unbound(first)
    assert envelope.context.study_instance_uid == "1.1"
    assert envelope.binding.tag == "a"
    assert (envelope.started_ns, envelope.prepared_ns) == (1000, 2000)
    digest = hashlib.sha256(first["DICOM"].tobytes()).hexdigest()
    outputs = {"MASK": np.arange(9, dtype=np.uint8), "DENSITY": np.zeros((0, 0), np.float32)}
    assert sealed(envelope.binding, outputs) == {
        "tag": "a",
        "sha256": digest,
        "crc32": {"MASK": zlib.crc32(bytes(range(9))), "DENSITY": 0},
    }


def test_nobody_has_to_send_a_tag():
    envelope = unbound(one_image(1, b""))
    assert sealed(envelope.binding, {})["tag"] is None
    # Options that were sent empty are none.
    assert unbound({**one_image(1, b""), "OPTIONS": NONE})


@pytest.mark.parametrize("name", ["PROBABILITY", "CHECKSUM", "SIGNAL", "CONTEXT", "DICOM", "OPTIONS"])
def test_any_tensor_of_another_image(first, second, name):
    with pytest.raises(FailedError, match=MIXED_UP):
        unbound({**first, name: second[name]})


def test_all_but_the_request_of_another_image(first, second):
    with pytest.raises(FailedError, match=MIXED_UP):
        unbound({**second, "DICOM": first["DICOM"], "OPTIONS": first["OPTIONS"]})


def test_options_that_got_lost_or_came_from_somewhere(first):
    without = {name: array for name, array in first.items() if name != "OPTIONS"}
    with pytest.raises(FailedError, match=MIXED_UP):
        unbound(without)
    with pytest.raises(FailedError, match=MIXED_UP):
        unbound({**one_image(1, b""), "OPTIONS": first["OPTIONS"]})


@pytest.mark.parametrize("kept", [slice(0, 2), slice(0, 0), [0, 1, 2, 2], [1, 0, 2]])
def test_other_tiles(first, kept):
    inputs = {**first, "PROBABILITY": first["PROBABILITY"][kept], "CHECKSUM": first["CHECKSUM"][kept]}
    with pytest.raises(FailedError, match=MIXED_UP):
        unbound(inputs)


@pytest.mark.parametrize("name", ["PROBABILITY", "SIGNAL"])
def test_one_pixel_of_memory_that_was_used_anew(first, name):
    damaged = first[name].copy()
    damaged[..., -1, -1] += 0.5
    with pytest.raises(FailedError, match=MIXED_UP):
        unbound({**first, name: damaged})


def test_an_engine_may_round_a_probability_in_the_last_place(first):
    above = np.nextafter(first["PROBABILITY"], np.float32(1))
    assert unbound({**first, "PROBABILITY": above})


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"binding": 3}', b'{"binding": {}}', b"\xff"])
def test_context_that_is_none(first, text):
    with pytest.raises(FailedError, match=MIXED_UP):
        unbound({**first, "CONTEXT": np.frombuffer(text, np.uint8) if text else NONE})


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("context", "rows", "900"),
        ("context", "breast", ""),
        ("context", "beam", {"anode": 3}),
        ("binding", "tag", 3),
        ("binding", "request_crc32", [1]),
        ("binding", "sha256", "0"),
        (None, "started_ns", None),
        (None, "context", {}),
    ],
)
def test_context_with_a_damaged_part(first, part, name, value):
    envelope = json.loads(first["CONTEXT"].tobytes())
    (envelope if part is None else envelope[part])[name] = value
    with pytest.raises(FailedError, match="lost what belongs to an image"):
        unbound({**first, "CONTEXT": to_json(envelope)})


def test_what_the_first_step_wrote_before_is_read_and_written_as_it_was():
    """A server that is being replaced may have steps of both releases."""
    written = json.loads(PATH.read_bytes())
    again = json.loads(to_json(WRITTEN.to_dict()).tobytes())
    assert [list(each) for each in (again, again["binding"])] == [list(written), list(written["binding"])]
    assert {**again, "context": None} == {**written, "context": None}
    assert WRITTEN.binding.request_crc32 == (432844262, 763923470)
    assert WRITTEN.binding.signal_crc32 == 1439514455
    assert len(WRITTEN.binding.tile_sums) == len(WRITTEN.context.origins) == 4


def test_trust_is_lost_for_good(first, second, tmp_path):
    trust = Trust()
    assert trust.check(first)
    with pytest.raises(FailedError):
        trust.check({**first, "SIGNAL": second["SIGNAL"]})
    with pytest.raises(FailedError, match="not started again"):
        trust.check(first)


def test_instances_share_what_one_has_seen(first, second, tmp_path, monkeypatch):
    mark = tmp_path / "mixed-up"
    monkeypatch.setenv("BACCTL_MIX_UP_FILE", str(mark))
    one, other = Trust(), Trust()
    with pytest.raises(FailedError):
        one.check({**first, "SIGNAL": second["SIGNAL"]})
    assert mark.exists()
    with pytest.raises(FailedError, match="not started again"):
        other.check(first)


def test_a_mark_that_cannot_be_left_changes_nothing(first, second, tmp_path):
    trust = Trust(tmp_path / "away" / "mixed-up")
    for _ in range(2):
        with pytest.raises(FailedError, match=MIXED_UP):
            trust.check({**first, "SIGNAL": second["SIGNAL"]})


def test_claim_is_split_off():
    digest = "ab" * 32
    options = {"pixel_spacing_mm": [1, 2], "tag": "x-1_Y", "sha256": digest}
    assert take_claim(options) == (Claim("x-1_Y", digest), {"pixel_spacing_mm": [1, 2]})
    assert take_claim({}) == (Claim(), {})
    assert take_claim(None) == (Claim(), None)


@pytest.mark.parametrize(
    "options",
    [
        *({"tag": tag} for tag in ("", 1, "a\n", "ä", [], "a" * 65)),
        *({"sha256": digest} for digest in ("0", 64 * "g", 64 * "A", 7)),
    ],
)
def test_claims_that_are_none(options):
    with pytest.raises(RefusedError, match="BAC-OPTIONS-INVALID"):
        take_claim(options)


def test_file_that_is_not_the_one_claimed(first):
    with pytest.raises(FailedError, match=MIXED_UP):
        bind(b"x", NONE, Claim("a", hashlib.sha256(b"y").hexdigest()), first["PROBABILITY"], first["SIGNAL"])


def report_on(claim, **other):
    binding = {"tag": claim.tag, "sha256": claim.sha256, "crc32": {"MASK": zlib.crc32(b"m"), "DENSITY": 0}}
    return {"weights_sha256": "ab", "binding": {**binding, **other}}


def test_caller_knows_its_answer_again():
    claim = Claim.of(b"data")
    assert claim.sha256 == hashlib.sha256(b"data").hexdigest()
    assert claim.tag != Claim.of(b"data").tag
    raw = {"REPORT": b"r", "MASK": b"m", "DENSITY": b""}
    claim.check(report_on(claim), raw)
    for other in ({"tag": Claim.of(b"data").tag}, {"tag": None}, {"sha256": "0" * 64}, {"crc32": {}}):
        with pytest.raises(errors.ServerFaultError, match=MIXED_UP):
            claim.check(report_on(claim, **other), raw)
    for name in ("MASK", "DENSITY"):
        with pytest.raises(errors.ServerFaultError, match="mask or density"):
            claim.check(report_on(claim), {**raw, name: b"other"})


def test_server_that_does_not_say_whose_answer_it_gives():
    claim = Claim.of(b"data")
    with pytest.raises(errors.IncompatibleServerError, match="does not say which request"):
        claim.check({"weights_sha256": "ab"}, {})
    # A report that names no weights is none of any release.
    with pytest.raises(errors.ServerFaultError, match=MIXED_UP):
        claim.check({"rows": 1}, {})
    with pytest.raises(errors.ServerFaultError, match=MIXED_UP):
        claim.check({"weights_sha256": "ab", "binding": [1]}, {})


def test_marks_of_refusals():
    error = errors.RefusedError("BAC-VIEW-SPOT", "a", "b")
    assert to_text(error, None) == "BAC-VIEW-SPOT: a; b"
    assert to_text(error, "t-1") == "BAC-VIEW-SPOT: a; b [request t-1]"
    assert from_text("a; b [request t-1]") == (None, "t-1")
    assert from_text("a; b") == (None, None)


def test_what_a_mix_up_is():
    assert is_mix_up(errors.from_catalogue(MIXED_UP))
    assert not is_mix_up(errors.from_catalogue("BAC-SERVER-FAULT"))
    assert not is_mix_up(ValueError(MIXED_UP))
