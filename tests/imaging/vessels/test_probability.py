"""Evidence, scores and the map from them to probabilities; expected values by hand."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from bac_imaging.vessels.demands import PostProcessing
from bac_imaging.vessels.evidence import Evidence, VesselEvidence, evidence_of
from bac_imaging.vessels.find import find_vessels
from bac_imaging.vessels.probability import LogisticCurve, ProbabilityMap, probabilities

SPACING = (0.1, 0.1)
FLAT = {"mean": (0.0, 5.0), "length": (1.0, 4.0), "area": (0.0, 5.0), "deep": (0.0, 1.0)}

SEEN = {"strongest": (-9.0, 9.0), "others": (0.0, 3.0)}


def rise(intercept: float, **weights: float) -> LogisticCurve:
    return LogisticCurve(intercept, {name: weights.get(name, 0.0) for name in FLAT}, FLAT)


def made(**changes: Any) -> ProbabilityMap:
    """Vessels by length alone; images by their strongest finding and half of the others; of nothing, 2 %."""
    parts: dict[str, Any] = {
        "prevalence": 0.1,
        "vessel": rise(-2.0, length=1.0),
        "found": LogisticCurve(-1.0, {"strongest": 1.0, "others": 0.5}, SEEN),
        "nothing": LogisticCurve(math.log(0.02 / 0.98), {"peak": 0.0}, {"peak": (0.0, 0.0)}),
    }
    return ProbabilityMap(**{**parts, **changes})


def vessel(length_mm: float = math.e**2, **changes: float) -> VesselEvidence:
    return VesselEvidence(
        **{"peak": 0.99, "mean": 0.9, "length_mm": length_mm, "area_mm2": 5.0, "deep": 1.0, **changes}
    )


def test_a_curve_holds_features_within_what_was_seen() -> None:
    curve = rise(0.5, length=2.0)
    inside = {"mean": 0.0, "length": 3.0, "area": 0.0, "deep": 0.0}
    assert curve.log_odds(inside) == 6.5
    assert curve.log_odds({**inside, "length": 9.0}) == 0.5 + 2.0 * 4.0
    assert curve.log_odds({**inside, "length": -9.0}) == 0.5 + 2.0 * 1.0


@pytest.mark.parametrize(
    ("weights", "ranges", "message"),
    [
        ({"a": -0.1}, {"a": (0.0, 1.0)}, "negative"),
        ({"a": math.nan}, {"a": (0.0, 1.0)}, "not finite"),
        ({"a": 1.0}, {"b": (0.0, 1.0)}, "do not fit"),
        ({"a": 1.0}, {"a": (1.0, 0.0)}, "do not fit"),
    ],
)
def test_what_is_no_rising_curve_is_refused(
    weights: dict[str, float], ranges: dict[str, tuple[float, float]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        LogisticCurve(0.0, weights, ranges)


def test_probabilities_by_the_map() -> None:
    fitted = made()
    # ln(e^2) = 2: log-odds 0. An image of two such findings: -1 + 0 + 0.5 * 0.5 = -0.75, less than each has.
    given = probabilities(Evidence(0.99, (vessel(), vessel())), PostProcessing(), fitted)
    assert given.vessels == (0.5, 0.5)
    assert given.image == 0.5
    assert given.prevalence == 0.1
    bolder = made(found=LogisticCurve(1.0, fitted.found.weights, fitted.found.ranges))
    given = probabilities(Evidence(0.99, (vessel(), vessel())), PostProcessing(), bolder)
    assert given.image == round(1 / (1 + math.exp(-1.25)), 4)
    assert probabilities(Evidence(0.4), PostProcessing(), fitted).image == 0.02


def test_scores_where_there_is_no_map() -> None:
    """A core's least probability is one half, 1 is 1; what was found has no less than one half."""
    parameters = PostProcessing(core=0.6, seed=0.6)
    given = probabilities(Evidence(0.9, (vessel(peak=0.9), vessel(peak=0.5))), parameters, None)
    assert given.image == 0.875
    assert given.vessels == (0.875, 0.5)
    assert given.prevalence is None
    assert probabilities(Evidence(0.3), parameters, None).image == 0.25
    assert probabilities(Evidence(0.99), parameters, None).image == 0.499


def test_a_map_survives_its_file_and_has_a_digest_of_its_numbers() -> None:
    fitted = made()
    content = json.loads(json.dumps({**fitted.to_dict(), "fitted_on": []}))
    assert ProbabilityMap.from_dict(content) == fitted
    assert ProbabilityMap.from_dict(content).sha256 == fitted.sha256
    assert made(prevalence=0.2).sha256 != fitted.sha256


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "bacctl.probability_map/2"},
        {"prevalence": 0.0},
        {"prevalence": "often"},
        {"vessel": {}},
        {"vessel": {"intercept": 0.0, "weights": {"mean": 1.0}, "ranges": {"mean": [0, 1]}}},
        {"nothing": None},
    ],
)
def test_what_is_no_map_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        ProbabilityMap.from_dict({**made().to_dict(), **change})
    with pytest.raises(ValueError, match="damaged"):
        ProbabilityMap.from_dict([1])


def test_evidence_of_two_finds() -> None:
    """A tube of 12 mm x 1 mm along the skin at the right, one of 20 mm x 1 mm in the depth."""
    image = np.zeros((400, 400), dtype=np.float32)
    image[100:220, 250:260] = 0.8
    image[100:300, 50:60] = 0.9
    image[100:105, 50:60] = 1.0  # 50 pixels
    breast = np.zeros(image.shape, dtype=bool)
    breast[20:-20, 20:270] = True
    found = find_vessels(image, SPACING, PostProcessing(core=0.7, seed=0.7))
    near, deep = sorted(evidence_of(found, image, breast, SPACING).vessels, key=lambda v: v.deep)
    # The skin line is taken 1.5 mm outside of the breast's edge, the middle of its last pixels: 10 to 19
    # pixels from there are 2.5 to 3.4 mm, of which the first five columns, 3 mm and less, are not deep.
    assert near.deep == pytest.approx(0.4, abs=0.11)
    assert deep.deep == 1.0
    assert (near.peak, near.mean) == (pytest.approx(0.8), pytest.approx(0.8))
    assert (deep.peak, deep.mean) == (pytest.approx(1.0), pytest.approx((50 * 1.0 + 1950 * 0.9) / 2000))
    assert (near.area_mm2, deep.area_mm2) == (pytest.approx(12.0), pytest.approx(20.0))
    assert deep.length_mm == pytest.approx(20.0, abs=1.0)
    assert (
        evidence_of(find_vessels(image * 0, SPACING, PostProcessing()), image, breast, SPACING).vessels == ()
    )
