"""The client without a server: order, isolation of bad files, back-pressure, exams."""

import json
import threading

import numpy as np
import pytest

from bac_terms.errors import from_catalogue
from bacctl import Client, RefusedError, ServerFaultError
from bacctl.client.core import Core
from bacctl.client.transports.transport import Answer
from bacctl.sources import Sources

REPORT = {
    "rows": 4,
    "columns": 2,
    "status": "ok",
    "bac_detected": True,
    "bac_probability": 0.9,
    "calcium_mass_mg": 2.0,
    "calcium_mass_interval_mg": [1.0, 3.0],
    "mass_basis": "calibrated",
    "weights_sha256": "ab" * 32,
}


class FakeTransport:
    """Answers by the content: ``b"L CC study"`` is measured, ``b"refuse"`` refused, ``b"break"`` breaks."""

    url = "fake:1"

    def __init__(self):
        self.options = []
        self.running = 0
        self.most = 0
        self._lock = threading.Lock()

    def infer(self, data, options, timeout=300.0):
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            threading.Event().wait(0.02 if data.startswith(b"L") else 0.0)
            self.options.append(options)
            if data == b"refuse":
                raise from_catalogue("BAC-VIEW-SPOT")
            if data == b"break":
                raise ZeroDivisionError
            side, view, study = data.decode().split()
            report = {**REPORT, "laterality": side, "view": view, "study_instance_uid": study}
            return Answer(report, np.zeros((4, 2), bool), None)
        finally:
            with self._lock:
                self.running -= 1

    def metadata(self, timeout=300.0):
        return "fake", "2.51.0"

    def close(self):
        self.running = -1


@pytest.fixture
def client():
    return Client._over(FakeTransport(), Core(300.0, 0.0, 0, None))


def test_analyze_returns_the_measured_image(client, tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(b"L CC 1")
    result = client.analyze(path, pixel_spacing_mm=(0.1, 0.2))
    assert (result.path, result.laterality, result.calcium_mass_mg) == (path, "L", 2.0)
    assert result.mask.shape == (4, 2)
    assert client._transport.options == [{"pixel_spacing_mm": [0.1, 0.2]}]


@pytest.mark.parametrize(
    ("spacing", "sent"),
    [(0.1, [0.1, 0.1]), ([1, 2], [1.0, 2.0]), (np.array([0.25, 0.5], np.float32), [0.25, 0.5])],
)
def test_spacing_is_a_number_or_a_pair(client, spacing, sent):
    client.analyze(b"L CC 1", pixel_spacing_mm=spacing)
    assert client._transport.options == [{"pixel_spacing_mm": sent}]
    assert json.loads(json.dumps(client._transport.options[0])) == {"pixel_spacing_mm": sent}


@pytest.mark.parametrize("spacing", [(0.1,), (0.1, 0.1, 0.1), "0.1", "12", True, (None, None), {}])
def test_spacing_that_is_none(client, spacing):
    with pytest.raises(RefusedError, match="BAC-OPTIONS-INVALID"):
        client.analyze(b"L CC 1", pixel_spacing_mm=spacing)


def test_analyze_raises(client):
    with pytest.raises(RefusedError, match="BAC-VIEW-SPOT"):
        client.analyze(b"refuse")


def test_many_come_in_order_and_a_bad_one_stops_nobody(client, tmp_path):
    sources = [b"L CC 1", b"R CC 1", b"refuse", tmp_path / "none", b"break", b"", b"L MLO 1"]
    results = list(client.analyze_many(sources, max_in_flight=3, ordered=True))
    assert [(r.laterality, r.view, r.code) for r in results] == [
        ("L", "CC", None),
        ("R", "CC", None),
        (None, None, "BAC-VIEW-SPOT"),
        (None, None, "BAC-FILE-UNREADABLE"),
        (None, None, "BAC-INTERNAL"),
        (None, None, "BAC-FILE-EMPTY"),
        ("L", "MLO", None),
    ]
    assert results[3].path == tmp_path / "none"


def test_never_more_in_flight_than_allowed(client):
    assert len(list(client.analyze_many([b"L CC 1"] * 12, max_in_flight=2))) == 12
    assert client._transport.most == 2


def test_sources_are_taken_only_as_fast_as_results_are(client):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield b"R CC 1"

    results = client.analyze_many(endless(), max_in_flight=2)
    next(results)
    results.close()
    assert len(taken) <= 3


def test_exam(client):
    exam = client.analyze_exam([b"L CC 1", b"L MLO 1", b"R CC 1", b"R MLO 1", b"refuse"])
    assert exam.calcium_mass_mg == 4.0
    assert exam.study_instance_uid == "1"
    assert len(exam.images) == 5


def test_two_exams_are_compared(client):
    views = ("L CC", "L MLO", "R CC", "R MLO")
    prior, current = ([f"{view} {study}".encode() for view in views] for study in (1, 2))
    change = client.compare(prior, current)
    assert change.calcium_mass_mg.verdict == "within_limit"
    assert (change.prior.study_instance_uid, change.current.study_instance_uid) == ("1", "2")
    assert change.prior.software["model"] == "ab" * 32
    with pytest.raises(RefusedError, match="BAC-COMPARE-SAME"):
        client.compare(prior, prior)


def test_exam_of_a_folder(client, tmp_path):
    (tmp_path / "README").write_text("no image")
    with pytest.raises(RefusedError, match="0 images"):
        client.analyze_exam(tmp_path)


def test_exam_tells_what_it_could_not_read(client, tmp_path, monkeypatch):
    (tmp_path / "a.dcm").write_bytes(b"L CC 1")
    monkeypatch.setattr(
        "bacctl.sources.find_sources",
        lambda paths: Sources((tmp_path / "a.dcm",), 0, ((tmp_path / "locked", "locked; unlock it"),)),
    )
    exam = client.analyze_exam(tmp_path)
    assert [image.status for image in exam.images] == ["ok", "failed"]
    assert exam.images[1].path == tmp_path / "locked"


def test_exam_of_several_studies(client):
    with pytest.raises(RefusedError, match="2 studies"):
        client.analyze_exam([b"L CC 1", b"R CC 2"])


def test_exam_of_a_folder_that_is_not_there(client, tmp_path):
    with pytest.raises(Exception, match="BAC-FILE-UNREADABLE"):
        client.analyze_exam(tmp_path / "none")


def test_exam_of_a_folder_without_images(client, tmp_path):
    with pytest.raises(RefusedError, match="BAC-OPTIONS-INVALID: the folder holds 0 images; check the path"):
        client.analyze_exam(tmp_path)
    (tmp_path / "exam.zip").write_bytes(b"packed")
    with pytest.raises(RefusedError, match="but 1 packed file that was not looked into; unpack"):
        client.analyze_exam(tmp_path)
    (tmp_path / "LCC.dcm").symlink_to("nowhere")
    (image,) = client.analyze_exam(tmp_path).images
    assert (image.code, image.path) == ("BAC-FILE-UNREADABLE", tmp_path / "LCC.dcm")


def test_test_image_of_the_wrong_size_is_a_fault(client, monkeypatch):
    monkeypatch.setattr("bacctl.client.canary.canary_image", lambda: b"L CC 1")
    with pytest.raises(ServerFaultError, match="test image"):
        client.server_info()


def test_test_image_that_is_refused_is_a_fault(client, monkeypatch):
    monkeypatch.setattr("bacctl.client.canary.canary_image", lambda: b"refuse")
    with pytest.raises(ServerFaultError, match="BAC-VIEW-SPOT"):
        client.server_info()


def test_leaving_closes(client):
    with client:
        pass
    assert client._transport.running == -1
