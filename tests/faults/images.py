"""Small images that all differ in mass, and what an undisturbed server makes of them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.uid import generate_uid

from bac_phantom.qa import make_qa_phantom, qa_specs
from bacctl import Client, ImageResult

# Of a breast with two calcified arteries: one tile of the network.
_PART = np.s_[550:800, 490:1000]
# What a fault may add to a result, or what differs from run to run.
_NOT_MEASURED = {"path", "timings_ms", "files"}
_SAID_OF_A_FAULT = "BAC-W-MEASURED-AGAIN"


def make_images(folder: Path, count: int) -> list[Path]:
    """Write images of 250 x 510 pixels, with 6 to 18 mg of calcium in even steps.

    Parameters
    ----------
    folder : Path
        Where to.
    count : int
        How many.

    Returns
    -------
    list of Path
    """
    spec = next(spec for spec in qa_specs() if spec.calcium_mass_mg == 12.0)
    heavy, none = (
        pydicom.dcmread(io.BytesIO(make_qa_phantom(replace(spec, calcium_mass_mg=mass))))
        for mass in (spec.calcium_mass_mg, 0.0)
    )
    bright = none.pixel_array[_PART].astype(float) + 1.0
    calcium = np.log((heavy.pixel_array[_PART].astype(float) + 1.0) / bright)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index, share in enumerate(np.linspace(0.5, 1.5, count)):
        pixels = np.rint(bright * np.exp(share * calcium) - 1.0)
        none.Rows, none.Columns = pixels.shape
        none.PixelData = np.clip(pixels, 0, 2**14 - 1).astype("<u2").tobytes()
        none.SOPInstanceUID = generate_uid(entropy_srcs=["fault", str(count), str(index)])
        none.file_meta.MediaStorageSOPInstanceUID = none.SOPInstanceUID
        paths.append(folder / f"{index:03d}.dcm")
        none.save_as(paths[-1])
    return paths


def damage(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Write each file once more, cut off in its pixels: harmless, and refused by every part of ours."""
    folder.mkdir(parents=True, exist_ok=True)
    damaged = []
    for path in paths:
        data = path.read_bytes()
        damaged.append(folder / f"cut-{path.name}")
        damaged[-1].write_bytes(data[: len(data) * 2 // 3])
    return damaged


def undisturbed(paths: Sequence[Path]) -> dict[str, str]:
    """Measure images on a server that is left alone; give the fingerprint of each result by path."""
    with Client.embedded() as client:
        results = [client.analyze(path) for path in paths]
    found = {str(path): fingerprint(result) for path, result in zip(paths, results, strict=True)}
    assert len(set(found.values())) == len(found), "two images have one result: a mix-up would not be seen"
    assert all(result.bac_detected for result in results)
    return found


def fingerprint(result: ImageResult) -> str:
    """Return a digest of all that was measured: report, mask and density."""
    arrays = b"".join(
        np.ascontiguousarray(array).tobytes() for array in (result.mask, result.density) if array is not None
    )
    return f"{fingerprint_of(result.to_dict())} {hashlib.sha256(arrays).hexdigest()}"


def fingerprint_of(record: dict[str, Any]) -> str:
    """Return a digest of the record of an image in a document, which has no arrays."""
    kept = {name: value for name, value in sorted(record.items()) if name not in _NOT_MEASURED}
    kept["warnings"] = [notice for notice in kept["warnings"] if notice["code"] != _SAID_OF_A_FAULT]
    return hashlib.sha256(repr(kept).encode()).hexdigest()
