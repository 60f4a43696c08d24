"""The public names, and what importing them costs."""

import pickle
import subprocess
import sys

import pytest

import bacctl
from bac_imaging.errors import CATALOGUE
from bacctl import errors

PUBLIC = {
    "AreaEstimate",
    "AsyncClient",
    "BacctlError",
    "Beam",
    "BreastComparison",
    "BreastResult",
    "Change",
    "Client",
    "ClientUsageError",
    "ExamComparison",
    "ExamResult",
    "FailedError",
    "ImageResult",
    "IncompatibleServerError",
    "Notice",
    "PermissionDeniedError",
    "RefusedError",
    "ServerFaultError",
    "ServerOverloadedError",
    "ServerTimeoutError",
    "ServerUnavailableError",
    "Source",
    "Tls",
    "TlsError",
    "Vessel",
    "ViewResult",
    "__version__",
    "compare_exams",
    "to_frame",
}


def test_public_names():
    assert set(bacctl.__all__) == PUBLIC
    assert all(getattr(bacctl, name) is not None for name in PUBLIC)


def test_unknown_name():
    with pytest.raises(AttributeError, match="Clients"):
        bacctl.Clients  # noqa: B018


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import bacctl", {"numpy", "pydicom", "tritonclient", "grpc", "PIL", "pytriton"}),
        (
            "from bacctl import AsyncClient, Client, ImageResult, RefusedError, to_frame",
            {"numpy", "pydicom", "tritonclient", "grpc", "PIL", "stamina", "sqlite3", "pandas", "polars"},
        ),
    ],
)
def test_import_is_light(statement, unwanted):
    heavy = {"torch", "highdicom", "openvino", "matplotlib", "scipy", "skimage", "onnxruntime", "onnx"}
    code = f"{statement}; import sys; print(*(m.partition('.')[0] for m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(run.stdout.split()) & (heavy | unwanted)


def test_every_error_is_one_tree():
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert all(issubclass(kind, errors.BacctlError) for kind in classes if issubclass(kind, Exception))


def test_every_code_has_its_class():
    for code, entry in CATALOGUE.items():
        if entry.status != "warning":
            error = errors.from_catalogue(code)
            assert error.status == entry.status, code
            assert str(error) == f"{code}: {entry.meaning}; {entry.hint}"


def test_errors_survive_the_way_between_processes():
    error = errors.RefusedError("BAC-VIEW-SPOT", "a; b", sop_instance_uid="1.2", study_instance_uid="1.3")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), "BAC-VIEW-SPOT: a; b", vars(error))


def test_error_text_is_one_line():
    assert errors.RefusedError("BAC-FILE-EMPTY", "a\nb\r\n \x1b[2Jc").reason == "a b [2Jc"
