"""DICOM objects of an exam: report, segmentations, maps of calcium, pictures and presentation states.

`make_objects` is all that a caller needs. Nothing of highdicom is imported before it is called.
"""

from bacctl.outputs.dicom.make import KINDS, DicomObject, Kind, dicom_files, make_objects

__all__ = ["KINDS", "DicomObject", "Kind", "dicom_files", "make_objects"]
