"""Results of images, to put exams together of."""

from bacctl.exam.build import build_exams
from bacctl.results import ImageResult, Notice


def image(side, view, mass, *, uid=None, area=1.0, basis="calibrated", study="1.2.3", warnings=()):
    return ImageResult(
        "ok",
        sop_instance_uid=uid,
        study_instance_uid=study,
        laterality=side,
        view=view,
        rows=100,
        columns=80,
        bac_detected=bool(area),
        bac_probability=0.9 if area else 0.1,
        calcium_mass_mg=mass,
        calcium_mass_interval_mg=None if mass is None else (0.5 * mass, 2.0 * mass),
        mass_basis="none" if mass is None else basis,
        area_mm2=area,
        warnings=tuple(Notice(code, "because") for code in warnings),
    )


FOUR = (
    image("L", "CC", 8.0, area=10.0),
    image("L", "MLO", 12.0, area=20.0),
    image("R", "CC", 20.0, area=4.0),
    image("R", "MLO", 30.0, area=6.0),
)


def only(results):
    (exam,) = build_exams(results)
    return exam
