"""Amounts of a report: values with units, and what stands where there is no value."""

from __future__ import annotations

from highdicom.sr import ContentSequence, Measurement, NumContentItem, RelationshipTypeValues
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from bacctl.outputs.dicom import codes
from bacctl.results import BreastResult, ExamResult, ImageResult

Interval = tuple[float, float]
_PLACEHOLDER = 0.0


def amounts(result: ExamResult | BreastResult | ImageResult) -> list[Measurement]:
    """Return mass, its interval, area, and what the area says of the mass.

    Parameters
    ----------
    result : ExamResult, BreastResult or ImageResult
        What was measured.

    Returns
    -------
    list of Measurement
        Mass and area always: without a value, and with a qualifier, where there is none.
    """
    interval = result.calcium_mass_interval_mg
    measured = [
        amount(codes.MASS, result.calcium_mass_mg, codes.MG, interval),
        amount(codes.AREA, result.area_mm2, codes.MM2),
    ]
    if interval is not None:
        measured.append(amount(codes.MASS_LOW, interval[0], codes.MG))
        measured.append(amount(codes.MASS_HIGH, interval[1], codes.MG))
    guess = result.area_estimate
    if guess is not None:
        measured.append(amount(codes.AREA_MASS, guess.central_mg, codes.MG))
        measured.append(amount(codes.AREA_MASS_LOW, guess.interval_mg[0], codes.MG))
        measured.append(amount(codes.AREA_MASS_HIGH, guess.interval_mg[1], codes.MG))
    return measured


def amount(name: Code, value: float | None, unit: Code, interval: Interval | None = None) -> Measurement:
    """Return one amount.

    Parameters
    ----------
    name, unit : Code
        What, and in which unit.
    value : float or None
        None where it was not measured: the amount then has a qualifier and no value, never a zero.
    interval : tuple of float, optional
        (low, high), 95 %; written as distances from the value (TID 310), in the same unit.

    Returns
    -------
    Measurement
    """
    if value is None:
        # `leave_out_placeholders` takes the number out: highdicom builds no amount without one.
        return Measurement(name, _PLACEHOLDER, unit, qualifier=codes.NOT_ATTEMPTED)
    measured = Measurement(name, float(value), unit)
    if interval is not None:
        item = measured[0]
        if "ContentSequence" not in item:
            item.ContentSequence = ContentSequence()
        for about, distance in (
            (codes.UPPER_UNCERTAINTY, interval[1] - value),
            (codes.LOWER_UNCERTAINTY, value - interval[0]),
        ):
            kind = RelationshipTypeValues.HAS_PROPERTIES
            item.ContentSequence.append(NumContentItem(about, float(distance), unit, relationship_type=kind))
    return measured


def leave_out_placeholders(content: Dataset) -> None:
    """Take the number out of every amount that was not measured, in a report that is otherwise complete.

    No value and a qualifier is what the standard has for it (PS3.3 C.18.1); highdicom cannot write it, nor
    read it.
    """
    for item in content.get("ContentSequence", ()):
        qualifiers = item.get("NumericValueQualifierCodeSequence", ())
        if any(code.CodeValue == codes.NOT_ATTEMPTED.value for code in qualifiers):
            item.MeasuredValueSequence = []
        leave_out_placeholders(item)
