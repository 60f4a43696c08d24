"""Reads the damaged files in a process of its own, which a decoder may end, and writes a line about each."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from corpus import SPACING_MM, bases, corpus

from bac_imaging.prepare import Prepared, prepare
from bac_imaging.read.reader import refuse_header
from bac_terms.errors import BacctlError


def measured(data: bytes) -> Prepared:
    """All that is done before the network."""
    options = None if data[128:132] == b"DICM" else {"pixel_spacing_mm": [SPACING_MM, SPACING_MM]}
    return prepare(data, options)


def facts(image: Prepared) -> tuple[object, ...]:
    """What a mass, an area and a length rest on, beside the pixels."""
    seen = image.context
    return seen.shape, seen.grid, seen.working_spacing_mm, seen.magnification, seen.beam, seen.signal_kind


def outcome(data: bytes, truth: Prepared) -> str:
    """A code, "warned", "same" for the numbers of the undamaged file, or "silent"."""
    try:
        refuse_header(data)
        image = measured(data)
    except BacctlError as error:
        return error.code if str(error).isprintable() and "\n" not in str(error) else "several lines"
    known = [notice.code for notice in truth.context.warnings]
    if [notice.code for notice in image.context.warnings] != known:
        return "warned"
    is_same = facts(image) == facts(truth) and np.array_equal(image.signal, truth.signal)
    return "same" if is_same and np.array_equal(image.breast, truth.breast) else "silent"


def main(count: int, every: int) -> None:
    """Write number, base, damage, outcome and seconds of processor time of each."""
    truths = {name: measured(data) for name, data in bases().items()}
    for case in corpus(count, every=every):
        print(json.dumps([case.number, case.base, case.damage]), flush=True)
        before = time.process_time()
        found = outcome(case.data, truths[case.base])
        print(json.dumps([found, time.process_time() - before]), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
