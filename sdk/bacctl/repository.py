"""Where the model repository is, and the private copy of links that a server is given."""

from __future__ import annotations

from pathlib import Path

from bacctl.errors import unavailable

ENSEMBLE = "bac"
MODELS = ("bac", "bac_preprocess", "bac_segment", "bac_quantify")


def default_repository() -> Path:
    """Find the model repository that belongs to this package.

    Returns
    -------
    Path
        Inside the installed wheel, or at the root of the checkout.

    Raises
    ------
    ServerUnavailableError
        Neither is there.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_model_repository", package.parents[1] / "model_repository"):
        if (folder / ENSEMBLE / "config.pbtxt").is_file():
            return folder
    raise unavailable("the model repository is missing from this installation; install bacctl again")


def link_repository(repository: Path, folder: Path) -> Path:
    """Mirror a model repository with links.

    Triton's stub writes compiled Python beside each ``model.py``; in a mirror that neither fails on a
    read-only installation nor litters a checkout.

    Parameters
    ----------
    repository : Path
        What is mirrored.
    folder : Path
        Made by this function.

    Returns
    -------
    Path
        ``folder``.

    Raises
    ------
    ServerUnavailableError
        A model is missing.
    """
    for model in MODELS:
        if not (repository / model / "config.pbtxt").is_file():
            raise unavailable(f"{repository} is no model repository of bacctl: it has no model {model}")
        for source in sorted((repository / model).rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                link = folder / source.relative_to(repository)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(source.resolve())
    return folder
