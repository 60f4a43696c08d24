"""Of one image: the file, what kind of image it is, its scale, its pixels."""

from __future__ import annotations

from bac_terms.codes.entry import EXPORT_AGAIN, GIVE_SPACING, SEND_STANDARD_VIEW, CodeEntry, failed, refused

IMAGES: dict[str, CodeEntry] = {
    # The file
    "BAC-FILE-EMPTY": refused("the file holds no bytes", EXPORT_AGAIN),
    "BAC-FILE-NOT-IMAGE": refused(
        "the file is no DICOM, PNG, TIFF or JPEG image",
        "send the image itself, unpacked, as DICOM, PNG, TIFF or JPEG, and copy it again if it is "
        "damaged or cut off",
    ),
    "BAC-FILE-TRUNCATED": refused("the file ends before its image does", EXPORT_AGAIN),
    "BAC-FILE-TOO-LARGE": refused(
        "the file is larger than any single mammogram", "send one two-dimensional image per file"
    ),
    "BAC-FILE-UNREADABLE": failed(
        "the file could not be read", "check that it exists and that you may read it"
    ),
    "BAC-FILE-CHANGED": failed(
        "the file changed while it was read", "analyse it again once it is completely written"
    ),
    # What kind of image it is
    "BAC-DICOM-NO-PIXELS": refused(
        "the DICOM object holds no image", "send the image object of the study, with its pixel data"
    ),
    "BAC-MODALITY": refused("the object is no mammogram", "send digital mammograms or film scans"),
    "BAC-MULTIFRAME": refused("the file holds several frames", "send one two-dimensional image per file"),
    "BAC-TOMOSYNTHESIS": refused(
        "tomosynthesis slices and projections are not measured",
        "send the conventional 2D view of the same breast",
    ),
    "BAC-SYNTHETIC-2D": refused(
        "a 2D image synthesised from tomosynthesis is no record of X-ray attenuation",
        "send the conventional 2D view of the same breast",
    ),
    "BAC-VIEW-BIOPSY": refused(
        "exposures for stereotactic or biopsy guidance are not measured", SEND_STANDARD_VIEW
    ),
    "BAC-VIEW-SPOT": refused("spot compression views are not measured", SEND_STANDARD_VIEW),
    "BAC-VIEW-MAGNIFICATION": refused("magnification views are not measured", SEND_STANDARD_VIEW),
    "BAC-VIEW-SPECIMEN": refused("images of excised tissue are not measured", SEND_STANDARD_VIEW),
    "BAC-VIEW-BILATERAL": refused(
        "the image shows both breasts", "send a view of one breast, with its side in ImageLaterality"
    ),
    "BAC-CONTRAST": refused(
        "contrast medium in the vessels looks like calcium, and subtraction images show no calcium",
        "send an image taken without contrast medium",
    ),
    "BAC-QC-IMAGE": refused(
        "the image is a quality control or calibration exposure", "send an image of a breast"
    ),
    # Its scale
    "BAC-SPACING-MISSING": refused("the file does not say how large its pixels are", GIVE_SPACING),
    "BAC-SPACING-INVALID": refused(
        "the pixel spacing is not one that a mammogram can have",
        "correct the spacing in the header, or the one given",
    ),
    "BAC-SPACING-CONFLICT": refused(
        "two statements of the pixel spacing contradict each other",
        "find out which is right, then correct the header or drop --pixel-spacing",
    ),
    # Its pixels
    "BAC-COLOUR": refused("the image is in colour", "send the original greyscale image"),
    "BAC-DIMENSIONS": refused(
        "the image has a size or pixel layout that no mammogram has",
        "send the original image, neither a thumbnail nor a mosaic, with 8 or 16 bits a pixel",
    ),
    "BAC-PIXELS-CONSTANT": refused("all pixels have the same value", EXPORT_AGAIN),
    "BAC-BREAST-NOT-FOUND": refused(
        "no breast was found in the image",
        "check that the image shows a whole breast, dark where there is air",
    ),
    "BAC-OPTIONS-INVALID": refused(
        "the options sent with the image are not understood",
        'send JSON such as {"pixel_spacing_mm": [0.1, 0.1], "min_probability": 0.5}: mm between rows and '
        "between columns, and a number from 0 to 1",
    ),
}
