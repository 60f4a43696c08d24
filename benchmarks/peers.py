"""What others get out of the same weights on the same cores, in turn with the embedded server.

    python benchmarks/peers.py --out out/bench      # or make bench

- *MONAI*: its sliding window over the whole image on PyTorch in float32, windows and overlap as ours.
- *plain patches*: the image cut without overlap, air included, on PyTorch in float32. So SCU-Net's authors
  work, whose network this is not (Guo et al. 2021, doi:10.1101/2021.07.30.21261406).
- *FastAPI*: uvicorn, our own steps and ONNX Runtime in float32 in one process, four images at a time.

The first two get the normalised image as a gift: reading, preparing and measuring are in our figure and in
FastAPI's, and in none of theirs. Writes peers.json and peers.md beside what ``bacctl bench`` writes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from monai.inferers import sliding_window_inference

from bac_export.torch_engine import network_from_onnx
from bac_imaging.files import digest_of
from bac_imaging.grid.tiles import TILE_PX, TILE_STRIDE_PX
from bac_imaging.pipeline import prepare
from bac_training.network.unet import ProbabilityNet
from bacctl.bench.drive import Driven
from bacctl.bench.figures import Checkout, Document, Notebook
from bacctl.bench.inputs import phantom_views, repeated
from bacctl.bench.plan import QUICK, USUAL
from bacctl.bench.run import this_machine
from bacctl.bench.subjects import THIS, this_installation
from bacctl.bench.tables import as_markdown

IN_FLIGHT = 4
OVERLAP = 1.0 - TILE_STRIDE_PX / TILE_PX
Image = npt.NDArray[np.float32]


def load_network(model: Path) -> torch.nn.Module:
    """Return the served weights in PyTorch, from one channel to probabilities."""
    shape = json.loads(model.with_name("model_card.json").read_text())["network"]
    return ProbabilityNet(network_from_onnx(model, shape)).eval()


def by_monai(network: torch.nn.Module) -> Callable[[Image], object]:
    """Return MONAI's way over one whole image."""

    def run(image: Image) -> object:
        with torch.inference_mode():
            whole = torch.from_numpy(image)[None, None]
            return sliding_window_inference(
                whole, (TILE_PX, TILE_PX), 1, network, overlap=OVERLAP, mode="gaussian"
            )

    return run


def by_plain_patches(network: torch.nn.Module) -> Callable[[Image], object]:
    """Return the way over every patch of the matrix, one after the other."""

    def run(image: Image) -> object:
        rows, columns = (math.ceil(size / TILE_PX) * TILE_PX for size in image.shape)
        padded = np.zeros((rows, columns), np.float32)
        padded[: image.shape[0], : image.shape[1]] = image
        answer = np.empty_like(padded)
        with torch.inference_mode():
            for row in range(0, rows, TILE_PX):
                for column in range(0, columns, TILE_PX):
                    place = slice(row, row + TILE_PX), slice(column, column + TILE_PX)
                    answer[place] = network(torch.from_numpy(padded[place])[None, None])[0, 0]
        return answer[: image.shape[0], : image.shape[1]]

    return run


@contextlib.contextmanager
def fastapi_server() -> Iterator[str]:
    """Run benchmarks/peer_fastapi.py and yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "--log-level", "warning"]
    with subprocess.Popen(  # noqa: S603  # our own program
        [*command, "peer_fastapi:app"], cwd=Path(__file__).parent
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}/analyze"
            deadline = time.monotonic() + 300.0
            while time.monotonic() < deadline and process.poll() is None:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                    break
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()


def post(url: str, data: bytes) -> None:
    """Have one image measured."""
    request = urllib.request.Request(url, data)  # noqa: S310  # our own server
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        if not json.load(answer)["report"]:
            raise SystemExit("FastAPI: no report")


def rate(work: Callable[[], object], views: int) -> float:
    """Return views a second."""
    began = time.perf_counter()
    work()
    return views / (time.perf_counter() - began)


def measure(out: Path, rounds: int, views: Sequence[Path]) -> Document:
    """Run all, in turn."""
    date, load = datetime.now(timezone.utc), os.getloadavg()[0]
    subject = this_installation()
    network = load_network(subject.model)
    monai, patches = by_monai(network), by_plain_patches(network)
    images = [prepare(view.read_bytes()).normalised for view in views]
    data = [view.read_bytes() for view in views]
    notes = Notebook([THIS])
    with (
        Driven(subject, out / "peers.log") as one,
        fastapi_server() as url,
        ThreadPoolExecutor(IN_FLIGHT) as pool,
    ):
        runs: dict[str, Callable[[], object]] = {
            THIS: lambda: one.closed(views, IN_FLIGHT),
            "FastAPI": lambda: list(pool.map(lambda content: post(url, content), data)),
            "MONAI": lambda: [monai(image) for image in images],
            "plain patches": lambda: [patches(image) for image in images],
        }
        one.closed(views[:1], 1)
        post(url, data[0])
        monai(images[0])
        patches(images[0])
        for number in range(rounds):
            for name in sorted(runs, reverse=bool(number % 2)):
                notes.note(("peers", "throughput", ""), "views/s", name, rate(runs[name], len(views)))
        checkout = Checkout(THIS, one.version, subject.revision, digest_of(subject.model))
    return Document(
        date=f"{date:%Y-%m-%dT%H:%M:%SZ}",
        machine=this_machine(load),
        images=tuple(digest_of(view) for view in views),
        command=shlex.join(["python", *sys.argv]),
        subjects=(checkout,),
        figures=notes.figures(),
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    amount = QUICK if options.quick else USUAL
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    count = 1 if options.quick else 4
    views = repeated(phantom_views(out / "phantoms", count), count)
    document = measure(out, min(amount.rounds, 3), views)
    (out / "peers.json").write_text(json.dumps(document.to_json(), indent=2) + "\n")
    page = as_markdown(document)
    (out / "peers.md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
