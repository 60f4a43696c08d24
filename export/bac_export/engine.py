"""The engine that is served: built where it is missing, kept for the next start, refused where it is foreign.

An engine fits the version of TensorRT and the kind of GPU that built it. Beside it lies a manifest with all
that it depends on; an engine is served only where the manifest says what the machine says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bac_export.device import find_device
from bac_export.errors import ExportError
from bac_export.precision import PLAIN, Precision, name_of, to_half
from bac_export.tensorrt_export import Compatibility, Profile, build, load_tensorrt
from bac_export.votes import require_own
from bac_imaging.files import digest_of, write_whole

__all__ = ["SCHEMA", "Wanted", "keep_engine", "make_engine", "refuse_foreign"]

Facts = dict[str, Any]
Notice = Callable[[str], None]

SCHEMA = "bacctl.tensorrt_plan/2"
_REBUILD = "build it here: bacctl export tensorrt --if-needed"


def _silent(_text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Wanted:
    """What an engine is to be."""

    precision: Precision = "fp16"  # {"fp32", "fp16", "int8", "fp8"}: of the ONNX file that it is built from
    # {"none", "same-compute-capability", "ampere-plus"}: as for `bac_export.tensorrt_export.build`
    compatibility: Compatibility = "none"
    profile: Profile = field(default_factory=Profile)  # batch sizes


def keep_engine(
    version_folder: Path,
    cache: Path,
    wanted: Wanted | None = None,
    *,
    if_needed: bool = True,
    notice: Notice = _silent,
) -> Path:
    """Return the engine of a repository's network for this machine, from a folder that keeps engines.

    What a container calls before it starts its server. Machines with different GPUs may share the folder:
    the name of an engine is the digest of all that it depends on.

    Parameters
    ----------
    version_folder : Path
        ``bac_segment/1`` of the model repository: ``model.onnx``, and the file with votes of
        `bac_export.precision.name_of`, which is built from. Half precision is made from that in float32.
    cache : Path
        Folder of the engines, their manifests and TensorRT's timings.
    wanted, if_needed, notice : optional
        What the engine is to be; False builds anew what is kept; told in a line what is being done.

    Raises
    ------
    ExportError
        When TensorRT, a GPU or the network is missing, or the build fails.
    """
    wanted = wanted or Wanted()
    with _described(version_folder, wanted) as (source, facts):
        plan = cache / f"{_key(facts)[:32]}.plan"
        if if_needed and _fits(plan, _key(facts)):
            notice(f"{plan} fits this machine")
        else:
            timings = cache / f"{facts['tensorrt']}-{facts['compute_capability']}.timing"
            _build(source, facts, plan, wanted, timings, notice)
    return plan


def make_engine(
    version_folder: Path,
    plan: Path,
    wanted: Wanted | None = None,
    *,
    if_needed: bool = False,
    notice: Notice = _silent,
) -> bool:
    """Put the engine of a repository's network at `plan`, and say whether it was built.

    Its manifest ``<plan>.json`` and TensorRT's timings ``<plan>.timing`` lie beside it. Otherwise as
    `keep_engine`.
    """
    wanted = wanted or Wanted()
    with _described(version_folder, wanted) as (source, facts):
        if if_needed and _fits(plan, _key(facts)):
            notice(f"{plan} fits this machine")
            return False
        _build(source, facts, plan, wanted, plan.with_name(plan.name + ".timing"), notice)
    return True


def refuse_foreign(version_folder: Path, plan: Path, wanted: Wanted | None = None) -> None:
    """Say why an engine may not be served here, if it may not.

    Raises
    ------
    ExportError
        One line: what the engine was built with, what is here, and what to do.
    """
    manifest = _read_manifest(plan)
    if not plan.is_file() or manifest is None:
        raise ExportError(f"{plan} is not here or has no manifest; {_REBUILD}")
    with _described(version_folder, wanted or Wanted()) as (_, facts):
        pass
    if manifest.get("plan_sha256") != digest_of(plan):
        raise ExportError(f"{plan} is damaged or not the engine of its manifest; {_REBUILD}")
    differing = [
        f"{name} {manifest.get(name)!r} and not {facts[name]!r}"
        for name in _DECISIVE
        if manifest.get(name) != facts[name]
    ]
    if differing:
        raise ExportError(f"{plan} is for {', '.join(differing)}; {_REBUILD}")


_DECISIVE = (
    "weights_sha256",
    "onnx_sha256",
    "precision",
    "tensorrt",
    "compute_capability",
    "compatibility",
    "profile",
)


@contextmanager
def _described(version_folder: Path, wanted: Wanted) -> Iterator[tuple[Path, Facts]]:
    """Give the ONNX file with votes in the wanted precision, and what its engine would depend on here."""
    weights = version_folder / PLAIN
    if not weights.is_file():
        raise ExportError(f"{weights} is not a file; run `bacctl export onnx` first")
    tensorrt = str(load_tensorrt().__version__)
    device = find_device()
    with TemporaryDirectory() as scratch:
        source = _source(version_folder, wanted.precision, Path(scratch))
        yield (
            source,
            {
                "weights_sha256": digest_of(weights),
                "onnx_sha256": digest_of(source),
                "precision": wanted.precision,
                "tensorrt": tensorrt,
                # The name is for people; the capability decides.
                **asdict(device),
                "compatibility": wanted.compatibility,
                "profile": wanted.profile.shapes(),
            },
        )


def _build(source: Path, facts: Facts, plan: Path, wanted: Wanted, timings: Path, notice: Notice) -> None:
    notice(f"building for {facts['name']} by TensorRT {facts['tensorrt']} in {wanted.precision}: minutes")
    plan.parent.mkdir(parents=True, exist_ok=True)
    data = build(source, profile=wanted.profile, compatibility=wanted.compatibility, timing_cache=timings)
    manifest = {"schema": SCHEMA, "key": _key(facts), "plan_sha256": digest_of(data), **facts}
    # First the manifest: with a stale one an old engine is built again, never taken for the new one.
    write_whole(_manifest_of(plan), (json.dumps(manifest, indent=2) + "\n").encode())
    write_whole(plan, data)


def _key(facts: Facts) -> str:
    decisive = {name: facts[name] for name in _DECISIVE}
    return digest_of(json.dumps(decisive, sort_keys=True).encode())


def _source(version_folder: Path, precision: Precision, scratch: Path) -> Path:
    """Return the ONNX file with votes in `precision`, made of what lies in the folder."""
    path = version_folder / name_of("fp32" if precision == "fp16" else precision)
    if not path.is_file():
        made_by = "votes" if path.name == name_of("fp32") else f"onnx CHECKPOINT --precision {precision}"
        raise ExportError(f"{path} is not a file; write it with `bacctl export {made_by}`")
    require_own(path, digest_of(version_folder / PLAIN))
    if precision != "fp16":
        return path
    made = scratch / name_of(precision)
    to_half(path, made)
    return made


def _fits(plan: Path, key: str) -> bool:
    manifest = _read_manifest(plan)
    return (
        manifest is not None
        and manifest.get("key") == key
        and plan.is_file()
        and manifest.get("plan_sha256") == digest_of(plan)
    )


def _manifest_of(plan: Path) -> Path:
    return plan.with_name(plan.name + ".json")


def _read_manifest(plan: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(_manifest_of(plan).read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("schema") == SCHEMA else None
