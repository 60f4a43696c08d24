"""The ensemble on the real server: what it answers, and what it refuses."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from bac_imaging.pipeline import prepare, quantify
from bac_imaging.vessels.votes import vote
from bac_phantom.qa import make_qa_phantom, qa_specs
from bacctl import Client, RefusedError
from bacctl.client.canary import canary_image
from bacctl.server.embedded import EmbeddedServer
from bacctl.server.repository import default_repository
from bacctl.service.network import CpuNetwork
from bacctl.service.steps import read_model_card

ROOT = Path(__file__).resolve().parents[2]
FILM_MM = (0.2, 0.2)


@pytest.mark.parametrize(("kind", "spacing"), [("raw", None), ("film", FILM_MM)])
def test_answers_equal_the_pipeline_in_this_process(
    client: Client, raw_mammogram: bytes, kind: str, spacing: tuple[float, float] | None
) -> None:
    data = raw_mammogram if kind == "raw" else canary_image()
    weights = default_repository() / "bac_segment" / "1"
    segment = CpuNetwork(weights / "model.onnx")
    prepared = prepare(data, None if spacing is None else {"pixel_spacing_mm": list(spacing)})
    card = read_model_card(weights)
    demands = card.parameters()
    probability = vote(prepared.tiles, segment, demands.core, demands.seed)
    expected = quantify(probability, prepared.signal, prepared.context, demands, card.fitted(), card.sha256)

    result = client.analyze(data, pixel_spacing_mm=spacing)
    answered = result.to_dict()
    ours = json.loads(json.dumps(expected.report.to_dict()))
    for name in set(ours) - {"timings_ms"}:
        assert answered[name] == ours[name], name
    assert np.array_equal(result.mask, expected.mask)
    if expected.density.size:
        assert np.array_equal(result.density, expected.density)
    else:
        assert result.density is None
    assert set(result.timings_ms) == {"preprocess", "segment", "quantify"}


def test_path_bytes_and_dataset_give_the_same(client: Client, raw_mammogram: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(raw_mammogram)
    sources = (path, str(path), raw_mammogram, pydicom.dcmread(io.BytesIO(raw_mammogram)))
    first, *others = ({**client.analyze(s).to_dict(), "path": None, "timings_ms": {}} for s in sources)
    assert all(other == first for other in others)
    assert first["status"] == "ok"
    assert first["mass_basis"] == "calibrated"


def test_a_density_that_nobody_asked_for_is_neither_made_nor_sent(
    client: Client, raw_mammogram: bytes
) -> None:
    full = client.analyze(raw_mammogram)
    with Client(client.url, density=False) as lean:
        result = lean.analyze(raw_mammogram)
    assert result.density is None
    assert np.array_equal(result.mask, full.mask)
    assert {**result.to_dict(), "timings_ms": {}} == {**full.to_dict(), "timings_ms": {}}
    sent = grpc.InferInput("DICOM", [len(raw_mammogram)], "UINT8")
    sent.set_data_from_numpy(np.frombuffer(raw_mammogram, np.uint8))
    asked = [grpc.InferRequestedOutput(name) for name in ("REPORT", "MASK")]
    with grpc.InferenceServerClient(client.url) as triton:
        answer = triton.infer("bac", [sent], outputs=asked, parameters={"density": False})
    assert answer.as_numpy("DENSITY") is None
    # The last step says what it made: an empty density, so that it was not only dropped on the way.
    binding = json.loads(answer.as_numpy("REPORT").tobytes())["binding"]
    assert binding["crc32"] == {"MASK": zlib.crc32(answer.as_numpy("MASK").tobytes()), "DENSITY": 0}


def test_density_sums_to_the_mass(client: Client, raw_mammogram: bytes) -> None:
    result = client.analyze(raw_mammogram)
    assert result.mask is not None
    assert result.density is not None
    assert result.magnification is not None
    assert result.mask.shape == result.density.shape == (700, 480)
    pixel_mm2 = 0.15 * 0.15 / result.magnification**2
    assert result.density.sum() * pixel_mm2 == pytest.approx(result.calcium_mass_mg, rel=1e-3)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"this is no image", "BAC-FILE-NOT-IMAGE"),
        (canary_image(), "BAC-SPACING-MISSING"),
        ({"Modality": "CT"}, "BAC-MODALITY"),
        ({"NumberOfFrames": "4"}, "BAC-MULTIFRAME"),
        ({"Rows": 60_000, "Columns": 60_000}, "BAC-DIMENSIONS"),
        ({"ImagerPixelSpacing": [0.0, 0.0]}, "BAC-SPACING-INVALID"),
        ({"QualityControlImage": "YES"}, "BAC-QC-IMAGE"),
    ],
)
def test_refusals_arrive_with_their_code(
    client: Client, mammogram: Callable[..., bytes], data: bytes | dict[str, object], code: str
) -> None:
    data = mammogram(**data) if isinstance(data, dict) else data
    with pytest.raises(RefusedError) as caught:
        client.analyze(data)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_the_operating_point_holds_on_the_server(client: Client) -> None:
    data = make_qa_phantom(next(spec for spec in qa_specs() if spec.calcium_mass_mg == 12.0))
    every, none = (client.analyze(data, min_probability=point) for point in (0.0, 1.0))
    assert every.bac_detected
    assert (every.min_probability, none.min_probability) == (0.0, 1.0)
    assert every.bac_probability == none.bac_probability
    kept = [vessel for vessel in every.vessels if vessel.probability == 1.0]
    assert len(none.vessels) == len(kept)
    told = [notice.code for notice in none.warnings]
    assert ("BAC-W-BELOW-POINT" in told) == (len(kept) < len(every.vessels))
    with pytest.raises(RefusedError, match="min_probability is not a number from 0 to 1") as refusal:
        client._transport.infer(data, {"min_probability": 1.5}, 60.0)
    assert refusal.value.code == "BAC-OPTIONS-INVALID"


def test_refusal_names_the_image(client: Client, mammogram: Callable[..., bytes]) -> None:
    data = mammogram(Modality="CT")
    with pytest.raises(RefusedError) as caught:
        client.analyze(data)
    header = pydicom.dcmread(io.BytesIO(data))
    assert caught.value.sop_instance_uid == header.SOPInstanceUID
    assert caught.value.study_instance_uid == header.StudyInstanceUID


def test_a_bad_file_among_good_ones(client: Client, raw_mammogram: bytes) -> None:
    results = list(
        client.analyze_many([raw_mammogram, b"no image", raw_mammogram], max_in_flight=3, ordered=True)
    )
    assert [result.status for result in results] == ["ok", "refused", "ok"]


def test_an_exam(client: Client, mammogram: Callable[..., bytes], tmp_path: Path) -> None:
    for side in "LR":
        for view in ("CC", "MLO"):
            data = mammogram(ImageLaterality=side, ViewPosition=view)
            (tmp_path / f"{side}{view}").write_bytes(data)
    (tmp_path / "README").write_text("no image")
    exam = client.analyze_exam(tmp_path)
    assert exam.complete
    assert exam.missing_views == ()
    masses = [image.calcium_mass_mg for image in exam.images]
    assert len(masses) == 4
    # Four times the same picture: the woman has twice what one view shows.
    assert exam.calcium_mass_mg == pytest.approx(2 * masses[0])


def test_two_clients_at_a_time(server: EmbeddedServer, raw_mammogram: bytes) -> None:
    expected = Client(server.url).analyze(raw_mammogram).calcium_mass_mg
    seen: list[object] = []

    def ask() -> None:
        with Client(server.url) as own:
            seen.extend(own.analyze(raw_mammogram).calcium_mass_mg for _ in range(2))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [expected] * 4


def test_server_tells_what_it_is(client: Client) -> None:
    info = client.server_info()
    card = json.loads((default_repository() / "bac_segment" / "1" / "model_card.json").read_text())
    assert info["model"] == card["sha256"]
    assert info["triton"] == "2.51.0"


@pytest.mark.parametrize(
    "options",
    [
        b"[0.1, 0.1]",
        b"{",
        b'{"pixel_spacing": [1, 1]}',
        b'{"BAC-X: y": 1}',
        b'{"pixel_spacing_mm": [1%b, 1]}' % (b"0" * 400),
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_options_that_are_none(server: EmbeddedServer, options: bytes) -> None:
    with pytest.raises(InferenceServerException) as caught:
        _infer(server.url, canary_image(), options)
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert len(re.findall(r"BAC-[A-Z0-9-]+: \S", caught.value.message())) == 1
    assert "BAC-OPTIONS-INVALID" in caught.value.message()


@pytest.mark.parametrize("options", [b"", b"{}", b'{"pixel_spacing_mm": null}'])
def test_options_that_say_nothing(server: EmbeddedServer, raw_mammogram: bytes, options: bytes) -> None:
    report = json.loads(_infer(server.url, raw_mammogram, options).as_numpy("REPORT").tobytes())
    assert report["spacing_source"] == "ImagerPixelSpacing"
    assert report["magnification_source"].startswith("mid-breast")


def test_nothing_sent_is_refused_too(server: EmbeddedServer) -> None:
    with pytest.raises(InferenceServerException) as caught:
        _infer(server.url, b"", None)
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert "BAC-FILE-EMPTY" in caught.value.message()


def test_what_is_restricted(server: EmbeddedServer) -> None:
    plain = grpc.InferenceServerClient(server.url)
    assert plain.is_server_ready()
    assert plain.is_model_ready("bac")
    for call in (
        plain.get_model_repository_index,
        plain.get_system_shared_memory_status,
        plain.get_log_settings,
        plain.get_trace_settings,
        lambda: plain.get_model_config("bac"),
        lambda: plain.unload_model("bac"),
    ):
        with pytest.raises(InferenceServerException, match="restricted"):
            call()


def test_http_speaks_the_same(server: EmbeddedServer) -> None:
    base = f"http://127.0.0.1:{server.ports['http']}/v2"
    spacing = json.dumps({"pixel_spacing_mm": FILM_MM}).encode()
    inputs = [
        {"name": name, "shape": [len(data)], "datatype": "UINT8", "data": list(data)}
        for name, data in (("DICOM", canary_image()), ("OPTIONS", spacing))
    ]
    body = json.dumps({"inputs": inputs, "outputs": [{"name": "REPORT"}]}).encode()
    with urllib.request.urlopen(f"{base}/models/bac/infer", body, timeout=60) as answer:
        (output,) = json.load(answer)["outputs"]
    assert json.loads(bytes(output["data"]))["status"] == "ok"
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{base}/repository/index", b"", timeout=10)


def test_metrics(server: EmbeddedServer) -> None:
    address = f"http://127.0.0.1:{server.ports['metrics']}/metrics"
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert b'nv_inference_request_success{model="bac_segment"' in answer.read()


def test_program_of_the_documentation(server: EmbeddedServer, raw_mammogram: bytes, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "client-kserve.md").read_text()
    program = re.search(r"```python\n(.+?)```", page, re.DOTALL)
    assert program is not None
    assert "bacctl" not in program[1]
    assert len(program[1].splitlines()) <= 15
    (tmp_path / "client.py").write_text(program[1])
    (tmp_path / "a.dcm").write_bytes(raw_mammogram)
    run = subprocess.run(
        [sys.executable, "client.py", server.url, "a.dcm"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    mass, area, pixels = map(float, run.stdout.split())
    with Client(server.url) as client:
        result = client.analyze(raw_mammogram)
    assert result.mask is not None
    assert (mass, area, pixels) == (result.calcium_mass_mg, result.area_mm2, result.mask.sum())


def _infer(url: str, data: bytes, options: bytes | None) -> grpc.InferResult:
    tensors = []
    for name, content in (("DICOM", data), ("OPTIONS", options)):
        if content is not None:
            tensor = grpc.InferInput(name, [len(content)], "UINT8")
            tensor.set_data_from_numpy(np.frombuffer(content, np.uint8))
            tensors.append(tensor)
    return grpc.InferenceServerClient(url).infer("bac", tensors)
