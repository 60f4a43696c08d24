"""From an exam to its report: the images read once more, drawn, and put into the template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from bac_terms.errors import BacctlError
from bacctl._discreet import discreet
from bacctl.outputs.exam_files import Choices, ExamFile
from bacctl.outputs.html.page import page
from bacctl.outputs.html.pdf import print_pdf
from bacctl.outputs.html.pictures import Picture, draw
from bacctl.outputs.prior import compared
from bacctl.outputs.uids import Shown, shown_uids
from bacctl.results import ExamResult, ImageResult


def html_files(exam: ExamResult, kinds: Sequence[str], choices: Choices) -> Iterator[ExamFile]:
    """Make the report of one exam.

    Parameters
    ----------
    exam : ExamResult
        Its images have their masks.
    kinds : sequence of str
        Of "html" and "pdf".
    choices : Choices
        The prior exam, spacing, and whether UIDs are changed.

    Yields
    ------
    ExamFile

    Raises
    ------
    RefusedError
        BAC-COMPARE-*: the prior exam is not one of the same woman.
    FailedError
        BAC-OUTPUT-NO-BROWSER, BAC-OUTPUT-PRINT: no PDF could be made.
    """
    shown = shown_uids(choices)
    html = report_html(exam, choices, shown)
    stem = shown(exam.study_instance_uid)
    if "html" in kinds:
        yield ExamFile("html", ".html", html, stem=stem)
    if "pdf" in kinds:
        yield ExamFile("pdf", ".pdf", print_pdf(html), stem=stem)


def report_html(exam: ExamResult, choices: Choices, shown: Shown) -> bytes:
    """Write the page, UTF-8.

    Parameters
    ----------
    exam : ExamResult
        Its images have their masks; what has none is listed and not drawn.
    choices : Choices
        As for `html_files`.
    shown : callable
        From a UID to what stands in its place.

    Returns
    -------
    bytes

    Raises
    ------
    RefusedError
        As of `html_files`.
    """
    if choices.deidentify:
        exam = replace(exam, images=tuple(map(_without_detector, exam.images)))
    comparison = compared(exam, choices.prior)
    pictures: dict[int, Picture] = {}
    troubles = []
    for number, image in enumerate(exam.images):
        if image.status != "ok":
            continue
        try:
            pictures[number] = _drawn(image, choices)
        except BacctlError as error:
            troubles.append(f"Image {number + 1} could not be drawn: {error.code}: {error.reason}")
        except Exception as error:  # a picture that cannot be drawn must not cost the numbers
            troubles.append(f"Image {number + 1} could not be drawn: {_why(error)}")
    contents = page(exam, pictures, troubles, comparison, shown)
    # Whatever a header holds is text here: it is escaped, and the page's policy lets no script run.
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    here = files(__package__)
    template = environment.from_string((here / "report.html.jinja").read_text("utf-8"))
    css = (here / "report.css").read_text("utf-8")
    text = template.render(css=Markup(css), **contents)  # noqa: S704  # of this package, and no one else's
    return text.encode("utf-8", "replace")


def _without_detector(image: ImageResult) -> ImageResult:
    if image.device is None:
        return image
    return replace(image, device=replace(image.device, detector_id_hash=None))


def _drawn(image: ImageResult, choices: Choices) -> Picture:
    from bac_imaging.read.reader import read_mammogram

    if image.path is None:
        raise ValueError("it is not a file")
    with discreet():
        mammogram = read_mammogram(image.path.read_bytes(), choices.pixel_spacing_mm)
    return draw(mammogram, image)


def _why(error: Exception) -> str:
    """Say why in words of ours: what others write may quote a header or a path."""
    if isinstance(error, ModuleNotFoundError):
        return f'{error.name} is not installed; run: pip install "bacctl[dicom]"'
    if isinstance(error, OSError):
        return "its file cannot be read any more"
    if isinstance(error, ValueError):
        return "its file is not what it was when it was measured, or its mask is missing"
    return type(error).__name__
