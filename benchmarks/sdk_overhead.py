"""What the SDK costs: beside a bare tritonclient call, in memory over many images, and at import.

    python benchmarks/sdk_overhead.py call --url HOST:PORT IMAGE   # against a server that runs (or its own)
    python benchmarks/sdk_overhead.py memory
    python benchmarks/sdk_overhead.py import

Only ratios of measurements taken in turn are given: on a busy machine, seconds alone say little.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from bacctl import AsyncClient, Client, ImageResult
from bacctl.client.canary import canary_image

SHAPE = (480, 320)
IN_FLIGHT = 32

# A Triton that has its answer ready, in a process of its own: what is left is the way there and back.
ECHO = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
import grpc, numpy as np
from tritonclient.grpc import service_pb2
from bacctl.testing import make_report
rows, columns, dense = int(sys.argv[1]), int(sys.argv[2]), bool(int(sys.argv[3]))
basis = dict(mass_basis="calibrated") if dense else dict(
    mass_basis="none", calcium_mass_mg=None, calcium_mass_interval_mg=None)
report = json.dumps(make_report(rows=rows, columns=columns, weights_sha256="0" * 64, **basis)).encode()
answer = service_pb2.ModelInferResponse(model_name="bac")
density = np.zeros((rows, columns) if dense else (0, 0), np.float32)
for name, kind, shape, content in (
    ("REPORT", "UINT8", [len(report)], report),
    ("MASK", "UINT8", [-(-rows * columns // 8)], bytes(-(-rows * columns // 8))),
    ("DENSITY", "FP32", density.shape, density.tobytes()),
):
    answer.outputs.add(name=name, datatype=kind, shape=shape)
    answer.raw_output_contents.append(content)
answer = answer.SerializeToString()
service = grpc.method_handlers_generic_handler("inference.GRPCInferenceService", {
    "ModelInfer": grpc.unary_unary_rpc_method_handler(lambda request, context: answer)})
options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
server = grpc.server(ThreadPoolExecutor(4), options=options)
server.add_generic_rpc_handlers([service])
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
sys.stdin.read()
"""


@contextlib.contextmanager
def echo(rows: int, columns: int, *, dense: bool) -> Iterator[str]:
    """Run the server that has its answer ready, and give its address."""
    command = [sys.executable, "-c", ECHO, str(rows), str(columns), str(int(dense))]
    with subprocess.Popen(  # noqa: S603  # this file's own program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdout is None or process.stdin is None:
            raise SystemExit("the server has no pipes")
        yield f"127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


def bare(url: str, data: bytes, options: dict[str, object] | None) -> Callable[[], object]:
    """Return the call that an application without the SDK would make, its outputs as arrays."""
    from tritonclient import grpc

    client = grpc.InferenceServerClient(url)

    def call() -> object:
        sent = {"DICOM": data}
        if options:
            sent["OPTIONS"] = json.dumps(options).encode()
        inputs = []
        for name, content in sent.items():
            tensor = grpc.InferInput(name, [len(content)], "UINT8")
            tensor.set_data_from_numpy(np.frombuffer(content, np.uint8))
            inputs.append(tensor)
        result = client.infer("bac", inputs)
        report = json.loads(result.as_numpy("REPORT").tobytes())
        shape = report["rows"], report["columns"]
        mask = np.unpackbits(result.as_numpy("MASK"), count=shape[0] * shape[1]).reshape(shape).view(bool)
        return report, mask, result.as_numpy("DENSITY")

    return call


def measure_calls(url: str | None, image: Path | None, rounds: int) -> dict[str, object]:
    """Time both calls on the same bytes in turn, which goes first changing from round to round."""
    data = canary_image() if image is None else image.read_bytes()
    spacing = (0.2, 0.2) if image is None else None
    with Client(url) if url else Client.embedded() as client:
        plain = bare(client.url, data, {"pixel_spacing_mm": list(spacing)} if spacing else None)
        calls = {"bare": plain, "sdk": lambda: client.analyze(data, spacing)}
        seconds: dict[str, list[float]] = {name: [] for name in calls}
        for turn in range(rounds + 2):
            for name in sorted(calls, reverse=bool(turn % 2)):
                start = time.perf_counter()
                calls[name]()
                if turn >= 2:
                    seconds[name].append(time.perf_counter() - start)
    pairs = sorted(sdk / plain for sdk, plain in zip(seconds["sdk"], seconds["bare"], strict=True))
    return {
        "bytes": len(data),
        "rounds": rounds,
        "bare_median_s": statistics.median(seconds["bare"]),
        "sdk_median_s": statistics.median(seconds["sdk"]),
        "ratio_of_medians": statistics.median(seconds["sdk"]) / statistics.median(seconds["bare"]),
        "median_of_ratios": statistics.median(pairs),
        "quartiles_of_ratios": [pairs[len(pairs) // 4], pairs[3 * len(pairs) // 4]],
    }


def resident_mb() -> float:
    """Return the memory of this process that is in use, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def measure_memory(images: int) -> dict[str, object]:
    """Hold the resident memory over the second fifth of the images against the last, with 32 in flight.

    Medians, since single values go up and down by a tenth with what happens to be under way.
    """
    data = canary_image()
    found: dict[str, object] = {"images": images, "in_flight": IN_FLIGHT}
    with echo(*SHAPE, dense=True) as url:
        with Client(url) as client:
            marks = []
            for result in client.analyze_many((data for _ in range(images)), max_in_flight=IN_FLIGHT):
                marks.append(sampled(result))
        found["client"] = growth(marks)

        async def main() -> list[float]:
            async with AsyncClient(url) as client:
                many = client.analyze_many((data for _ in range(images)), max_in_flight=IN_FLIGHT)
                return [sampled(result) async for result in many]

        found["async_client"] = growth(asyncio.run(main()))
    return found


def sampled(result: ImageResult) -> float:
    """Return the resident memory in MB beside a result that came as it must."""
    if result.status != "ok":
        raise SystemExit(f"{result.code}: {result.reason}")
    return resident_mb()


def growth(marks: list[float]) -> dict[str, float]:
    """Return the medians over the second and the last fifth, and how much the one is above the other."""
    fifth = len(marks) // 5
    early, late = statistics.median(marks[fifth : 2 * fifth]), statistics.median(marks[-fifth:])
    return {"early_mb": early, "late_mb": late, "growth": late / early - 1.0}


def measure_import(rounds: int) -> dict[str, object]:
    """Time the import of bacctl and of numpy in fresh interpreters in turn."""
    statements = ("pass", "import numpy", "import bacctl", "from bacctl import Client, AsyncClient")
    seconds: dict[str, list[float]] = {statement: [] for statement in statements}
    for _ in range(rounds):
        for statement in statements:
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True)  # noqa: S603  # as above
            seconds[statement].append(time.perf_counter() - start)
    middle = {statement: statistics.median(spent) for statement, spent in seconds.items()}
    numpy = middle["import numpy"] - middle["pass"]
    return {
        "rounds": rounds,
        "of_numpy": {name: (spent - middle["pass"]) / numpy for name, spent in middle.items()},
        "median_s": middle,
    }


def main() -> None:
    """Run what is asked for and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("call", "memory", "import"))
    parser.add_argument("image", nargs="?", type=Path, help="default: the test image")
    parser.add_argument("--url", help="default: a server of its own")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--images", type=int, default=2000)
    given = parser.parse_args()
    found = {
        "call": lambda: measure_calls(given.url, given.image, given.rounds),
        "memory": lambda: measure_memory(given.images),
        "import": lambda: measure_import(given.rounds),
    }[given.what]()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
