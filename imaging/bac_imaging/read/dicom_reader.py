"""DICOM files: parsed, judged by their header, decoded, turned into a signal, in this order."""

from __future__ import annotations

import warnings

from bac_imaging.read.attributes.device import read_device
from bac_imaging.read.attributes.header import Header
from bac_imaging.read.attributes.orientation import read_orientation
from bac_imaging.read.attributes.spacing import Spacing
from bac_imaging.read.detectors import check_matrix, has_field_of_view, known_sizes
from bac_imaging.read.dicom_file import parse_dicom
from bac_imaging.read.dicom_header import judge
from bac_imaging.read.mammogram import Mammogram
from bac_imaging.read.pixels.decode import decode, is_lossy, surplus_bytes
from bac_imaging.read.pixels.intensity import display, log_exposure
from bac_imaging.read.pixels.padding import read_padding
from bac_imaging.read.unlisted import unlisted_values
from bac_terms.notices import Notice


def read_dicom(data: bytes, given: Spacing | None) -> Mammogram:
    """Read a DICOM file that holds one mammogram.

    Everything that the header can tell is judged before any pixel is decoded.

    Parameters
    ----------
    data : bytes
        The whole file, with or without preamble.
    given : (float, float) or None
        Spacing that the caller gives, (between rows, between columns), in mm.

    Returns
    -------
    Mammogram
        Signal, geometry and what the header tells.

    Raises
    ------
    RefusedError
        If the file can never be measured as it is.
    FailedError
        If it could not be decoded here.
    """
    # pydicom remarks on every oddity of a header when a value is first looked at; what matters of them
    # becomes a code here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset, mended = parse_dicom(data)
        header = Header(dataset)
        judged = judge(header, given)
        rows, columns = judged.layout.rows, judged.layout.columns
        spacing, intent = judged.geometry.pixel_spacing_mm, judged.kind.intent
        is_raw, is_film = intent == "FOR PROCESSING", judged.kind.is_film
        stored, damage = decode(dataset, header, judged.layout)
        padding, padding_notices = read_padding(stored, header)
        if is_raw:
            intensity = log_exposure(stored, padding, header)
        else:
            intensity = display(stored, padding, header, is_film=is_film)
        doubts = (
            *(() if is_film else check_matrix(header, rows, columns, spacing)),
            *padding_notices,
            *(unlisted_values(header) if is_raw else ()),
            *((Notice.of("BAC-W-PIXELS-DOUBTFUL", ", and ".join(damage)),) if damage else ()),
        )
        notices = [*judged.notices, *intensity.notices, *doubts]
        if is_lossy(dataset, header):
            notices.append(Notice.of("BAC-W-LOSSY"))
        notices += _mended_notices(header, mended, surplus_bytes(dataset, judged.layout))
        return Mammogram(
            signal=intensity.signal,
            valid=intensity.valid,
            signal_kind="log_exposure" if is_raw else "display",
            exposure_scale_known=intensity.scale_known,
            presentation_intent=intent,
            geometry=judged.geometry,
            beam=judged.beam,
            sop_instance_uid=header.identifier("SOPInstanceUID"),
            study_instance_uid=header.identifier("StudyInstanceUID"),
            laterality=judged.view.laterality,
            view=judged.view.view,
            warnings=tuple(notices),
            mass_in_doubt=bool(doubts),
            size_known=known_sizes(header) is not None or has_field_of_view(header, rows, columns, spacing),
            device=read_device(header),
            orientation=read_orientation(header),
        )


def _mended_notices(header: Header, mended: list[str], surplus: int) -> list[Notice]:
    """Say where the file breaks the standard in a way that leaves no doubt about what it means."""
    faults = list(mended)
    if header.decimal_commas:
        verb = "is" if len(header.decimal_commas) == 1 else "are"
        faults.append(f"{' and '.join(sorted(header.decimal_commas))} {verb} written with a decimal comma")
    if header.number("NumberOfFrames") == 0:
        faults.append("NumberOfFrames is 0")
    if surplus > 1:  # one byte makes the length even (PS3.5 8.1.1)
        faults.append("bytes follow the pixels")
    is_grey = header.text("PhotometricInterpretation") in ("MONOCHROME1", "MONOCHROME2")
    if not is_grey and header.number("SamplesPerPixel") in (None, 1):
        faults.append("PhotometricInterpretation names no grey scale for pixels of one sample")
    return [Notice.of("BAC-W-FILE-MENDED", ", and ".join(faults))] if faults else []
