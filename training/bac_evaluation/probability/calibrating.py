"""The command that fits the map from scores to probabilities on reports of `bacctl evaluate`.

``python -m bac_evaluation.probability.calibrating [NAME=]REPORT... --out DIR [--into FILE]``
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bac_evaluation import plots
from bac_evaluation.probability.fitting import cross_fit, fit_map
from bac_evaluation.probability.judged import PREVALENCE, JudgedImage, JudgedSet, read_judged
from bac_evaluation.probability.page import summary_lines, to_markdown
from bac_evaluation.probability.points import points_of
from bac_evaluation.probability.reliability import Reliability, means_by_source, reliability_of
from bac_imaging.vessels.demands import PostProcessing
from bac_imaging.vessels.probability import Probabilities, ProbabilityMap, probabilities
from bac_training.errors import TrainingError

__all__ = ["calibrate", "put_into"]

SCHEMA = "bac_training.calibration/1"
_FILES = ("bac_training.settings/1", "bacctl.model_card/1")


def calibrate(sets: Sequence[JudgedSet], prevalence: float = PREVALENCE) -> dict[str, Any]:
    """Fit the map on all images, and hold it against each source by the map of all others.

    Parameters
    ----------
    sets : sequence of JudgedSet
        One a report.
    prevalence : float, default 0.1
        Share of images with BAC at which the probabilities are to hold.

    Returns
    -------
    dict
        ``probability_map`` for settings and model card: the map, what it was ``fitted_on``, in ``left_out``
        the curves that were fitted without each source, and in ``cross_fit`` their calibration errors;
        ``probability`` as in a ``report.json``; ``score``, the reliability of the same images without a map.

    Raises
    ------
    TrainingError
        When what is given does not suffice, or was not measured with one post-processing.
    """
    if len({json.dumps(_demands(judged), sort_keys=True) for judged in sets}) > 1:
        raise TrainingError(
            "the reports were measured with different thresholds or post-processing, so that their finds are "
            "not of one kind; evaluate again with one --settings"
        )
    images = [image for judged in sets for image in judged.images]
    fitted = fit_map(images, prevalence)
    without = cross_fit(images, prevalence)
    parameters = PostProcessing.of(sets[0].settings["threshold"], sets[0].settings["post_processing"])

    def by_others(image: JudgedImage) -> Probabilities:
        return _given(image, parameters, without[image.source])

    def by_score(image: JudgedImage) -> Probabilities:
        return _given(image, parameters, None)

    by_image, by_vessel = reliability_of(images, by_others, prevalence)
    score_image, score_vessel = reliability_of(images, by_score, prevalence)
    return {
        "schema": SCHEMA,
        "intended_use": "research use only",
        "probability_map": {
            **fitted.to_dict(),
            "fitted_on": [entry for judged in sets for entry in _sources_of(judged)],
            "left_out": {source: _curves(curve) for source, curve in without.items()},
            "cross_fit": {"image": _error(by_image), "vessel": _error(by_vessel)},
        },
        "probability": {
            "basis": "map",
            "map_sha256": fitted.sha256,
            "left_out": sorted(without),
            "prevalence": prevalence,
            "image": by_image.to_dict(),
            "vessel": by_vessel.to_dict(),
            "sources": [asdict(means) for means in means_by_source(images, by_others)],
            "points": [asdict(point) for point in points_of(images, by_others)],
        },
        "score": {"image": score_image.to_dict(), "vessel": score_vessel.to_dict()},
    }


def put_into(path: Path, probability_map: Mapping[str, Any]) -> None:
    """Write a map into settings or a model card, in place of the one there.

    Raises
    ------
    TrainingError
        When the file is neither.
    """
    try:
        content = json.loads(path.read_text())
        if content["schema"] not in _FILES:
            raise ValueError(content["schema"])
    except (OSError, ValueError, KeyError, TypeError):
        raise TrainingError(f"{path} is neither settings of a tuning nor a model card") from None
    content["probability_map"] = dict(probability_map)
    indent = 2 if content["schema"] == _FILES[1] else 1
    path.write_text(json.dumps(content, indent=indent, allow_nan=False) + "\n")


def _given(image: JudgedImage, parameters: PostProcessing, fitted: ProbabilityMap | None) -> Probabilities:
    return probabilities(image.evidence, parameters, fitted)


def _demands(judged: JudgedSet) -> dict[str, Any]:
    return {name: judged.settings[name] for name in ("threshold", "post_processing")}


def _curves(curve: ProbabilityMap) -> dict[str, Any]:
    return {name: curve.to_dict()[name] for name in ("vessel", "found", "nothing")}


def _error(found: Reliability) -> dict[str, Any]:
    """Return the expected calibration error and what it is of."""
    return {"cases": found.cases, "positives": found.positives, "expected_calibration_error": found.error}


def _sources_of(judged: JudgedSet) -> list[dict[str, Any]]:
    """Say what of a report was fitted on, by source."""
    sources = []
    for source in sorted({image.source for image in judged.images}):
        own = [image for image in judged.images if image.source == source and image.findings is not None]
        truths = [
            finding.true
            for image in own
            for finding in (image.findings.vessels if image.findings is not None else ())
            if finding.true is not None
        ]
        sources.append(
            {
                "source": source,
                "data": judged.data,
                "data_sha256": judged.data_sha256,
                "model_sha256": list(judged.model_sha256),
                "images": len(own),
                "positives": sum(image.is_true for image in own),
                "finds": len(truths),
                "true_finds": sum(truths),
            }
        )
    return sources


def _page(content: Mapping[str, Any], command: str) -> str:
    sources = content["probability_map"]["fitted_on"]
    lines = [
        "# Calibration",
        "",
        f"Research use only. `{command}`",
        "",
        "| source | data | images | with BAC | finds | of them true | networks |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {entry['source']} | {entry['data']} | {entry['images']} | {entry['positives']} | "
            f"{entry['finds']} | {entry['true_finds']} | "
            f"{', '.join(f'`{digest[:12]}`' for digest in entry['model_sha256'])} |"
            for entry in sources
        ),
        "",
        "Each source is judged by the map that was fitted without it. Without a map the scores of the same "
        f"images have an expected calibration error of {content['score']['image']['error']:.3f} per image "
        f"and {content['score']['vessel']['error']:.3f} per vessel.",
        "",
        to_markdown(content["probability"]),
        "![](image.png)",
        "",
    ]
    return "\n".join(lines)


def _main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bac_evaluation.probability.calibrating",
        description="Fit the map from scores to probabilities. Research use only.",
    )
    parser.add_argument(
        "report",
        nargs="+",
        help="report folders of bacctl evaluate, of data that the network was not trained on; NAME=REPORT "
        "names the source of its images, which are left out together",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for calibration.json and its page")
    parser.add_argument(
        "--into", type=Path, action="append", default=[], help="settings or model card to put the map into"
    )
    parser.add_argument(
        "--prevalence",
        type=float,
        default=PREVALENCE,
        help="share of images with BAC, by default %(default)s",
    )
    options = parser.parse_args(arguments)
    if not 0.0 < options.prevalence < 1.0:
        parser.error("--prevalence: give a share between 0 and 1")
    try:
        sets = []
        for given in options.report:
            name, _, folder = given.rpartition("=")
            sets.append(read_judged(Path(folder), name or None))
        content = calibrate(sets, options.prevalence)
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "calibration.json").write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
        command = " ".join(["python -m bac_evaluation.probability.calibrating", *(arguments or sys.argv[1:])])
        (options.out / "calibration.md").write_text(_page(content, command))
        bins = content["probability"]["image"]["bins"]
        plots.reliability([(entry["mean"], entry["observed"]) for entry in bins]).savefig(
            options.out / "image.png"
        )
        for path in options.into:
            put_into(path, content["probability_map"])
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(summary_lines(content["probability"])))
    print(f"all figures: {options.out}/calibration.md, {options.out}/calibration.json; research use only")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
