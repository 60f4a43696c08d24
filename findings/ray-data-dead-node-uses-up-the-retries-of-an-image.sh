#!/usr/bin/env bash
# A bound on retries that is to give up an image which kills its worker ends the whole Ray Data run when a node dies
#
# Versions:   ray 2.60.0, pyarrow 25.0.1, numpy 1.26.4, pandas 2.3.3; Python 3.11
# Expected:   max_restarts and max_task_retries bound how often an image is tried. A node that dies costs the tasks on
#             it one try of three, and they are done again elsewhere.
# Seen:       until the node is known to be dead (some seconds), each call to its actor counts as a try: "The actor is
#             temporarily unavailable", about once a second. The three are gone before anything could be tried again,
#             and the run ends with ActorUnavailableError. Without a bound, Ray Data's default, all images come back.
# Output:     bound of 3: ActorUnavailableError after a node died
#             no bound: 24 of 24 images after a node died
# Why:        an archive of mammograms is worked on for days on machines that may be taken away, and its images
#             include some that end a decoder or a server. The bound that the latter ask for makes the former fatal.
# What to do: leave both at -1, and count for yourself, outside of the actors, on which image they died: begin and end
#             of each told to an actor of no CPUs. Give up the image, not the task.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check \
  "ray[data]==2.60.0" pyarrow==25.0.1 numpy==1.26.4 pandas==2.3.3 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
RAY_USAGE_STATS_ENABLED=0 venv/bin/python -W ignore - 2>messages <<'PY' || { tail -20 messages >&2; exit 1; }
import logging
import sys
import time

import pyarrow as pa
import ray
from ray.cluster_utils import Cluster

IMAGES = 24
cluster = Cluster()


def add_node(**options):
    """Start a node; Ray gives it half a minute, too little on a busy machine."""
    for turn in range(4):
        try:
            return cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20, **options)
        except Exception as error:
            if "timed out during startup" not in str(error) or turn == 3:
                raise
    return None


add_node(include_dashboard=False)
second = add_node()
ray.init(cluster.address, log_to_driver=False, logging_level=logging.CRITICAL)
ray.data.DataContext.get_current().enable_progress_bars = False
logging.getLogger("ray.data").setLevel(logging.CRITICAL)


class Measure:
    """Takes as long as an image may."""

    def __call__(self, images):
        time.sleep(1.0)
        return images.append_column("node", pa.array([ray.get_runtime_context().get_node_id()]))


def run(retries):
    """Kill the second node once both have measured; say what came."""
    global second
    images = ray.data.from_arrow([pa.table({"image": [number]}) for number in range(IMAGES)])
    measured = images.map_batches(
        Measure,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=2),
        num_cpus=1,
        max_restarts=retries,
        max_task_retries=retries,
    )
    came, nodes = set(), set()
    try:
        for table in measured.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            came |= set(table["image"].to_pylist())
            nodes |= set(table["node"].to_pylist())
            if len(nodes) == 2 and second is not None:
                cluster.remove_node(second, allow_graceful=False)
                second = None
    except ray.exceptions.RayError as error:
        return f"{type(error).__name__}" + " after a node died" * (second is None)
    return f"{len(came)} of {IMAGES} images" + " after a node died" * (second is None)


bounded = run(3)
print("bound of 3:", bounded)
second = add_node()
free = run(-1)
print("no bound:", free)
ray.shutdown()
cluster.shutdown()
if "Unavailable" not in bounded or free != f"{IMAGES} of {IMAGES} images after a node died":
    sys.exit("CHANGED: what came is other than stated")
print("AS STATED")
PY
