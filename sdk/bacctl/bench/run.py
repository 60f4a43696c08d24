"""A whole run: subjects started, images chosen, parts measured in turn, a document of it all."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from bac_imaging.files import digest_of
from bacctl.bench.drive import Driven
from bacctl.bench.errors import BenchError
from bacctl.bench.figures import Checkout, Document, Machine, Notebook
from bacctl.bench.inputs import phantom_views
from bacctl.bench.parts import PARTS
from bacctl.bench.plan import Amount, Bench
from bacctl.bench.subjects import other, this_installation


def run(
    out: Path,
    amount: Amount,
    *,
    parts: Sequence[str] = tuple(PARTS),
    against: Sequence[Path] = (),
    images: Sequence[Path] = (),
    command: str = "",
    progress: Callable[[str], None] = lambda _: None,
) -> Document:
    """Measure.

    Parameters
    ----------
    out : Path
        Folder for phantoms, environments and logs.
    amount : Amount
        How much to measure.
    parts : sequence of str
        Names of `PARTS`.
    against : sequence of Path
        Checkouts and wheels to measure beside this installation.
    images : sequence of Path
        What to send; default: raw phantom views.
    command : str
        What was typed, for the document.
    progress : callable
        Told what is done now.

    Returns
    -------
    Document

    Raises
    ------
    BenchError
        Something cannot be measured: no subject, an image that is refused, a server that fails.
    """
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    date, load = datetime.now(timezone.utc), os.getloadavg()[0]
    subjects = [this_installation(), *(other(path, out / "against") for path in against)]
    names = [subject.name for subject in subjects]
    if len(set(names)) < len(names):
        raise BenchError(f"{', '.join(names)}: two subjects have one name; rename a folder")
    progress("making phantoms")
    sent = list(images) or phantom_views(out / "phantoms", amount.views)
    notes = Notebook(names)
    with contextlib.ExitStack() as servers:
        driven = []
        for subject in subjects:
            progress(f"starting {subject.name}")
            driven.append(servers.enter_context(Driven(subject, out / f"{subject.name}.log")))
        progress("warming up")
        for one in driven:
            one.closed(sent, 1)
            one.closed(sent[:4], 4)
        bench = Bench(amount, sent, driven, notes, out, progress)
        for part in parts:
            PARTS[part](bench)
        checkouts = tuple(
            Checkout(one.subject.name, one.version, one.subject.revision, digest_of(one.subject.model))
            for one in driven
        )
    return Document(
        date=f"{date:%Y-%m-%dT%H:%M:%SZ}",
        machine=this_machine(load),
        images=tuple(digest_of(path) for path in sent),
        command=command,
        subjects=checkouts,
        figures=notes.figures(),
    )


def this_machine(load: float) -> Machine:
    """Return where this runs; `load` is that of before the run."""
    names = (
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    return Machine(
        cpu=next(names, platform.machine()),
        cores=len(os.sched_getaffinity(0)),
        load=round(load, 2),
        python=platform.python_version(),
        numpy=np.__version__,
    )
