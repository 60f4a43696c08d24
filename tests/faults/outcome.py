"""What became of the images of a run: none may be lost, doubled or given another's result."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

OUT = Path(os.environ.get("BACCTL_FAULTS_OUT", "out/faults.jsonl")).absolute()


@dataclass
class Outcome:
    """Counts of one run.

    Attributes
    ----------
    fault, way : str
        What was done, and how images were sent.
    images, ok : int
        How many were given, and how many measured.
    wrong, lost, doubled : int
        Results that differ from the undisturbed ones, images without a result, results too many.
    codes : dict
        Of what failed or was refused.
    first_good_s : float or None
        From the fault to the next measured image.
    """

    fault: str
    way: str
    images: int
    ok: int = 0
    wrong: int = 0
    lost: int = 0
    doubled: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    first_good_s: float | None = None

    def write(self) -> None:
        """Add a line to the file that `python -m tests.faults.table` makes a table of."""
        OUT.parent.mkdir(parents=True, exist_ok=True)
        with OUT.open("a") as stream:
            stream.write(json.dumps(asdict(self)) + "\n")

    def check(self) -> None:
        """Fail where a result is wrong, lost or doubled."""
        assert (self.wrong, self.lost, self.doubled) == (0, 0, 0), self

    def check_all_measured(self) -> None:
        """Fail where an image was not measured in the end."""
        self.check()
        assert (self.ok, self.codes) == (self.images, {}), self


def judge(
    fault: str,
    way: str,
    seen: Iterable[tuple[str, str, str | None, str | None]],
    expected: Mapping[str, str],
) -> Outcome:
    """Hold results against the undisturbed ones.

    Parameters
    ----------
    fault, way : str
        For the outcome.
    seen : iterable of tuple
        (path, status, code, fingerprint) of each result.
    expected : mapping of str to str
        Fingerprint by path, of every image that was given.

    Returns
    -------
    Outcome
    """
    results = list(seen)
    outcome = Outcome(fault, way, len(expected))
    times = Counter(path for path, *_ in results)
    outcome.lost = sum(path not in times for path in expected)
    outcome.doubled = sum(count - 1 for count in times.values()) + sum(path not in expected for path in times)
    codes: Counter[str] = Counter()
    for path, status, code, found in results:
        if status == "ok":
            outcome.ok += 1
            outcome.wrong += found != expected.get(path)
        else:
            codes[str(code)] += 1
    outcome.codes = dict(codes)
    return outcome
