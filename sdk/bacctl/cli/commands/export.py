"""``bacctl export``: from a checkpoint to what Triton loads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bacctl.cli.extras import needs
from bacctl.cli.guard import CommandError, UsageError, guarded
from bacctl.cli.sink import Sink

if TYPE_CHECKING:
    from bac_evaluation.settings import Settings

export_app = typer.Typer(
    help="Turn a checkpoint into what Triton loads. Research use only.", no_args_is_help=True
)


class Precision(str, Enum):
    """Precisions of the network, as `bac_export.precision.Precision` has them."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    FP8 = "fp8"


class Compatibility(str, Enum):
    """What an engine runs on, as `bac_export.tensorrt_export.Compatibility` has it."""

    NONE = "none"
    SAME = "same-compute-capability"
    AMPERE = "ampere-plus"


_Checkpoint = Annotated[
    Path, typer.Argument(metavar="CHECKPOINT", exists=True, dir_okay=False, help="From `bacctl train`.")
]
_Repository = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Model repository.  [default: the one of this installation]"),
]
_Threshold = Annotated[
    float | None,
    typer.Option(metavar="P", help="Probability at outlines.  [default: the settings', or 0.5]"),
]
_Settings = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Threshold, post-processing and probability map, or a model card that has them.",
    ),
]
_Figures = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="report.json of `bacctl evaluate`, for the model card.",
    ),
]
_MaxBatch = Annotated[int, typer.Option(min=1, help="Largest batch, as in configs/gpu.pbtxt.")]


@export_app.command()
@guarded
def onnx(
    checkpoint: _Checkpoint,
    repository: _Repository = None,
    threshold: _Threshold = None,
    settings: _Settings = None,
    figures: _Figures = None,
    precision: Annotated[
        list[Precision] | None,
        typer.Option(help="Also write model_voted.PRECISION.onnx; may be given again."),
    ] = None,
) -> None:
    """Write the network as ONNX, once as it is and once with votes, with its model card.

    All go to bac_segment/1 once the ONNX files agree with PyTorch. Research use only.
    """
    wanted = tuple(p.value for p in precision or ())
    with Sink() as sink:
        path = _export(sink, checkpoint, _repository(repository), threshold, settings, figures, wanted)
        size = path.stat().st_size / 1e6
        sink.text(f"{path} ({size:.1f} MB), the same with votes and card beside it; research use only")


@export_app.command()
@guarded
def votes(repository: _Repository = None) -> None:
    """Write the network with votes anew, from the ONNX file and the model card that are there.

    For core and seed that were changed in the card. model.onnx stays as it is. Research use only.
    """
    with Sink() as sink:
        with _explained("export"), sink.waiting("counting votes on phantoms"):
            from bac_export.votes_export import renew

            path = renew(_repository(repository) / "bac_segment" / "1")
        sink.text(f"{path} ({path.stat().st_size / 1e6:.1f} MB), its digest in the card; research use only")


@export_app.command()
@guarded
def tensorrt(
    plan: Annotated[
        Path | None,
        typer.Argument(metavar="PLAN", help="Engine file.  [default: bac_segment/1/model.plan]"),
    ] = None,
    repository: _Repository = None,
    precision: Annotated[Precision, typer.Option(help="Precision of the engine.")] = Precision.FP16,
    if_needed: Annotated[
        bool, typer.Option("--if-needed", help="Keep an engine that fits this machine.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Build nothing: refuse an engine that does not fit.")
    ] = False,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="In place of PLAN: keep engines of any GPU here."),
    ] = None,
    compatibility: Annotated[
        Compatibility, typer.Option(help="Which other GPUs the engine is to run on.")
    ] = Compatibility.NONE,
    typical_batch: Annotated[int, typer.Option(min=1, help="Batch that the engine is tuned for.")] = 16,
    max_batch: _MaxBatch = 64,
) -> None:
    """Build the TensorRT engine.

    To be run on the machine and in the container that serve it. Research use only.
    """
    if cache is not None and (plan is not None or check):
        raise UsageError("--cache keeps engines under names of its own; leave out PLAN and --check")
    folder = _repository(repository) / "bac_segment" / "1"
    target = plan or folder / "model.plan"
    with Sink() as sink:
        with _explained("export"), sink.waiting("building the engine; this takes minutes"):
            from bac_export.engine import Wanted, keep_engine, make_engine, refuse_foreign
            from bac_export.tensorrt_export import Profile

            wanted = Wanted(precision.value, compatibility.value, Profile(typical_batch, max_batch))
            if check:
                refuse_foreign(folder, target, wanted)
            elif cache is not None:
                target = keep_engine(folder, cache, wanted, if_needed=if_needed, notice=sink.talk)
            else:
                make_engine(folder, target, wanted, if_needed=if_needed, notice=sink.talk)
        sink.text(f"{target}; research use only")


@export_app.command("all")
@guarded
def everything(
    checkpoint: _Checkpoint,
    repository: _Repository = None,
    threshold: _Threshold = None,
    settings: _Settings = None,
    figures: _Figures = None,
) -> None:
    """Write everything that a repository needs: ONNX in two precisions, card, engine.

    A repository that does not exist is made after the one of this installation. Without TensorRT the engine
    is left to the container that serves. Research use only.
    """
    target = _repository(repository)
    if not target.exists():
        shutil.copytree(_repository(None), target, ignore=shutil.ignore_patterns("__pycache__", "*.plan*"))
    with Sink() as sink:
        path = _export(sink, checkpoint, target, threshold, settings, figures, (Precision.FP16.value,))
        sink.text(str(path))
        with _explained("export"):
            from bac_export.device import find_device
            from bac_export.engine import make_engine
            from bac_export.errors import ExportError
            from bac_export.tensorrt_export import load_tensorrt

            try:
                load_tensorrt()
                find_device()
            except ExportError as error:
                sink.talk(f"no engine: {error}")
            else:
                plan = path.with_name("model.plan")
                make_engine(path.parent, plan, notice=sink.talk)
                sink.text(str(plan))
        sink.text(f"{target} is ready to be served; research use only")


@export_app.command()
@guarded
def verify(
    url: Annotated[str, typer.Option(metavar="HOST:PORT", envvar="BACCTL_URL", help="gRPC of the server.")],
    repository: _Repository = None,
) -> None:
    """Hold the network that a server runs against the ONNX file, whatever engine it runs on.

    Research use only.
    """
    with Sink() as sink:
        with _explained("export"), sink.waiting("comparing on phantoms"):
            from bac_export.parity import CASES
            from bac_export.served import verify as compare

            found = compare(url, _repository(repository) / "bac_segment" / "1", CASES)
        sink.text(
            f"{url} agrees with model.onnx and its votes: probability within {found.largest_difference:.2g}, "
            f"Dice {found.dice:.5f}, mass within {100 * found.mass_difference:.2g} %; research use only"
        )


def _export(
    sink: Sink,
    checkpoint: Path,
    repository: Path,
    threshold: float | None,
    settings: Path | None,
    figures: Path | None,
    precisions: tuple[str, ...],
) -> Path:
    measured = None if figures is None else _read_figures(figures)
    import logging  # not wanted for --help

    # It warns of every operator of a package that this network does not use, and of a step that is of no use.
    for name in ("torch.onnx", "root"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with _explained("export"):
        from bac_evaluation.settings import Settings
        from bac_export.onnx_export import run

        chosen = Settings(0.5) if settings is None else _read_settings(settings)
        if chosen.probability_map is not None:
            sources = ", ".join(entry["source"] for entry in chosen.probability_map.get("fitted_on", ()))
            sink.talk(
                f"probabilities by the map fitted on {sources or 'nothing told'}; fit it again where "
                "these are another network's"
            )
        with sink.waiting("exporting and comparing"):
            return run(
                checkpoint,
                repository,
                threshold=chosen.threshold if threshold is None else threshold,
                post_processing=chosen.post_processing,
                probability_map=chosen.probability_map,
                figures=measured,
                precisions=precisions,  # type: ignore[arg-type]  # the values of the enum
            )


@contextmanager
def _explained(extra: str) -> Iterator[None]:
    """Turn what the export or training raises, or a missing package of `extra`, into one line."""
    with needs(extra):
        from bac_export.errors import ExportError
        from bac_training.errors import TrainingError

        try:
            yield
        except (ExportError, TrainingError) as error:
            raise CommandError(str(error)) from None


def _repository(given: Path | None) -> Path:
    from bacctl.server.repository import default_repository

    return default_repository() if given is None else given


def _read_settings(path: Path) -> Settings:
    from bac_evaluation.settings import Settings, read_settings

    try:
        content: Any = json.loads(path.read_text())
    except ValueError:
        content = None
    if isinstance(content, dict) and content.get("schema") == "bacctl.model_card/1":
        return Settings(
            float(content["threshold"]), content.get("post_processing", {}), content.get("probability_map")
        )
    return read_settings(path)


def _read_figures(path: Path) -> dict[str, object]:
    """Read what of an evaluation belongs into a model card: the table of targets and what it is of."""
    try:
        report = json.loads(path.read_text())
        return {key: report[key] for key in ("schema", "model", "data", "bootstrap", "targets")}
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{path}: give the report.json that `bacctl evaluate --report` wrote") from None
