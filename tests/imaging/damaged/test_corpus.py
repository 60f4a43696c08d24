"""A thousand damaged files: an error in one line, the numbers of the undamaged file, or a warning."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.imaging.damaged.corpus import COUNT, corpus

CODE = re.compile(r"BAC(-[A-Z0-9]+)+")
MOST_S = 10.0  # of processor time for one small file

# What cannot be seen, and why, is listed in docs/reading.md, how far off it is in docs/reliability.md: other
# values of pixels or of the header that an undamaged file could have as well.
# By base, what was seen to be silent in the whole corpus; another kind has to be looked at.
UNSEEN = {
    "implicit": {"bit_in_pixels", "bits_anywhere", "block_of_another", "length_changed"},
    "rle": {"bit_in_pixels", "bits_anywhere", "segment_lengths"},
    "jpeg-baseline": {"bit_in_pixels"},
    "presentation": {"bit_in_pixels", "block_of_another", "zeroed_block"},
    "tiff-lzw": {"bit_in_header", "bit_in_pixels", "bits_anywhere"},
    "jpeg": {
        "bit_in_codec_header",
        "bit_in_header",
        "bit_in_pixels",
        "bits_anywhere",
        "bytes_added",
        "bytes_missing",
    },
    "jpeg-progressive": {"bit_in_pixels", "length_changed"},
    "explicit": {"bit_in_pixels", "bits_anywhere", "block_of_another", "length_changed", "zeroed_block"},
    "jpeg2000": {"bit_in_pixels", "bits_anywhere", "block_of_another"},
    "tiff": {
        "bit_in_header",
        "bit_in_pixels",
        "bits_anywhere",
        "block_of_another",
        "bomb",
        "bytes_added",
        "length_changed",
        "zeroed_block",
    },
    "tiff-packbits": {
        "bit_in_header",
        "bit_in_pixels",
        "bits_anywhere",
        "block_of_another",
        "bomb",
        "length_changed",
    },
    "deflated": {"bit_in_pixels", "bits_anywhere"},
    "jpeg2000-lossy": {"bit_in_codec_header", "bit_in_pixels", "bits_anywhere", "block_of_another"},
    "jpeg-lossless": {
        "bit_in_codec_header",
        "bit_in_header",
        "bit_in_pixels",
        "bits_anywhere",
        "bytes_missing",
    },
    "big-endian": {"bit_in_pixels", "bits_anywhere", "block_of_another", "zeroed_block"},
    "jpeg-ls": {"bit_in_pixels"},
}


def outcomes(every, tmp_path):
    """Outcome of each file of the corpus, read in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "run.py"), str(COUNT), str(every)],
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    # The last line names the file that ended the process.
    assert done.returncode == 0, (lines[-1:], done.stderr[-2000:])
    return list(zip(lines[::2], lines[1::2], strict=True))


def judged(found, count):
    assert len(found) == count
    assert not [case for case, (outcome, _) in found if not is_known(outcome)]
    assert not [case for case, (_, seconds) in found if seconds > MOST_S]
    silent = [case for case, (outcome, _) in found if outcome == "silent"]
    assert not [case for case in silent if case[2] not in UNSEEN.get(case[1], set())]
    # Most damage is seen.
    assert len(silent) < 0.15 * count


def is_known(outcome):
    return outcome in ("same", "warned", "silent") or CODE.fullmatch(outcome) is not None


@pytest.mark.slow
def test_two_hundred(tmp_path):
    judged(outcomes(5, tmp_path), 200)


@pytest.mark.full
@pytest.mark.timeout(1500)
def test_all(tmp_path):
    judged(outcomes(1, tmp_path), COUNT)


def test_the_same_seed_makes_the_same_files():
    one, other = (list(corpus(12)) for _ in range(2))
    assert one == other
    assert len({case.data for case in one}) == 12
