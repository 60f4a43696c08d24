"""``bacctl bench``: how fast this installation is, beside its own network and beside other checkouts."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bacctl.cli.extras import needs
from bacctl.cli.guard import CommandError, UsageError, guarded
from bacctl.cli.options import AsJson, Quiet
from bacctl.cli.sink import Sink, form_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.markdown import Markdown

    from bacctl.bench.figures import Document


@guarded
def bench(
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[IMAGE|DIR]...", help="What to send.  [default: raw phantom views]"),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where phantoms, logs, bench.json and bench.md are written.")
    ] = Path("bacctl-bench"),
    against: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="Measure this checkout or wheel too, in turn with this installation; may be repeated.",
        ),
    ] = None,
    part: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Comma list of what to measure: served, arrivals, cost, memory, cold.  [default: all]",
        ),
    ] = "",
    rounds: Annotated[
        int | None, typer.Option(min=1, help="How often each figure is measured.  [default: 5]")
    ] = None,
    memory_images: Annotated[
        int | None,
        typer.Option(min=10, help="How many images memory is watched over.  [default: 48]"),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only see that it works; the figures mean nothing.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure speed and memory with an embedded server.

    Throughput and latency beside the bare network, where the time goes, images that come by the clock,
    memory, the cold start; of other checkouts side by side. Research use only.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file; give a folder with --out")
    with needs("server"):
        import dataclasses

        from bac_imaging.files import write_whole
        from bacctl.bench.errors import BenchError
        from bacctl.bench.parts import PARTS
        from bacctl.bench.plan import QUICK, USUAL
        from bacctl.bench.run import run
        from bacctl.bench.tables import as_markdown
    parts = [name.strip() for name in part.split(",") if name.strip()] or list(PARTS)
    if unknown := sorted(set(parts) - set(PARTS)):
        raise UsageError(f"--part {','.join(unknown)}: unknown; choose from {', '.join(PARTS)}")
    amount = QUICK if quick else USUAL
    amount = dataclasses.replace(
        amount, rounds=rounds or amount.rounds, memory_images=memory_images or amount.memory_images
    )
    with Sink(form_of(as_json), quiet=quiet) as sink:
        try:
            document = run(
                out,
                amount,
                parts=parts,
                against=against or (),
                images=_files(images or ()),
                command=shlex.join(["bacctl", *sys.argv[1:]]),
                progress=_Lines(sink),
            )
        except BenchError as error:
            raise CommandError(str(error)) from None
        written = json.dumps(document.to_json(), indent=2, allow_nan=False) + "\n"
        write_whole(out / "bench.json", written.encode())
        write_whole(out / "bench.md", as_markdown(document).encode())
        sink.document(document.to_json())
        _show(sink, document)
        sink.text(f"{out / 'bench.json'} and {out / 'bench.md'} (research use only)")


def _files(images: Sequence[Path]) -> list[Path]:
    from bacctl.sources import find_sources

    if not images:
        return []
    try:
        found = find_sources(images)
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: does not exist") from None
    if found.faults:
        path, reason = found.faults[0]
        raise CommandError(f"{path}: {reason}")
    if not found.files:
        raise UsageError(f"{images[0]}: holds no image")
    return list(found.files)


class _Lines:
    """Says what is measured, once for each part of the run."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._said = ""

    def __call__(self, text: str) -> None:
        head = text.partition(",")[0]
        if head != self._said:
            self._said = head
            self._sink.talk(head)


def _show(sink: Sink, document: Document) -> None:
    from bacctl.bench.tables import as_markdown

    def make(console: Console) -> Markdown:
        from rich.markdown import Markdown

        return Markdown(as_markdown(document))

    sink.render(make)
