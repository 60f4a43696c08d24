"""``bacctl demo``: from nothing to a measured exam whose true mass is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bacctl.cli.extras import needs
from bacctl.cli.guard import EXIT_SOME_FAILED, guarded
from bacctl.cli.options import Quiet, ServerOptions
from bacctl.cli.sink import Sink

if TYPE_CHECKING:
    from rich.table import Table


@guarded
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where everything is left.")] = Path("out/demo"),
    quiet: Quiet = False,
) -> None:
    """Analyse a phantom exam and compare with the truth.

    Its calcium mass is known, for it is made on the spot. Research use only.
    """
    with needs("server"):
        from bacctl.demo import demo_rows, write_demo_exam
    from bacctl.cli.batch import Batch
    from bacctl.results import INTENDED_USE

    with Sink(quiet=quiet) as sink:
        sink.talk("1/3  making a woman of known calcium mass (four mammograms, DICOM)")
        exam = write_demo_exam(out / "exam")
        sink.talk("2/3  starting Triton and analysing the four views")
        batch = Batch(sink, out=out, kinds=("json", "mask", "overlay"), pixel_spacing_mm=None)
        batch.run([view.path for view in exam.views], ServerOptions())
        batch.finish()
        if batch.stop is not None:
            raise batch.stop
        sink.talk("3/3  done, the server is stopped")
        rows = demo_rows(exam, batch.images, batch.exams[0] if batch.exams else None)
        sink.render(lambda _: _table(rows))
        sink.text(f"A digital phantom, {INTENDED_USE}. Breast = mean of CC and MLO; woman = left + right.\n")
        for what, where in (
            ("exam", "exam/*.dcm"),
            ("truth", "truth.json"),
            ("masks", "*.mask.png"),
            ("overlays", "*.overlay.png"),
            ("JSON", "analysis.json"),
        ):
            sink.text(f"  {what:9} {out}/{where}")
    if not batch.all_well:
        raise typer.Exit(EXIT_SOME_FAILED)


def _table(rows: list[tuple[str, ...]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("view", "calcium mg [95 %]", "true mg", "area mm2", "true mm2", "category"):
        # The category comes with the true one beside it, and is what may take a second line.
        left = title in ("view", "category")
        table.add_column(title, justify="left" if left else "right", no_wrap=title != "category")
    for row in rows[:-1]:
        table.add_row(*row)
    table.add_section()
    table.add_row(*rows[-1], style="bold")
    return table
