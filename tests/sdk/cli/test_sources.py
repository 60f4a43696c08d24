"""What a path stands for."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from bacctl.sources import find_sources, is_image, is_missing

MG = "1.2.840.10008.5.1.4.1.1.1.2"


def write_dicom(path: Path, sop_class: str = MG, *, preamble: bool = True, implicit: bool = False) -> Path:
    ds = Dataset()
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = "1.2.3"
    if preamble:
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.save_as(path, enforce_file_format=True)
    else:
        syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        ds.save_as(path, implicit_vr=syntax.is_implicit_VR, little_endian=True)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n..."),
        ("a", b"II*\x00...."),
        ("a.tif", b"MM\x00*...."),
        ("a.jpg", b"\xff\xd8\xff\xe0"),
        ("empty.dcm", b""),
        ("broken.dcm", b"named like an image: it may have been one"),
        ("short.DCM", bytes(100)),
    ],
)
def test_images_by_content_or_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert is_image(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("README", b"some text"),
        ("notes.txt", b"some text"),
        ("._a.dcm", b"\x00\x05\x16\x07 what macOS leaves beside a file"),
        ("empty", b""),
        ("Thumbs.db", b"\xd0\xcf\x11\xe0" * 100),
        ("film.mask.png", b"\x89PNG\r\n\x1a\n..."),
        ("film.overlay.png", b"\x89PNG\r\n\x1a\n..."),
    ],
)
def test_no_images(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert not is_image(tmp_path / name)


def test_dicom_with_and_without_preamble(tmp_path: Path) -> None:
    assert is_image(write_dicom(tmp_path / "a"))
    assert is_image(write_dicom(tmp_path / "b", preamble=False))
    assert is_image(write_dicom(tmp_path / "c", preamble=False, implicit=True))


@pytest.mark.parametrize(
    "sop_class",
    [
        "1.2.840.10008.1.3.10",  # DICOMDIR
        "1.2.840.10008.5.1.4.1.1.88.50",  # Mammography CAD SR
        "1.2.840.10008.5.1.4.1.1.11.1",  # Grayscale Softcopy Presentation State
        "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
    ],
)
def test_dicom_objects_that_hold_no_image(tmp_path: Path, sop_class: str) -> None:
    assert not is_image(write_dicom(tmp_path / "a.dcm", sop_class))


def test_folders_are_walked_in_order_and_counted(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".hidden").mkdir()
    expected = [
        write_dicom(tmp_path / ".hidden" / "z"),
        write_dicom(tmp_path / "a.dcm"),
        write_dicom(tmp_path / "b" / "1"),
        write_dicom(tmp_path / "b" / "2"),
    ]
    (tmp_path / "README").write_text("x")
    (tmp_path / "b" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    os.mkfifo(tmp_path / "pipe")
    found = find_sources([tmp_path])
    assert list(found.files) == expected
    assert found.skipped == 3


def test_loops_of_links_end_and_links_to_folders_are_followed(tmp_path: Path) -> None:
    inside = tmp_path / "walked"
    inside.mkdir()
    (inside / "loop").symlink_to(inside)
    (inside / "broken").symlink_to(tmp_path / "nowhere")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_dicom(elsewhere / "a")
    (inside / "linked").symlink_to(elsewhere)
    assert find_sources([inside]).files == (inside / "linked" / "a",)


def test_named_files_are_taken_whatever_they_hold_and_once(tmp_path: Path) -> None:
    text = tmp_path / "README"
    text.write_text("x")
    assert find_sources([text, text, tmp_path]).files == (text,)


def test_results_of_an_earlier_run_are_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "bacctl-out"
    out.mkdir()
    write_dicom(out / "seg.dcm")
    image = write_dicom(tmp_path / "a.dcm")
    assert find_sources([tmp_path], leave_out=[out]).files == (image,)


def test_what_may_not_be_looked_at_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    image = write_dicom(tmp_path / "a.dcm")
    # The tests may run as root, whom no permission stops.
    listdir, look = os.listdir, os.stat

    def refuse_listing(path: Path) -> list[str]:
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return listdir(path)

    def refuse_looking(path: Path, **options: Any) -> os.stat_result:
        if Path(path).parent == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return look(path, **options)

    monkeypatch.setattr(os, "listdir", refuse_listing)
    monkeypatch.setattr(os, "stat", refuse_looking)
    found = find_sources([tmp_path, locked / "b.dcm"])
    assert found.files == (image,)
    assert [path for path, _ in found.faults] == [locked, locked / "b.dcm"]
    assert is_image(locked / "named otherwise")


@pytest.mark.parametrize("name", ["nope", "x" * 300, "loop"])
def test_what_is_missing(name: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert is_missing(tmp_path / name)
    assert not is_missing(tmp_path)


def test_pipes_are_never_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found = find_sources([pipe])
    assert found.files == ()
    assert found.faults[0][0] == pipe


def test_a_path_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find_sources([tmp_path / "nope"])


UID = "1.2.826.0.1.3680043.8.498.1234567890"


@pytest.mark.parametrize(
    ("name", "target"),
    [("LCC.dcm", "nowhere"), ("RCC.PNG", "nowhere"), (UID, "nowhere"), ("1", "gone.dcm"), ("a.dcm", "a.dcm")],
)
def test_links_to_nowhere_that_are_named_like_images_are_told(tmp_path: Path, name: str, target: str) -> None:
    image = write_dicom(tmp_path / "z.dcm")
    (tmp_path / name).symlink_to(target)
    for found in (find_sources([tmp_path]), find_sources([], listed=[tmp_path])):
        assert found.files == (image,)
        assert [path for path, _ in found.faults] == [tmp_path / name]
        assert "link leads nowhere" in found.faults[0][1]
        assert (found.skipped, found.lost_links) == (0, ())
    assert is_image(tmp_path / name)


def test_other_links_to_nowhere_are_skipped_and_named(tmp_path: Path) -> None:
    (tmp_path / "prior exam").symlink_to("/mnt/away")
    (tmp_path / "notes.txt").write_text("x")
    found = find_sources([tmp_path])
    assert (found.files, found.faults, found.skipped) == ((), (), 2)
    assert found.lost_links == (tmp_path / "prior exam",)


@pytest.mark.parametrize("name", ["a.dcm", UID])
def test_pipes_that_are_named_like_images_are_told(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    found = find_sources([tmp_path])
    assert (found.files, found.skipped) == ((), 0)
    assert found.faults == ((tmp_path / name, "neither a file nor a folder; save the image in a file first"),)


def test_what_fails_twice_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").symlink_to("nowhere")
    assert len(find_sources([], listed=[tmp_path / "a.dcm", tmp_path / "a.dcm"]).faults) == 1
    assert len(find_sources([tmp_path], listed=[]).faults) == 1


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])
@pytest.mark.parametrize("name", ["LCC.dcm", "0001"])
def test_files_of_a_share_that_does_not_answer_are_no_missing_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, name: str
) -> None:
    (tmp_path / name).write_bytes(b"")
    look = os.stat

    def refuse(path: Any, **options: Any) -> os.stat_result:
        if Path(path) == tmp_path / name:
            raise OSError(number, os.strerror(number), str(path))
        return look(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    assert not is_missing(tmp_path / name)
    assert find_sources([tmp_path]).files == (tmp_path / name,)
    named = find_sources([tmp_path / name])
    assert [path for path, _ in named.faults] == [tmp_path / name]


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_what_cannot_be_opened_is_an_image_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = write_dicom(tmp_path / "0001")

    def refuse(self: Path, *_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "open", refuse)
    assert find_sources([tmp_path]).files == (path,)


@pytest.mark.parametrize("name", ["a.dcm", "a.JPEG", "scan.ima", UID, "2.25.123456789012345678901234567890"])
def test_empty_files_that_are_named_like_images(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert find_sources([tmp_path]).files == (tmp_path / name,)


@pytest.mark.parametrize("name", ["empty", "1.2.3", "192.168.0.17", "2.25", "v1.2.840.10008.5.1.txt"])
def test_empty_files_that_are_not(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert find_sources([tmp_path]).skipped == 1


def test_packed_files_are_skipped_and_named(tmp_path: Path) -> None:
    for name in ("exam.zip", "LCC.dcm.GZ", "readme.txt"):
        (tmp_path / name).write_bytes(b"x")
    found = find_sources([tmp_path])
    assert (found.files, found.skipped) == ((), 3)
    assert found.packed == (tmp_path / "LCC.dcm.GZ", tmp_path / "exam.zip")
