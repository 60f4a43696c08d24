"""From folders to manifests: what is in them, of whom, how often, and what would not be measured."""

from __future__ import annotations

import io
import os
import resource
import shutil
from pathlib import Path
from typing import Any

import pydicom
import pytest
from PIL import Image
from pydicom.uid import (
    MPEG2MPML,
    BreastTomosynthesisImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from bac_imaging.read.reader import read_mammogram
from bac_terms.errors import FailedError, RefusedError, from_catalogue
from bacctl.archive import storage
from bacctl.archive.manifest import Manifest, ManifestRow
from bacctl.archive.scanning import files
from bacctl.archive.scanning.scan import scan
from bacctl.archive.scanning.spool import Spool
from bacctl.archive.scanning.summary import Listed, Summary
from bacctl.sources import find_sources

from .images import SIDE, exam, mammogram

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom's, of odd values


def scanned(root: Path, out: Path | None = None, **options: Any) -> tuple[Summary, dict[str, ManifestRow]]:
    """Scan a folder; return what was found, and the manifest's rows by the file's path below it."""
    out = out or root.parent / "manifest.parquet"
    summary = scan(str(root), str(out), **options)
    return summary, {os.path.relpath(row.uri, root): row for row in rows(out)}


def rows(manifest: Path) -> list[ManifestRow]:
    with Manifest(manifest) as read:
        return [row for _, row in read.read()]


def test_a_row_says_what_the_header_says(tmp_path: Path) -> None:
    root = tmp_path / "root"
    paths = exam(root / "a", 1)
    summary, found = scanned(root)
    row = found["a/LCC.dcm"]
    head = pydicom.dcmread(paths[0])
    assert (row.uri, row.size) == (str(paths[0]), paths[0].stat().st_size)
    assert row.mtime_ns == paths[0].stat().st_mtime_ns
    # What stands before the tag of the pixels.
    assert row.header_bytes == paths[0].read_bytes().rfind(b"\xe0\x7f\x10\0OW")
    assert (row.sop_instance_uid, row.study_instance_uid) == (head.SOPInstanceUID, head.StudyInstanceUID)
    assert (row.modality, row.intent, row.laterality, row.view) == ("MG", "processing", "L", "CC")
    assert (row.rows, row.columns, row.transfer_syntax) == (SIDE, SIDE, "1.2.840.10008.1.2.1")
    assert (row.manufacturer, row.model, row.software_versions) == ("ACME", "Mammo 1", "1.2; 3")
    # sha256sum of "ACME", "Mammo 1" and "SN-7" on three lines, the last one without its end
    assert row.device_key == "bb5fefc88587c730"
    assert (row.month, row.age_band, row.code, row.duplicate_of) == ("2024-03", "60-64", None, None)
    # 4096 pixels
    assert row.cost_core_s == pytest.approx(4096e-6 * files.CORE_S_PER_MEGAPIXEL, abs=1e-4)
    assert (summary.images, summary.measurable, summary.studies) == (4, 4, 1)
    # Of whom it is can be told apart, and no more.
    keys = {row.patient_key for row in found.values()}
    assert len(keys) == 1
    assert len(keys.pop() or "") == 16
    text = repr(found)
    assert not any(secret in text for secret in ("P1", "Name1", "1961", "20240315", "062Y"))


def test_keys_of_patients_are_of_one_scan(tmp_path: Path) -> None:
    root = tmp_path / "root"
    exam(root / "a", 1)
    exam(root / "b", 1, StudyInstanceUID="1.2.840.99.1.7", PatientName="Doe^A")
    exam(root / "c", 2)
    exam(root / "d", 3, PatientID="ANONYMOUS")
    _, found = scanned(root)
    keys = {name: found[f"{name}/LCC.dcm"].patient_key for name in "abcd"}
    assert keys["a"] == keys["b"] != keys["c"]
    assert keys["d"] is None
    assert None not in (keys["a"], keys["c"])


def junk(root: Path) -> dict[str, str | None]:
    """Fill a folder with what archives hold; returns the codes of images and of what is named like them."""
    root.mkdir()
    plain = mammogram()
    images: dict[str, tuple[bytes, str | None]] = {
        "good": (plain, None),
        "implicit.dcm": (mammogram(ImplicitVRLittleEndian), None),
        "big.dcm": (mammogram(ExplicitVRBigEndian), None),
        "deflated.dcm": (mammogram(DeflatedExplicitVRLittleEndian), None),
        "bare.dcm": (plain[132:], None),
        "tomosynthesis.dcm": (
            mammogram(SOPClassUID=BreastTomosynthesisImageStorage, NumberOfFrames="5"),
            "BAC-TOMOSYNTHESIS",
        ),
        "ct.dcm": (mammogram(Modality="CT"), "BAC-MODALITY"),
        "capture.dcm": (mammogram(Modality="OT", BodyPartExamined="CHEST"), "BAC-MODALITY"),
        "spot.dcm": (mammogram(PaddleDescription="SPOT"), "BAC-VIEW-SPOT"),
        "magnified.dcm": (mammogram(ViewPosition="MCC", ViewCodeSequence=None), "BAC-VIEW-MAGNIFICATION"),
        "unscaled.dcm": (mammogram(ImagerPixelSpacing=None), "BAC-SPACING-MISSING"),
        "film.png": (film(), "BAC-SPACING-MISSING"),
        "empty.dcm": (b"", "BAC-FILE-EMPTY"),
        "1.2.840.113.1.2.3": (b"\0" * 4000, "BAC-FILE-NOT-IMAGE"),
        "short.dcm": (plain[:-100], "BAC-FILE-TRUNCATED"),
        "cut.dcm": (plain[: plain.find(b"0.2\\0.2") + 3], "BAC-FILE-TRUNCATED"),
        "pixelless.dcm": (plain[: plain.rfind(b"\xe0\x7f\x10\0OW")], "BAC-DICOM-NO-PIXELS"),
        "large_header.dcm": (mammogram(ImageComments="x" * 9000, IconImageSequence=icon()), None),
    }
    other = {
        "notes.txt": b"notes",
        "._good": plain,
        "study.zip": b"PK\3\4",
        "1.2.3.mask.png": b"\x89PNG\r\n\x1a\n",
        "report": report(),
        "random": os.urandom(3000)[:128] + b"ABCD" * 700,
    }
    for name, (data, _) in images.items():
        (root / name).write_bytes(data)
    for name, data in other.items():
        (root / name).write_bytes(data)
    return {name: code for name, (_, code) in images.items()}


def film() -> bytes:
    stream = io.BytesIO()
    Image.linear_gradient("L").save(stream, "PNG")
    return stream.getvalue()


def icon() -> Any:
    item = pydicom.Dataset()
    item.Rows = item.Columns = 300
    item.PixelData = bytes(300 * 300)
    item["PixelData"].VR = "OB"
    return pydicom.Sequence([item])


def report() -> bytes:
    data = mammogram(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", Modality="SR")
    assert b"1.2.840.10008.5.1.4.1.1.88.33" in data[:1024]
    return data


@pytest.mark.slow
def test_a_folder_of_junk(tmp_path: Path) -> None:
    root = tmp_path / "root"
    codes = junk(root)
    summary, found = scanned(root)
    assert {name: row.code for name, row in found.items()} == codes
    assert (summary.other, summary.packed) == (5, 1)
    assert sum(summary.codes.values()) == sum(code is not None for code in codes.values())
    # Neither more nor less than an analysis would take.
    assert {os.path.relpath(path, root) for path in find_sources([root]).files} == set(codes)
    # Each code is that of the analysis itself, and what has none is not refused for its header.
    for name, code in codes.items():
        try:
            read_mammogram((root / name).read_bytes())
            said = None
        except (RefusedError, FailedError) as error:
            said = error.code
        assert said == code or (code is None and said == "BAC-PIXELS-CONSTANT"), (name, said)


def test_a_spacing_that_the_run_will_give(tmp_path: Path) -> None:
    root = tmp_path / "root"
    junk(root)
    _, found = scanned(root, given=(0.25, 0.25))
    assert found["unscaled.dcm"].code is None
    assert found["film.png"].code is None
    assert found["good"].code == "BAC-SPACING-CONFLICT"


def test_compression_that_is_read_nowhere(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for name, syntax in (("video", MPEG2MPML), ("private", "1.2.3.4.5.6.7.8")):
        data = mammogram().replace(
            b"\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0",
            b"\x02\0\x10\0UI" + len(_even(syntax)).to_bytes(2, "little") + _even(syntax),
        )
        (root / name).write_bytes(data)
    _, found = scanned(root)
    assert {row.code for row in found.values()} == {"BAC-CODEC-MISSING"}
    for name in found:
        with pytest.raises(FailedError, match="BAC-CODEC-MISSING"):
            read_mammogram((root / name).read_bytes())


def _even(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)


def test_copies_and_other_images_of_one_uid(tmp_path: Path) -> None:
    root = tmp_path / "root"
    exam(root / "a", 1)
    shutil.copytree(root / "a", root / "b")
    exam(root / "c", 2)
    (root / "d").mkdir()
    # The UIDs of exam 2, on another image.
    (root / "d" / "x.dcm").write_bytes(mammogram(SOPInstanceUID="1.2.840.99.2.1.1", KVP="31"))
    summary, found = scanned(root)
    assert {name: row.duplicate_of for name, row in found.items() if row.duplicate_of} == {
        **{f"b/{view}.dcm": f"{root}/a/{view}.dcm" for view in ("LCC", "LMLO", "RCC", "RMLO")},
        "d/x.dcm": f"{root}/c/LCC.dcm",
    }
    assert (summary.duplicates, summary.copies) == (5, 4)
    assert {name for name, row in found.items() if row.warnings == "BAC-W-UID-REPEATED"} == {
        "c/LCC.dcm",
        "d/x.dcm",
    }
    assert summary.repeated.count == 2
    assert summary.repeated.first[0] == ["1.2.840.99.2.1.1", f"{root}/c/LCC.dcm"]
    # Copies cost nothing: 4 of exam 1, 4 of exam 2 and the other image.
    assert summary.cost_core_s == pytest.approx(9 * round(4096e-6 * files.CORE_S_PER_MEGAPIXEL, 4))


def test_studies_that_contradict_themselves(tmp_path: Path) -> None:
    root = tmp_path / "root"
    exam(root / "good", 1)
    exam(root / "recall", 2)
    (root / "recall" / "again.dcm").write_bytes(
        mammogram(
            StudyInstanceUID="1.2.840.99.2",
            SOPInstanceUID="1.2.840.99.2.9",
            PatientID="P2",
            PatientName="Name2^Anna",
            AcquisitionDate="20240320",
            ContentDate="20240320",
        )
    )
    exam(root / "two_women", 3)
    exam(root / "two_women_too", 4, StudyInstanceUID="1.2.840.99.3")
    exam(root / "two_years", 5)
    same = {"StudyInstanceUID": "1.2.840.99.5", "PatientID": "P5", "PatientName": "Name5^Anna"}
    exam(root / "two_years_too", 6, AcquisitionDate="20220101", **same)
    summary, found = scanned(root)
    mixed = {name.partition("/")[0] for name, row in found.items() if row.warnings == "BAC-W-EXAM-MIXED"}
    assert mixed == {"two_women", "two_women_too", "two_years", "two_years_too"}
    assert summary.mixed.first == ["1.2.840.99.3", "1.2.840.99.5"]
    # Images of a study are together.
    order = [row.study_instance_uid for row in rows(tmp_path / "manifest.parquet")]
    assert [study for place, study in enumerate(order) if study not in order[:place]] == [
        *("1.2.840.99.1", "1.2.840.99.2", "1.2.840.99.3", "1.2.840.99.5")
    ]
    assert order == sorted(order, key=str)


def test_counts(tmp_path: Path) -> None:
    root = tmp_path / "root"
    exam(root / "a", 1)
    exam(root / "b", 2, SoftwareVersions="2.0", AcquisitionDate="20230101", ContentDate="20230101")
    exam(root / "c", 3, Manufacturer="BETA", ManufacturerModelName=None)
    summary, _ = scanned(root)
    assert summary.tables["software_versions"].rows == [
        ("ACME", "Mammo 1", "1.2; 3", 4),
        ("ACME", "Mammo 1", "2.0", 4),
        ("BETA", None, "1.2; 3", 4),
    ]
    assert summary.tables["year"].rows == [("2023", 4), ("2024", 8)]
    assert summary.tables["view"].rows == [("L", "CC", 3), ("L", "MLO", 3), ("R", "CC", 3), ("R", "MLO", 3)]
    assert summary.to_dict()["tables"]["model"]["groups"] == 2


def test_a_manifest_is_compared_with_what_is_there(tmp_path: Path) -> None:
    root, out, again = tmp_path / "root", tmp_path / "1.parquet", tmp_path / "2.parquet"
    for number, name in enumerate("abcd", 1):
        exam(root / name, number)
    scan(str(root), str(out))
    (root / "a").rename(root / "moved")
    (root / "b" / "LCC.dcm").unlink()
    exam(root / "c", 3, KVP="30")
    exam(root / "new", 9)
    os.utime(root / "d" / "LCC.dcm")  # touched, and the same
    summary = scan(str(out), str(again))
    assert summary.source == str(root)
    assert summary.changes is not None
    told = {name: listed.first for name, listed in summary.changes.items()}
    views = ("LCC", "LMLO", "RCC", "RMLO")
    assert told == {
        "changed": [f"{root}/c/{view}.dcm" for view in views],
        "moved": [[f"{root}/a/{view}.dcm", f"{root}/moved/{view}.dcm"] for view in views],
        "missing": [f"{root}/b/LCC.dcm"],
        "new": [f"{root}/new/{view}.dcm" for view in views],
    }
    assert len(rows(again)) == 19
    # Over itself, too.
    assert scan(str(again), str(again)).to_dict()["changes"] == {
        name: {"count": 0, "first": []} for name in ("changed", "moved", "missing", "new")
    }


def test_what_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(RefusedError, match="BAC-ARCHIVE-MANIFEST"):
        scan(str(tmp_path / "a.parquet"), str(tmp_path / "out"))
    assert os.listdir(tmp_path) == ["a.parquet"]


def test_what_cannot_be_looked_into_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    exam(root / "a", 1)
    (root / "lost.dcm").symlink_to(root / "nowhere")
    gone = root / "a" / "LCC.dcm"
    opened = os.open

    def without(path: Any, *arguments: Any, **named: Any) -> int:
        if str(path) == str(gone):
            raise PermissionError(13, "Permission denied", path)
        return opened(path, *arguments, **named)

    monkeypatch.setattr(os, "open", without)
    summary, found = scanned(root)
    assert summary.faults.first == [[f"{root}/lost.dcm", "BAC-FILE-UNREADABLE", "the link leads nowhere"]]
    assert found["a/LCC.dcm"].code == "BAC-FILE-UNREADABLE"
    assert found["a/LCC.dcm"].reason == "the file could not be read: Permission denied"
    assert summary.measurable == 3


def test_no_image_and_no_folder(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with pytest.raises(RefusedError, match="no image was found"):
        scan(str(tmp_path / "root"), str(tmp_path / "out"))
    with pytest.raises(FailedError, match="BAC-FILE-UNREADABLE"):
        scan(str(tmp_path / "none"), str(tmp_path / "out"))
    assert os.listdir(tmp_path) == ["root"]


def test_nothing_is_left_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, out = tmp_path / "root", tmp_path / "out.parquet"
    exam(root, 1)
    out.write_bytes(b"before")
    looked = files.Looker.look

    def stopped(self: files.Looker, entries: Any) -> Any:
        yield from looked(self, entries)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files.Looker, "look", stopped)
        with pytest.raises(KeyboardInterrupt):
            scan(str(root), str(out))
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "rows", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            scan(str(root), str(out))
    assert out.read_bytes() == b"before"
    assert sorted(os.listdir(tmp_path)) == ["out.parquet", "root"]
    with pytest.raises(FailedError, match="BAC-STORAGE-WRITE"):
        scan(str(root), str(root / "LCC.dcm" / "out"))


@pytest.mark.full
@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows() -> None:
    """What 200,000 images take, each of a study of its own, on top of what a thousand do."""
    with_thousand = _peak_of(1000)
    # SQLite's pages and sorts take their 16 MiB each; the rows have 140 MB of text.
    assert _peak_of(200_000) - with_thousand < 64 << 20


def _peak_of(images: int) -> int:
    spool = Spool()
    try:
        for first in range(0, images, 100):
            spool.add(
                files.Looked(
                    "image",
                    ManifestRow(f"/{number:08}", 1, 1, sop_instance_uid=f"1.2.{number}", reason="x" * 700),
                    None,
                    f"1.3.{number}",
                )
                for number in range(first, first + 100)
            )
        spool.settle()
        assert sum(1 for _ in spool.rows()) == images
    finally:
        spool.close()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    root, out = Path(os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller")), tmp_path / "manifest.parquet"
    exam(root, 1)
    scan(str(root), str(out))
    with Manifest(out) as manifest:
        assert manifest.metadata["bacctl.source"] == f"file://{tmp_path}/M%FCller"
    again = scan(str(out), str(out))
    assert (again.images, again.changes) == (
        4,
        {name: Listed() for name in ("changed", "moved", "missing", "new")},
    )


def test_what_a_store_did_not_give_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, read = tmp_path / "root", storage.read_heads
    exam(root, 1)
    away = from_catalogue("BAC-STORAGE-UNREACHABLE")

    def without(uris: Any, length: int) -> Any:
        return [
            away if uri.endswith("LCC.dcm") else head
            for uri, head in zip(uris, read(uris, length), strict=True)
        ]

    monkeypatch.setattr(storage, "read_heads", without)
    summary, found = scanned(root)
    assert summary.faults.first == [[f"{root}/LCC.dcm", away.code, away.message]]
    assert (found["LCC.dcm"].code, summary.measurable) == (away.code, 3)
