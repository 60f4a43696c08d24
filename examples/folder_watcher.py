"""Measure every mammogram that comes into a folder. Research use only.

python folder_watcher.py INCOMING RESULTS

Leaves RESULTS/NAME.json for each file, measured or not. Calls the server at BACCTL_URL, or starts one.
"""

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from bacctl import Client


def look(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return size and time of each file."""
    found = {}
    for path in sorted(folder.iterdir()):
        with suppress(FileNotFoundError):  # gone again
            if path.is_file() and not path.name.startswith("."):
                found[path] = (path.stat().st_size, path.stat().st_mtime_ns)
    return found


def watch(client: Client, incoming: Path, results: Path, every_s: float = 2.0) -> None:
    """Measure files that are new, or not what they were, and have not changed since the last look."""
    done: dict[Path, tuple[int, int]] = {}
    before: dict[Path, tuple[int, int]] = {}
    while True:
        now = look(incoming)
        settled = [path for path in now if before.get(path) == now[path] != done.get(path)]
        for path, image in zip(settled, client.analyze_many(settled, ordered=True), strict=True):
            print(path, image.status, image.code or f"{image.calcium_mass_mg} mg", flush=True)
            if image.code is not None and image.code.startswith("BAC-SERVER-"):
                continue  # the file waits until the server is back
            document = {"intended_use": "research use only", **image.to_dict()}
            part = results / f".{path.name}.part"
            part.write_text(json.dumps(document, indent=1))
            part.replace(results / f"{path.name}.json")
            done[path] = now[path]
        before = now
        time.sleep(every_s)


if __name__ == "__main__":
    incoming, results = Path(sys.argv[1]), Path(sys.argv[2])
    results.mkdir(parents=True, exist_ok=True)
    cache = results / "cache.sqlite"  # so that a second start measures nothing twice
    url = os.environ.get("BACCTL_URL")
    # No long wait for a server that is away: the folder is looked at again anyway.
    client = Client(url, cache=cache, retry_for=5) if url else Client.embedded(cache=cache)
    with suppress(KeyboardInterrupt), client:
        watch(client, incoming, results)
