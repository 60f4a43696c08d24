"""What a report says, in words and numbers, before any of it is put into a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bac_terms.device import Device
from bac_terms.measured import Laterality
from bac_terms.report import AreaEstimate
from bacctl.outputs.html.pictures import Picture
from bacctl.results import INTENDED_USE, ExamComparison, ExamResult, ImageResult
from bacctl.results.comparison import Change
from bacctl.results.exam import SIDES, VIEWS
from bacctl.wording import mass_text, milligrams, number

HUNG = ("RCC", "LCC", "RMLO", "LMLO")
"""Row by row, as a reader hangs them: right breast on the left, CC above MLO."""
_SIDE: Mapping[Laterality, str] = {"R": "right", "L": "left"}
_CATEGORIES = ("0-20", "20-40", "40-60", "60-80", ">80")
_VERDICTS = {
    "progressed": "more than before",
    "regressed": "less than before",
    "within_limit": "no change beyond what repeated exams differ by",
    "not_comparable": "not comparable",
}
_REASONS = {
    "no_common_view": "no view in common",
    "no_mass": "no mass in one of the exams",
    "other_basis": "calibrated against estimated",
    "no_interval": "no interval",
    "no_area": "no area",
    "too_few_views": "too few views for a limit",
}
_BASES = {
    "calibrated": "calibrated: from a raw image whose scale the header tells",
    "estimated": "estimated: the scale of the raw image is assumed or in doubt",
    "none": "not measured",
}


@dataclass(frozen=True)
class Panel:
    """One place on the light box."""

    name: str
    alt: str
    said: Sequence[str]
    picture: Picture | None


def page(
    exam: ExamResult,
    pictures: Mapping[int, Picture],
    troubles: Sequence[str],
    comparison: ExamComparison | None,
    shown: Callable[[str | None], str | None],
) -> dict[str, Any]:
    """Put the contents of a report together.

    Parameters
    ----------
    exam : ExamResult
        The exam.
    pictures : mapping of int to Picture
        What could be drawn, by the place of the image in the exam.
    troubles : sequence of str
        Why images could not be drawn.
    comparison : ExamComparison or None
        With a prior exam.
    shown : callable
        From a UID to what is written in its place.

    Returns
    -------
    dict
        What the template asks for. Nothing of it names a person, a file or a day.
    """
    numbers = _numbers(exam)
    return {
        "intended_use": INTENDED_USE,
        "study": shown(exam.study_instance_uid),
        "woman": _woman(exam),
        "bar": _bar(exam),
        "panels": [_panel(exam, place, pictures, numbers) for place in HUNG],
        "breasts": [_breast(exam, side) for side in ("R", "L")],
        "vessels": _vessels(exam, numbers),
        "alarms": exam.alarms,
        "images": [_image(image, numbers[n], shown) for n, image in enumerate(exam.images)],
        "troubles": troubles,
        "prior": None if comparison is None else _prior(comparison),
        "software": {
            "bacctl": exam.software.get("bacctl"),
            "weights": exam.software.get("model"),
            "probability map": exam.software.get("probability_map"),
        },
        "prevalence": next(
            (i.probability_prevalence for i in exam.images if i.probability_prevalence is not None), None
        ),
        "point": exam.min_probability,
    }


def _numbers(exam: ExamResult) -> list[str]:
    """Name every image of an exam: its place among them, and what it shows."""
    return [
        " ".join(part for part in (f"{n}", image.laterality, image.view) if part)
        for n, image in enumerate(exam.images, start=1)
    ]


def _woman(exam: ExamResult) -> list[tuple[str, str]]:
    words = {True: "found", False: "none found", None: "not known: a breast has no accepted image"}
    rows = [
        ("Breast arterial calcification", words[exam.bac_detected]),
        ("Calcium mass, both breasts", mass_text(exam.calcium_mass_mg, exam.calcium_mass_interval_mg)),
        ("Mass category, mg", exam.mass_category or "not assessed"),
        ("Area, both breasts", _unit(exam.area_mm2, "mm²")),
        ("Area class, mm²", exam.area_class or "not assessed"),
        (
            "CSBI grade, estimated from counts",
            "not assessed" if exam.csbi_grade is None else str(exam.csbi_grade),
        ),
    ]
    if exam.area_estimate is not None:
        rows.append(("Mass as the area suggests, no measurement", _estimate(exam.area_estimate)))
    if exam.missing_views:
        rows.append(("Views without an accepted image", ", ".join(exam.missing_views)))
    return rows


def _bar(exam: ExamResult) -> dict[str, Any] | None:
    """Give the categories with their probabilities; None where there are none to tell."""
    odds = exam.category_probabilities
    if odds is None:
        return None
    basis = {"mass": "the measured mass and its interval", "area": "the calcified area alone"}
    return {
        "parts": [
            {
                "name": f"{name} mg",
                "share": 100.0 * odds.get(name, 0.0),
                "said": "<1 %" if odds.get(name, 0.0) < 0.005 else f"{100.0 * odds[name]:.0f} %",
                "own": name == exam.mass_category,
            }
            for name in _CATEGORIES
        ],
        "basis": basis.get(exam.category_basis or "", "what was measured"),
    }


def _panel(exam: ExamResult, place: str, pictures: Mapping[int, Picture], numbers: Sequence[str]) -> Panel:
    side: Laterality = "R" if place[0] == "R" else "L"
    name = f"{place[0]} {place[1:]}"
    index = _counted(exam, side, place[1:])
    if index is None:
        return Panel(name, "", _why_empty(exam, side, place[1:]), None)
    image = exam.images[index]
    picture = pictures.get(index)
    finding = _finding(image)
    said = [f"Image {numbers[index]}", finding]
    repeats = len(exam.breasts[side].by_view[place[1:]].sop_instance_uids)
    if repeats > 1:
        said.append(f"One of {repeats} images that count for this view; all are in the list below.")
    if picture is None:
        said.append("Not drawn; see below.")
    elif not picture.hung:
        said.append("Shown as stored: the header does not tell its orientation.")
    alt = f"Mammogram, {_SIDE[side]} breast, {place[1:]} view. {finding}"
    return Panel(name, alt, said, picture)


def _counted(exam: ExamResult, side: Laterality, view: str) -> int | None:
    """Return which image stands for a view: the first of those that count."""
    result = exam.breasts[side].by_view.get(view)
    if result is None:
        return None
    fits = [
        (image.sop_instance_uid not in result.sop_instance_uids, index)
        for index, image in enumerate(exam.images)
        if image.status == "ok" and image.laterality == side and image.view == view
    ]
    return min(fits)[1] if fits else None


def _why_empty(exam: ExamResult, side: Laterality, view: str) -> list[str]:
    others = [i for i in exam.images if i.laterality == side and i.view == view]
    refused = [f"{i.code}: {i.reason}" for i in others if i.status != "ok"]
    return ["No accepted image of this view.", *refused]


def _finding(image: ImageResult) -> str:
    if image.status != "ok":
        return f"{image.status}: {image.code}"
    if not image.bac_detected:
        return "No arterial calcification found."
    area = f"Area {_unit(image.area_mm2, 'mm²')}, length {_unit(image.length_mm, 'mm')}."
    if image.calcium_mass_mg is None:
        return f"Arterial calcification found; its mass cannot be measured on this image. {area}"
    mass = mass_text(image.calcium_mass_mg, image.calcium_mass_interval_mg)
    return f"Calcium {mass} ({image.mass_basis}). {area}"


def _breast(exam: ExamResult, side: Laterality) -> dict[str, Any]:
    breast = exam.breasts[side]
    found = {True: "found", False: "none found", None: "not assessed"}
    rows = [
        {
            "name": view,
            "bac": found[result.bac_detected],
            "mass": mass_text(result.calcium_mass_mg, result.calcium_mass_interval_mg),
            "basis": result.mass_basis,
            "area": _unit(result.area_mm2, "mm²"),
            "vessels": "not listed" if result.vessel_count is None else str(result.vessel_count),
        }
        for view in VIEWS
        if (result := breast.by_view.get(view)) is not None
    ]
    whole = {
        "name": "both views" if len(breast.views) > 1 else "breast",
        "bac": found[breast.bac_detected],
        "mass": mass_text(breast.calcium_mass_mg, breast.calcium_mass_interval_mg),
        "basis": breast.mass_basis,
        "area": _unit(breast.area_mm2, "mm²"),
        "vessels": "not listed" if breast.vessel_count is None else str(breast.vessel_count),
    }
    return {
        "name": f"{_SIDE[side].capitalize()} breast",
        "rows": [*rows, whole],
        "basis": _BASES[breast.mass_basis],
    }


def _vessels(exam: ExamResult, numbers: Sequence[str]) -> list[dict[str, str]]:
    rows = []
    for name, image in zip(numbers, exam.images, strict=True):
        for count, vessel in enumerate(image.vessels, start=1):
            place = ", ".join(part for part in (vessel.side, vessel.depth) if part)
            rows.append(
                {
                    "name": f"{name}, {count}",
                    "length": number(vessel.length_mm),
                    "width": number(vessel.mean_width_mm, 2),
                    "area": number(vessel.area_mm2, 2),
                    "mass": number(vessel.calcium_mass_mg, 2),
                    "probability": number(vessel.probability, 2),
                    "place": place or "not told",
                    "distance": number(vessel.nipple_distance_mm, 0),
                }
            )
    return rows


def _image(image: ImageResult, name: str, shown: Callable[[str | None], str | None]) -> dict[str, Any]:
    return {
        "name": name,
        "uid": shown(image.sop_instance_uid),
        "status": image.status,
        "said": _finding(image) if image.status == "ok" else f"{image.code}: {image.reason}",
        "probability": number(image.bac_probability, 2),
        "warnings": image.warnings,
        "device": _device(image.device),
    }


def _device(device: Device | None) -> str:
    if device is None:
        return "not told"
    told = (device.manufacturer, device.model, device.software_versions)
    hashed = f"detector {device.detector_id_hash}" if device.detector_id_hash else None
    return ", ".join(part for part in (*told, hashed) if part)


def _prior(comparison: ExamComparison) -> dict[str, Any]:
    rows = [
        ("Mass, both breasts, mg", comparison.calcium_mass_mg),
        ("Area, both breasts, mm²", comparison.area_mm2),
    ]
    for side in reversed(SIDES):
        breast = comparison.breasts[side]
        rows += [
            (f"Mass, {_SIDE[side]} breast, mg", breast.calcium_mass_mg),
            (f"Area, {_SIDE[side]} breast, mm²", breast.area_mm2),
        ]
    return {"rows": [_change(name, change) for name, change in rows], "warnings": comparison.notices}


def _change(name: str, change: Change) -> dict[str, str]:
    verdict = _VERDICTS[change.verdict]
    if change.reason is not None:
        verdict = f"{verdict}: {_REASONS[change.reason]}"
    return {
        "name": name,
        "prior": number(change.prior),
        "current": number(change.current),
        "difference": "-" if change.difference is None else f"{change.difference:+.1f}",
        "limit": number(change.limit),
        "verdict": verdict,
    }


def _estimate(found: AreaEstimate) -> str:
    return f"{milligrams(found.central_mg, found.interval_mg)} mg"


def _unit(value: float | None, unit: str) -> str:
    return "not measured" if value is None else f"{value:.1f} {unit}"
