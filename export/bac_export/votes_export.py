"""The file with votes, beside the one that it is made from: judged, written, and written anew.

It needs no PyTorch and no checkpoint: ``model.onnx`` stays as it is, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bac_export import parity
from bac_export.errors import ExportError
from bac_export.graph import check
from bac_export.parity import Case, Reference, onnxruntime_engine, voted_engine
from bac_export.precision import PLAIN, name_of
from bac_export.votes import add_votes
from bac_imaging.files import digest_of, write_whole
from bac_imaging.vessels.demands import PostProcessing

__all__ = ["CARD", "make_voted", "read_card", "remove_reduced", "renew", "voted_reference"]

CARD = "model_card.json"


def voted_reference(
    single: Path, views: Sequence[Case], threshold: float, post_processing: Mapping[str, float]
) -> Reference:
    """Return the answers that files with votes are held against: numpy's, from looks of the file without."""
    chosen = PostProcessing.of(threshold, post_processing)
    network = voted_engine(onnxruntime_engine(single), chosen.core, chosen.seed)
    return Reference(network, views, threshold, post_processing)


def make_voted(single: Path, target: Path, reference: Reference, chosen: PostProcessing) -> dict[str, Any]:
    """Write the file with votes and require that it agrees.

    Parameters
    ----------
    single : Path
        ``model.onnx``.
    target : Path
        Where to.
    reference : Reference
        Of `voted_reference`.
    chosen : PostProcessing
        With core and seed.

    Returns
    -------
    dict
        The agreement, for the card.

    Raises
    ------
    ExportError
        It does not agree, or TensorRT could not parse it.
    """
    add_votes(single, target, chosen.core, chosen.seed)
    check(target)
    found = reference.compare(onnxruntime_engine(target))
    found.require("the network with votes")
    return asdict(found)


def read_card(version_folder: Path) -> dict[str, Any]:
    """Read the card of a repository's network, whose weights are held against it.

    Raises
    ------
    ExportError
        The card is missing or another network's.
    """
    try:
        card = json.loads((version_folder / CARD).read_text())
        fits = card["sha256"] == digest_of(version_folder / PLAIN)
    except (OSError, ValueError, KeyError, TypeError):
        fits = False
    if not fits:
        raise ExportError(f"{version_folder} holds no network with its own model card; export it again")
    return dict(card)


def renew(version_folder: Path, cases: Sequence[Case] | None = None) -> Path:
    """Write the file with votes anew from the ``model.onnx`` and the model card that are there.

    Parameters
    ----------
    version_folder : Path
        ``bac_segment/1`` of a model repository. Of the card, digest and agreement of the new file change;
        ``model.onnx`` stays as it is. Files in reduced precision are taken away: they have other votes.
    cases : sequence of Case, optional
        Views that it is judged on. Default: `bac_export.parity.phantom_cases`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ExportError
        The card is missing or another network's, or the file fails the gate. Nothing is changed then.
    """
    card = read_card(version_folder)
    settings = card["threshold"], card.get("post_processing", {})
    views = parity.phantom_cases() if cases is None else cases
    target = version_folder / name_of("fp32")
    with TemporaryDirectory() as scratch:
        made = Path(scratch) / target.name
        reference = voted_reference(version_folder / PLAIN, views, *settings)
        agreement = make_voted(version_folder / PLAIN, made, reference, PostProcessing.of(*settings))
        data = made.read_bytes()
    card.pop("voted_sha256", None)
    described: dict[str, Any] = {}
    for key, value in card.items():
        described[key] = value
        if key == "sha256":  # beside the other digest, where an export writes it
            described["voted_sha256"] = digest_of(data)
    described["parity"] = {**card.get("parity", {}), "votes": agreement}
    remove_reduced(version_folder)
    write_whole(target, data)
    write_whole(version_folder / CARD, (json.dumps(described, indent=2) + "\n").encode())
    return target


def remove_reduced(version_folder: Path) -> None:
    """Take away what an earlier export left in other precisions: it belongs to other weights or votes."""
    for path in version_folder.glob("model*.*.onnx"):
        path.unlink()
