"""What a node makes of a result: the DICOM objects that go to archives."""

from __future__ import annotations

from collections.abc import Sequence

from bacctl.node.records import Made
from bacctl.outputs.dicom.make import KINDS, Kind, make_objects
from bacctl.results import ExamResult


def objects_of(exam: ExamResult, kinds: Sequence[Kind] = KINDS) -> list[Made]:
    """Make the objects of an exam.

    Parameters
    ----------
    exam : ExamResult
        Its images have their files and masks.
    kinds : sequence of {"sr", "seg", "pm", "sc", "pr"}, optional
        Which objects.

    Returns
    -------
    list of Made
        With new UIDs at every call. Empty where no image was measured.

    Raises
    ------
    BacctlError
        As for `bacctl.outputs.dicom.make.make_objects`.
    """
    return [
        Made("dicom", made.to_bytes(), str(made.dataset.SOPClassUID), made.sop_instance_uid)
        for made in make_objects(exam, kinds)
    ]
