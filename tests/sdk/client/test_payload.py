"""From a path, bytes or a dataset to the bytes that are sent."""

import gc
import io
import logging
import os
import traceback
import tracemalloc

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from bac_terms.errors import BacctlError, RefusedError
from bacctl.client import payload
from bacctl.client.payload import identified, origin_of, read_source


def dataset(with_meta=True):
    made = pydicom.Dataset()
    made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2.1"
    made.SOPInstanceUID = "1.2.826.0.1.7"
    made.StudyInstanceUID = "1.2.826.0.1.8"
    made.Modality = "MG"
    if with_meta:
        made.file_meta = pydicom.dataset.FileMetaDataset()
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def code_of(source):
    with pytest.raises(BacctlError) as caught:
        read_source(source)
    return caught.value.code


def test_bytes_and_paths(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"abc")
    assert (
        read_source(b"abc")
        == read_source(tmp_path / "a.dcm")
        == read_source(str(tmp_path / "a.dcm"))
        == b"abc"
    )


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_other_bytes(kind):
    assert read_source(kind(b"abc")) == b"abc"


@pytest.mark.parametrize("source", [None, 5, ["a.dcm"]])
def test_what_is_no_source(source):
    with pytest.raises(RefusedError, match=f"not as {type(source).__name__}"):
        read_source(source)


def test_dataset_is_written_and_left_as_it_is():
    original = dataset()
    before = original.to_json(), str(original.file_meta)
    written = pydicom.dcmread(io.BytesIO(read_source(original)))
    assert written.SOPInstanceUID == "1.2.826.0.1.7"
    assert (original.to_json(), str(original.file_meta)) == before


def test_dataset_that_cannot_be_written():
    assert code_of(dataset(with_meta=False)) == "BAC-FILE-NOT-IMAGE"


def test_empty(tmp_path):
    (tmp_path / "a.dcm").touch()
    assert code_of(b"") == code_of(tmp_path / "a.dcm") == "BAC-FILE-EMPTY"


def test_missing_file_and_folder(tmp_path):
    assert code_of(tmp_path / "none.dcm") == "BAC-FILE-UNREADABLE"
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(BacctlError, match="BAC-FILE-UNREADABLE: this is a folder") as caught:
        read_source(tmp_path)
    assert caught.value.hint == "give one of its files, or the folder to analyze_exam"
    assert len(os.listdir("/proc/self/fd")) == before


def test_traceback_names_the_missing_file_and_our_text_does_not(tmp_path):
    with pytest.raises(BacctlError) as caught:
        read_source(tmp_path / "DOE_JANE.dcm")
    assert "DOE" not in str(caught.value)
    assert "DOE_JANE.dcm" in "".join(traceback.format_exception(caught.value))


def test_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    huge = tmp_path / "huge.dcm"
    huge.touch()
    os.truncate(huge, 1_500_000_001)  # sparse: reading it would take 1.5 GB
    monkeypatch.setattr(type(huge), "read_bytes", None)
    assert code_of(huge) == "BAC-FILE-TOO-LARGE"


def test_too_many_bytes(monkeypatch):
    monkeypatch.setattr(payload, "MAX_BYTES", 3)
    assert code_of(b"abcd") == "BAC-FILE-TOO-LARGE"


def test_error_gets_the_identifiers_of_its_image():
    error = identified(RefusedError("BAC-MODALITY", "no mammogram"), read_source(dataset()))
    assert (error.sop_instance_uid, error.study_instance_uid) == ("1.2.826.0.1.7", "1.2.826.0.1.8")


@pytest.mark.parametrize("data", [b"", b"\0" * 200, b"\0" * 128 + b"DICM" + b"\xff" * 40])
def test_broken_header_leaves_the_error_without(data):
    assert identified(RefusedError("BAC-MODALITY", "no mammogram"), data).sop_instance_uid is None


def test_what_is_no_uid_is_not_passed_on():
    odd = dataset()
    odd.StudyInstanceUID = "DOE^JANE"
    error = identified(RefusedError("BAC-MODALITY", "no mammogram"), read_source(odd))
    assert (error.sop_instance_uid, error.study_instance_uid) == ("1.2.826.0.1.7", None)


def test_three_gigabytes_are_refused_unread(tmp_path):
    huge = tmp_path / "huge.dcm"
    huge.touch()
    os.truncate(huge, 3_000_000_000)  # sparse
    tracemalloc.start()
    assert code_of(huge) == "BAC-FILE-TOO-LARGE"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_stream_without_end(monkeypatch):
    monkeypatch.setattr(payload, "MAX_BYTES", 1000)
    monkeypatch.setattr(payload, "_PART_BYTES", 64)

    class Endless:
        taken = 0

        def read(self, size, /):
            self.taken += size
            return bytes(size)

    endless = Endless()
    assert code_of(endless) == "BAC-FILE-TOO-LARGE"
    assert endless.taken < 1200


def test_stream_is_read_on_from_where_it_stands(tmp_path):
    stream = io.BytesIO(b"headcontent")
    stream.seek(4)
    assert read_source(stream) == b"content"
    assert code_of(stream) == "BAC-FILE-EMPTY"


def test_streams_that_give_no_bytes(tmp_path):
    assert code_of(io.StringIO("text")) == "BAC-FILE-NOT-IMAGE"
    closed = io.BytesIO(b"abc")
    closed.close()
    assert code_of(closed) == "BAC-FILE-UNREADABLE"


@pytest.mark.parametrize("change", ["longer", "shorter", "rewritten"])
def test_file_that_changes_while_it_is_read(tmp_path, monkeypatch, change):
    path = tmp_path / "a.dcm"
    path.write_bytes(b"a" * 1000)
    os.utime(path, ns=(0, 0))
    real = os.fstat
    asked = []

    def fstat(handle):
        if len(asked) == 1:  # between the two looks at the file
            new = {"longer": b"a" * 2000, "shorter": b"a" * 10, "rewritten": b"b" * 1000}[change]
            path.write_bytes(new)
        asked.append(handle)
        return real(handle)

    monkeypatch.setattr(payload.os, "fstat", fstat)
    assert code_of(path) == "BAC-FILE-CHANGED"


def test_pipe_that_nobody_writes_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert code_of(tmp_path / "pipe") == "BAC-FILE-UNREADABLE"


def test_name_that_no_file_can_have():
    assert code_of("a\0b") == "BAC-FILE-UNREADABLE"
    assert code_of("n" * 300) == "BAC-FILE-UNREADABLE"


def test_file_where_there_are_no_pipes_to_wait_for(tmp_path, monkeypatch):
    """As on Windows, which has no such flag."""
    (tmp_path / "a.dcm").write_bytes(b"a\r\nb")
    monkeypatch.delattr(os, "O_NONBLOCK")
    assert read_source(tmp_path / "a.dcm") == b"a\r\nb"


def test_odd_values_of_a_header_reach_no_log_and_no_warning(caplog, recwarn):
    odd = dataset()
    with pydicom.config.disable_value_validation():
        odd.StudyInstanceUID = "DOE^JANE"
        odd.AcquisitionDate = "JANE1950"
        data = read_source(odd)
    # The command line silences it for its whole process, and commands ran in this one.
    caplog.set_level(logging.DEBUG, logger="pydicom")
    caplog.clear()
    recwarn.clear()
    identified(RefusedError("BAC-MODALITY", "no mammogram"), data)
    origin_of(data)
    assert caplog.text == ""
    assert not recwarn.list
    # pydicom itself does say it, and goes on saying it to whoever reads with it.
    pydicom.dcmread(io.BytesIO(data)).to_json()
    assert "DOE^JANE" in caplog.text


class UploadFile:
    """As FastAPI's, whose read is to be awaited."""

    async def read(self, size=-1):
        return b"DICM"


def test_what_has_to_be_awaited_says_so(recwarn):
    for given in (UploadFile(), UploadFile().read()):
        with pytest.raises(RefusedError, match=r"BAC-FILE-NOT-IMAGE: .*`await file\.read\(\)`") as caught:
            read_source(given)
        assert caught.value.hint == "give what `await file.read()` returns"
    gc.collect()
    assert not [str(warning.message) for warning in recwarn.list if "never awaited" in str(warning.message)]


def test_the_real_upload_file_says_so():
    starlette = pytest.importorskip("starlette.datastructures")
    with pytest.raises(RefusedError, match=r"await file\.read"):
        read_source(starlette.UploadFile(io.BytesIO(b"DICM")))


def test_file_that_was_read_before():
    stream = io.BytesIO(b"content")
    stream.read()
    with pytest.raises(RefusedError, match=r"BAC-FILE-EMPTY: .*call seek\(0\) on it first"):
        read_source(stream)
    with pytest.raises(RefusedError, match="the file holds no bytes"):
        read_source(io.BytesIO(b""))


@pytest.mark.parametrize("with_empty_meta", [False, True])
def test_dataset_without_meta_information_says_what_to_do(with_empty_meta):
    made = dataset(with_meta=False)
    if with_empty_meta:
        made.file_meta = pydicom.dataset.FileMetaDataset()
    with pytest.raises(RefusedError, match="BAC-FILE-NOT-IMAGE") as caught:
        read_source(made)
    assert "names no TransferSyntaxUID" in caught.value.message
    assert "ExplicitVRLittleEndian where they are not compressed" in caught.value.hint
    # Doing it helps.
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    assert pydicom.dcmread(io.BytesIO(read_source(made))).Modality == "MG"


def test_dataset_without_identity_says_so():
    made = dataset()
    del made.SOPInstanceUID
    with pytest.raises(RefusedError, match=r"it has no SOPInstanceUID.*; .* set SOPInstanceUID"):
        read_source(made)


def test_origin_and_identifiers_of_a_file_without_preamble():
    made = dataset()
    made.PatientID = "W1"
    data = read_source(made)[132:]
    assert origin_of(data).patient == origin_of(read_source(made)).patient is not None
    error = identified(RefusedError("BAC-MODALITY", "no mammogram"), data)
    assert error.sop_instance_uid == "1.2.826.0.1.7"
