"""What decoding a compressed mammogram costs beside all else that is done with it, in processor time.

Takes one raw view of a phantom data set, compresses it without loss as archives do, and reads it again::

    bacctl phantom validation --women 1 --seed 630000
    OMP_NUM_THREADS=1 python benchmarks/decode_cost.py validation
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gdcm
import pydicom
from pydicom.uid import UID, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from bac_imaging.pipeline import prepare, quantify
from bac_imaging.read.reader import read_mammogram
from bacctl.server.repository import default_repository
from bacctl.service.network import CpuNetwork
from bacctl.service.steps import read_model_card

REPETITIONS = 5


def compressed(path: Path, syntax: UID) -> bytes:
    """Return the file in another transfer syntax; gdcm is the one encoder that knows them all."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    if not reader.Read():
        raise SystemExit(f"{path} cannot be read")
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(syntax))))
    change.SetInput(reader.GetImage())
    if not change.Change():
        raise SystemExit(f"{path} cannot be compressed as {syntax.name}")
    writer = gdcm.ImageWriter()
    with tempfile.NamedTemporaryFile(suffix=".dcm") as target:
        writer.SetFileName(target.name)
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        if not writer.Write():
            raise SystemExit(f"{path} cannot be written as {syntax.name}")
        return Path(target.name).read_bytes()


def least(work: Callable[[], object]) -> float:
    """Return the least processor time of a few repetitions, in ms."""
    times = []
    for _ in range(REPETITIONS + 1):
        began = time.process_time()
        work()
        times.append(1e3 * (time.process_time() - began))
    return min(times[1:])


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="phantom data set")
    options = parser.parse_args()
    women = json.loads((options.data / "truth.json").read_text())["women"]
    path = next(
        options.data / image["path"] for woman in women for image in woman["images"] if image["look"] == "raw"
    )
    plain = path.read_bytes()
    dataset = pydicom.dcmread(io.BytesIO(plain))
    made = prepare(plain)
    folder = default_repository() / "bac_segment" / "1"
    card = read_model_card(folder)
    segment = CpuNetwork(folder / "model.onnx")
    reading = least(lambda: read_mammogram(plain))
    preparing = least(lambda: prepare(plain)) - reading
    segmenting = least(lambda: segment(made.tiles))
    probability = segment(made.tiles)
    weighing = least(lambda: quantify(probability, made.signal, made.context, card.parameters()))
    print(f"{dataset.Rows} x {dataset.Columns} pixels, {len(made.tiles)} tiles")
    print(f"preparing {preparing:.0f} ms, segmenting {segmenting:.0f} ms, weighing {weighing:.0f} ms\n")
    print("| transfer syntax | MB | decoding, ms |\n|---|---|---|")
    print(f"| uncompressed | {len(plain) / 1e6:.1f} | - |")
    for syntax in (JPEGLosslessSV1, JPEG2000Lossless, JPEGLSLossless, RLELossless):
        data = compressed(path, syntax)
        decoding = least(lambda data=data: read_mammogram(data)) - reading
        print(f"| {syntax.name} | {len(data) / 1e6:.1f} | {decoding:.0f} |", flush=True)


if __name__ == "__main__":
    main()
