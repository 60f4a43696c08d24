"""Where the model repository is, and the private copy of links that a server is given."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from bac_terms.errors import unavailable

ENSEMBLE = "bac"
MODELS = ("bac", "bac_preprocess", "bac_segment", "bac_quantify")
DEFAULT_CONFIG = "cpu"
"""The configuration in every model's ``config.pbtxt``; others stand in ``configs/NAME.pbtxt``."""
_BACKEND = re.compile(r'^\s*backend\s*:\s*"(\w+)"', re.MULTILINE)


def default_repository() -> Path:
    """Find the model repository that belongs to this package: in the installed wheel or in the checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_model_repository", package.parents[1] / "model_repository"):
        if (folder / ENSEMBLE / "config.pbtxt").is_file():
            return folder
    raise unavailable("the model repository is missing from this installation", "install bacctl again")


def link_repository(repository: Path, folder: Path, config: str = DEFAULT_CONFIG) -> Path:
    """Mirror a model repository with links, into a folder that is made here.

    Triton's stub writes compiled Python beside each ``model.py``; in a mirror that neither fails on a
    read-only installation nor litters a checkout. The configuration that is asked for becomes the only one
    of the mirror: Triton, given a name that it does not find, would serve the default and say nothing.

    Raises
    ------
    ServerUnavailableError
        A model is missing, or there is no such configuration.
    """
    _check_config(repository, config)
    for model in MODELS:
        if not (repository / model / "config.pbtxt").is_file():
            raise unavailable(f"{repository} is not a model repository of bacctl: it has no model {model}")
        for source in sorted((repository / model).rglob("*")):
            inside = source.relative_to(repository)
            if source.is_file() and not {"__pycache__", "configs"} & set(inside.parts):
                link = folder / inside
                link.parent.mkdir(parents=True, exist_ok=True)
                chosen = config_file(repository, model, config) if source.name == "config.pbtxt" else source
                link.symlink_to(chosen.resolve())
    return folder


def model_configs(repository: Path) -> list[str]:
    """Give the names of the configurations that a repository has, the default one first."""
    return [DEFAULT_CONFIG, *sorted({path.stem for path in repository.glob("*/configs/*.pbtxt")})]


def config_file(repository: Path, model: str, config: str) -> Path:
    """Return the file that configures a model: one of its own for this configuration, or its only one."""
    own = repository / model / "configs" / f"{config}.pbtxt"
    return own if config != DEFAULT_CONFIG and own.is_file() else repository / model / "config.pbtxt"


def needed_backends(repository: Path, config: str) -> set[str]:
    """Return the backends that Triton must have for a configuration."""
    files = [config_file(repository, model, config) for model in MODELS]
    return {found for path in files if path.is_file() for found in _BACKEND.findall(path.read_text())}


def check_backends(repository: Path, config: str, present: Sequence[str]) -> None:
    """Raise ServerUnavailableError where a Triton lacks a backend that a configuration needs."""
    missing = sorted(needed_backends(repository, config) - set(present))
    if missing:
        raise unavailable(
            f"the model configuration {config} needs Triton's backend {', '.join(missing)}, which the "
            "embedded Triton does not have",
            "serve it from a container of Triton (docker/server.Dockerfile)",
        )


def _check_config(repository: Path, config: str) -> None:
    known = model_configs(repository)
    if config not in known:
        nearest = max(known, key=lambda name: difflib.SequenceMatcher(None, config, name).ratio())
        raise unavailable(
            f"the model configuration {config} is unknown",
            f"there are {', '.join(known)}, and the nearest is {nearest}",
        )
