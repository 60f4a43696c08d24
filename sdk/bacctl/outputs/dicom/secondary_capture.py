"""A Secondary Capture Image a view: the picture that every archive shows."""

from __future__ import annotations

from highdicom.sc import SCImage
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from bac_imaging.read.reader import read_mammogram
from bac_terms.errors import FailedError
from bacctl.drawing.greys import to_greys
from bacctl.outputs.dicom.codes import SOURCE_IMAGE
from bacctl.outputs.dicom.picture import draw_picture, legend
from bacctl.outputs.dicom.run import RESEARCH, Run
from bacctl.outputs.dicom.source import Source, place_side, reference


def secondary_capture(run: Run, source: Source, pixel_spacing_mm: tuple[float, float] | None) -> Dataset:
    """Make the picture of one image.

    Parameters
    ----------
    run : Run
        Of the exam.
    source : Source
        The image.
    pixel_spacing_mm : tuple of float or None
        What it was analysed with.

    Returns
    -------
    pydicom.Dataset
        RGB, in the matrix of the image.

    Raises
    ------
    FailedError
        ``BAC-FILE-CHANGED``, ``BAC-DECODE-FAILED``.
    """
    image, mask = source.image, source.mask
    read = read_mammogram(source.data, pixel_spacing_mm)
    if read.signal.shape != mask.shape:
        raise FailedError("BAC-FILE-CHANGED", "the file is not what it was when it was measured")
    greys = to_greys(read.signal, read.valid, flatten=read.signal_kind == "log_exposure")
    pixels = draw_picture(greys, mask, legend(image, run.exam, run.comparison), source.spacing_mm)
    header = source.header
    dataset = SCImage(
        pixels,
        "RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        # It refuses oblique ones, such as FL.
        patient_orientation=("L", "P"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        study_instance_uid=header.StudyInstanceUID,
        patient_id=header.PatientID,
        patient_name=header.PatientName,
        patient_birth_date=header.PatientBirthDate,
        patient_sex=header.PatientSex,
        accession_number=header.AccessionNumber,
        study_id=header.StudyID,
        study_date=header.StudyDate or None,
        study_time=header.StudyTime or None,
        referring_physician_name=header.ReferringPhysicianName,
        specific_character_set=header.SpecificCharacterSet,
        pixel_spacing=source.spacing_mm,
        **run.identity("sc", source),
    )
    dataset.copy_patient_and_study_information(header)
    place_side(dataset, source)
    if header.BurnedInAnnotation in ("YES", "NO"):
        dataset.BurnedInAnnotation = header.BurnedInAnnotation
    if source.spacing_mm is not None:
        dataset.PixelSpacingCalibrationType = "GEOMETRY"
        dataset.PixelSpacingCalibrationDescription = "in the plane of the artery"
    dataset.SourceImageSequence = [reference(header, SOURCE_IMAGE)]
    dataset.DerivationDescription = "Outlines of arterial calcification and what was measured, burned in"
    dataset.ImageComments = RESEARCH
    return dataset
