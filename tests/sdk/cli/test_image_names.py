"""The shortest names that tell the images of a run apart."""

import pytest

from bacctl.cli.show.image_names import common_folder, image_names

UID = "2.25.1249025741039208114228374597363298066595505098198579078897"


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["exam/LCC.dcm"], ["LCC.dcm"]),
        (["exam/LCC.dcm", "exam/RCC.dcm"], ["LCC.dcm", "RCC.dcm"]),
        (["/d/w1/LCC.dcm", "/d/w2/LCC.dcm", "/d/w2/RCC.dcm"], ["w1/LCC.dcm", "w2/LCC.dcm", "RCC.dcm"]),
        (["a/x/LCC.dcm", "b/x/LCC.dcm"], ["a/x/LCC.dcm", "b/x/LCC.dcm"]),
        (["LCC.dcm", "/LCC.dcm", "/b/LCC.dcm"], ["LCC.dcm", "/LCC.dcm", "b/LCC.dcm"]),
        (["line\nbreak.dcm"], ["line\\nbreak.dcm"]),
        ([], []),
    ],
)
def test_ends_of_paths(paths, names):
    assert image_names(paths) == names


def test_uids_are_cut_and_stay_different():
    paths = [f"/archive/{UID}/{UID}.{number}.dcm" for number in range(1000)]
    names = image_names(paths)
    assert len(set(names)) == 1000
    assert max(map(len, names)) <= 40
    assert all("\u2026" in name for name in names)


def test_what_differs_in_the_middle_only_is_not_cut_away():
    paths = ["a" * 40 + middle + "b" * 40 for middle in ("1", "2")]
    names = image_names(paths)
    assert len(set(names)) == 2


def test_names_fit_the_room_there_is():
    paths = [f"{UID}.{number}.dcm" for number in range(20)]
    assert image_names(paths, 200) == paths
    cut = image_names(paths, 20)
    assert len(set(cut)) == 20
    assert max(map(len, cut)) <= 20


def test_folder_of_all():
    assert common_folder(["a/b/c.dcm", "a/d.dcm"]) == "a"
    assert common_folder(["/a/b.dcm", "c.dcm"]) == ""
    assert common_folder(["b.dcm"]) == ""
    assert common_folder(["/a/b.dcm", "/c/d.dcm"]) == ""
    assert common_folder([]) == ""
