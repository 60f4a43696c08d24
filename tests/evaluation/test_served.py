"""Metal that the pipeline leaves out by its weight is no false alarm in tuning, nor in FROC."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from PIL import Image
from scipy import ndimage

from bac_evaluation.dataset import Dataset, View, Woman
from bac_evaluation.measure import measure
from bac_evaluation.operating_point.pieces import GRID, collect
from bac_evaluation.served import segment_view
from bac_evaluation.settings import Settings
from bac_imaging.grid.tiles import cut_tiles
from bac_imaging.pipeline import find, prepare, to_working_mask
from bac_phantom.beams import Beam
from bac_phantom.body.anatomy import Anatomy
from bac_phantom.dicom import encode_dicom
from bac_phantom.looks import raw_linear
from bac_phantom.render import Exposure, expose
from bac_training.network.backends import Segmenter

FloatArray = npt.NDArray[np.float32]

SHAPE = (700, 600)  # of 0.1 mm
ARTERY = np.s_[500:512, 100:350]
WIRE = np.s_[200:205, 100:400]
FACTS = {
    "sop_instance_uid": "2.25.1",
    "series_instance_uid": "2.25.2",
    "study_instance_uid": "2.25.3",
    "woman_seed": "made",
    "instance_number": 1,
    "raw": True,
    "log": False,
    "laterality": "L",
    "view": "CC",
    "flipped": False,
    "pitch_mm": 0.1,
    "sid_mm": 660.0,
    "gap_mm": 20.0,
    "thickness_mm": 47.0,
    "anode": "W",
    "filter_material": "Rh",
    "filter_thickness_mm": 0.05,
    "kvp": 28,
    "detector": "a-Se",
    "grid": True,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw image with an artery of 20 mg/cm2 and a wire of metal; the mask knows the artery alone."""
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    inside = (x / 480.0) ** 2 + ((y - 350.0) / 320.0) ** 2 < 1
    fat, gland = (np.where(inside, mm, 0.0).astype(np.float32) for mm in (40.0, 7.0))
    anatomy = Anatomy(fat, gland, inside, np.where(inside, 100.0, 0.0).astype(np.float32), (35.0, 47.0))
    calcium = np.zeros(SHAPE, dtype=np.float32)
    calcium[ARTERY], calcium[WIRE] = 0.2, 6.0
    exposure = Exposure(Beam("W", "Rh", 0.050, 28), True, 0.12, 0.035, 3e5, 0.0)
    signal = expose(np.random.default_rng(1), anatomy, calcium, exposure, 0.1)
    out = tmp_path_factory.mktemp("served")
    file = pydicom.dcmread(io.BytesIO(encode_dicom(raw_linear(signal), FACTS)))
    # A part of a detector, which the header says.
    file.FieldOfViewDimensions = [round(0.1 * side) for side in SHAPE]
    file.save_as(out / "a.dcm", enforce_file_format=True)
    true = np.zeros(SHAPE, dtype=np.uint8)
    true[ARTERY] = 255
    Image.fromarray(true).save(out / "a.mask.png")
    return out


@pytest.fixture(scope="module")
def taken(folder: Path) -> Segmenter:
    """A network that takes both for arteries."""
    prepared = prepare((folder / "a.dcm").read_bytes())
    both = np.zeros(SHAPE, dtype=bool)
    both[ARTERY] = both[WIRE] = True
    tiles, _ = cut_tiles(to_working_mask(both, prepared.context).astype(np.float32), prepared.breast)
    return Segmenter("0" * 64, 0.5, "made", answering(prepared.tiles, tiles))


def answering(asked: FloatArray, answers: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Return a network that gives these answers to these tiles, whichever way they lie."""
    known = {}
    for tile, answer in zip(asked[:, 0], answers[:, 0], strict=True):
        for quarters in range(4):
            seen, said = np.rot90(tile, quarters), np.rot90(answer, quarters)
            known[seen.tobytes()], known[seen.T.tobytes()] = said, said.T
    return lambda tiles: np.stack([known[tile.tobytes()][None] for tile in tiles[:, 0]])


VIEW = View("a.dcm", "a.mask.png")


def test_pieces_to_choose_settings_on_hold_no_metal(folder: Path, taken: Segmenter) -> None:
    woman = Woman("a", (VIEW,))
    rows = collect(Dataset(folder, (woman,), None, "0" * 64), Path("any.onnx"), taken)
    pieces = rows["a.dcm"]["pieces"]
    assert set(pieces) == {f"{core:g}" for core in GRID["core"]}
    for (peak, area, length, false, *outlined), *more in pieces.values():
        assert not more
        assert (peak, false, outlined) == (1.0, 0, 2 * len(GRID["outline"]) * [3000])
        assert (area, length) == (pytest.approx(30.0), pytest.approx(25.0, abs=0.5))
    # The network did take the wire for an artery: without its weight there would be two.
    image = segment_view(folder, VIEW, taken)
    assert len(find(image.probability, image.context, Settings(0.5).parameters()).lengths_mm) == 2


def test_a_halo_around_a_wire_makes_no_room_for_calcium(folder: Path, taken: Segmenter) -> None:
    """A network that outlines what is beside the wire, in doubt: metal still, and the same candidates."""
    prepared = prepare((folder / "a.dcm").read_bytes())
    sure, unsure = np.zeros(SHAPE, dtype=bool), np.zeros(SHAPE, dtype=bool)
    sure[ARTERY] = sure[WIRE] = True
    unsure[WIRE] = True
    beside = ndimage.binary_dilation(to_working_mask(unsure, prepared.context), iterations=2)
    answer = np.where(to_working_mask(sure, prepared.context), 1.0, np.where(beside, 0.35, 0.0))
    tiles, _ = cut_tiles(answer.astype(np.float32), prepared.breast)
    doubtful = Segmenter("0" * 64, 0.5, "made", answering(prepared.tiles, tiles))
    row = measure(folder, VIEW, doubtful, Settings(0.3, {"core": 0.9}))
    assert [warning["code"] for warning in row.result["warnings"]] == ["BAC-W-METAL"]
    assert [candidate.false for candidate in row.candidates] == [False]
    assert [vessel.false for vessel in row.found_vessels] == [False]


def test_candidates_of_the_curve_hold_no_metal(folder: Path, taken: Segmenter) -> None:
    row = measure(folder, VIEW, taken, Settings(0.5))
    assert [warning["code"] for warning in row.result["warnings"]] == ["BAC-W-METAL"]
    assert [candidate.false for candidate in row.candidates] == [False]
    assert [vessel.false for vessel in row.found_vessels] == [False]
