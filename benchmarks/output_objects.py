"""What it costs to write all DICOM objects of a four-view exam, beside analysing it.

A phantom woman is measured by a server of its own, and her objects are made and written, in turn, several
times; the ratio of the two stands even where the machine is busy with other things::

    python benchmarks/output_objects.py --rounds 3
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from bacctl import Client
from bacctl.demo import write_demo_exam
from bacctl.outputs.dicom import KINDS, make_objects
from bacctl.server.embedded import EmbeddedServer


def main() -> None:
    """Print the seconds of each round, their ratio, and the size of each kind of object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        demo = write_demo_exam(Path(folder))
        paths = [view.path for view in demo.views]
        with EmbeddedServer(http_port=0, metrics_port=0) as server, Client(server.url) as client:
            client.analyze(paths[0])  # the first image of a server costs more
            for number in range(1, rounds + 1):
                start = time.perf_counter()
                exam = client.analyze_exam(paths)
                analysed = time.perf_counter() - start
                start, cpu = time.perf_counter(), time.process_time()
                sizes = dict.fromkeys(KINDS, 0)
                for made in make_objects(exam):
                    data = made.to_bytes()
                    (Path(folder) / made.sop_instance_uid).write_bytes(data)
                    sizes[made.kind] += len(data)
                written, cpu = time.perf_counter() - start, time.process_time() - cpu
                ratios.append(written / analysed)
                print(
                    f"round {number}: analysed in {analysed:.1f} s, written in {written:.1f} s "
                    f"({cpu:.1f} s of processor time), ratio {ratios[-1]:.2f}"
                )
                for made_file in Path(folder).glob("2.25.*"):
                    made_file.unlink()
    print(f"ratio, median: {statistics.median(ratios):.2f}")
    print("MB: " + ", ".join(f"{kind} {size / 1e6:.1f}" for kind, size in sizes.items()))


if __name__ == "__main__":
    main()
