"""``bacctl demo``: from nothing to a measured exam whose true mass is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bacctl.cli.console import Console
from bacctl.cli.extras import needs
from bacctl.cli.guard import EXIT_SOME_FAILED, guarded


@guarded
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where everything is left.")] = Path("out/demo"),
) -> None:
    """Analyse a phantom exam and compare with the truth.

    Its calcium mass is known, for it is made on the spot. Research use only.
    """
    with needs("server"):
        from bacctl.demo import demo_rows, write_demo_exam
    from rich import box
    from rich.console import Console as RichConsole
    from rich.table import Table

    from bacctl.cli.batch import Batch
    from bacctl.results import INTENDED_USE

    console = Console(quiet=False)
    console.talk("1/3  making a woman of known calcium mass (four mammograms, DICOM)")
    exam = write_demo_exam(out / "exam")
    console.talk("2/3  starting Triton and analysing the four views")
    batch = Batch(console, out=out, kinds=("json", "mask", "overlay"), pixel_spacing_mm=None)
    batch.run([view.path for view in exam.views], url=None)
    batch.finish()
    if batch.interrupted:
        raise KeyboardInterrupt
    console.talk("3/3  done, the server is stopped")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("view", "calcium mg [95 %]", "true mg", "area mm2", "true mm2", "category"):
        table.add_column(title, justify="left" if title in ("view", "category") else "right", no_wrap=True)
    rows = demo_rows(exam, batch.images, batch.exams[0] if batch.exams else None)
    for row in rows[:-1]:
        table.add_row(*row)
    table.add_section()
    table.add_row(*rows[-1], style="bold")
    RichConsole(highlight=False, width=max(100, RichConsole().width)).print(table)
    typer.echo(f"A digital phantom, {INTENDED_USE}. Breast = mean of CC and MLO; woman = left + right.\n")
    for what, where in (
        ("exam", "exam/*.dcm, truth.json"),
        ("masks", "*.mask.png"),
        ("overlays", "*.overlay.png"),
        ("JSON", "analysis.json"),
    ):
        typer.echo(f"  {what:9} {out}/{where}")
    if not batch.all_well:
        raise typer.Exit(EXIT_SOME_FAILED)
