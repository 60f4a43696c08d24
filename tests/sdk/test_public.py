"""The public names, and what importing them costs."""

import pickle
import re
import subprocess
import sys

import pytest

import bacctl
from bac_terms import errors
from bac_terms.catalogue import CATALOGUE

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
    "ServerError",
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
        # All that a command has imported when its server is on its way.
        (
            "import bacctl.cli.app, bacctl.cli.batch, bacctl.client.blocking, bacctl.server.embedded",
            {"numpy", "pydicom", "tritonclient", "grpc", "PIL", "rich"},
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
    ours = [kind for kind in classes if issubclass(kind, Exception)]
    assert all(issubclass(kind, errors.BacctlError) for kind in ours)
    drawn = re.findall(r"^    (.*?)(\w+Error)\b", errors.__doc__, re.MULTILINE)
    assert [name for _, name in drawn] == [kind.__name__ for kind in ours]
    # Each hangs on the last one before it that stands further to the left.
    for number, (indent, name) in enumerate(drawn[1:], 1):
        above = next(other for left, other in reversed(drawn[:number]) if len(left) < len(indent))
        assert getattr(errors, name).__base__ is getattr(errors, above)


def test_a_wrong_use_is_no_result_of_an_image():
    assert not issubclass(errors.ClientUsageError, errors.FailedError)
    assert errors.from_catalogue("BAC-CLIENT-CLOSED").status == "usage"


def test_what_servers_cause_has_one_base():
    of_servers = [code for code in CATALOGUE if code.startswith("BAC-SERVER-")]
    assert len(of_servers) == 9
    assert all(issubclass(errors.error_class(code), errors.ServerError) for code in of_servers)


def test_every_code_has_its_class():
    for code, entry in CATALOGUE.items():
        if entry.status != "warning":
            error = errors.from_catalogue(code)
            assert error.status == entry.status, code
            assert str(error) == f"{code}: {entry.meaning}; {entry.hint}"


def test_errors_survive_the_way_between_processes():
    error = errors.RefusedError("BAC-VIEW-SPOT", "a", "b", sop_instance_uid="1.2", study_instance_uid="1.3")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), "BAC-VIEW-SPOT: a; b", vars(error))


@pytest.mark.parametrize("code", [code for code, entry in CATALOGUE.items() if entry.status != "warning"])
def test_every_error_survives_the_way_between_processes(code):
    error = errors.from_catalogue(code)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_error_text_is_one_line():
    assert errors.RefusedError("BAC-FILE-EMPTY", "a\nb\r\n \x1b[2Jc", "d\n e").reason == "a b [2Jc; d e"
