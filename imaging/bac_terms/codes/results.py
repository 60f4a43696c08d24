"""Of results: files beside images, reports, outlines that are given, exams to be compared."""

from __future__ import annotations

from bac_terms.codes.entry import CodeEntry, failed, refused

RESULTS: dict[str, CodeEntry] = {
    # What is written beside the images
    "BAC-OUTPUT-NOT-DICOM": refused(
        "DICOM objects are made only of images that are DICOM themselves",
        "give the DICOM files, or leave sr, seg, pm, sc and pr out of --save",
    ),
    "BAC-OUTPUT-HEADER": refused(
        "the header lacks what an object beside the image must repeat",
        "correct the header at its source; the measurement itself is complete",
    ),
    "BAC-OUTPUT-MIXED": refused(
        "the images of one exam are of several studies or patients",
        "give every study by itself; no DICOM object can stand in two of them",
    ),
    "BAC-OUTPUT-BURNED-IN": refused(
        "the image says that its pixels show whose it is, or does not say that they do not",
        "leave sc out of --save with --deidentify, or clean the pixels and set BurnedInAnnotation to NO",
    ),
    "BAC-OUTPUT-NO-MASK": failed(
        "the result has no mask, or no density, to make objects of",
        "analyse the image again with this version, for pm with a client that asks for the density",
    ),
    # The report that is printed
    "BAC-OUTPUT-NO-BROWSER": failed(
        "there is no Chromium on this machine to print a PDF",
        "install chromium, or give --save html and print the page from a browser",
    ),
    "BAC-OUTPUT-PRINT": failed(
        "Chromium printed no PDF", "try again, or give --save html and print the page from a browser"
    ),
    # An outline that is given to be weighed
    "BAC-MASK-UNREADABLE": refused(
        "what was given as an outline is no mask that can be read",
        "give a DICOM SEG of the image, or a PNG of one channel that is 0 outside and not 0 inside",
    ),
    "BAC-MASK-OTHER-IMAGE": refused(
        "the segmentation names other images than the one that was given",
        "give the segmentation that was drawn on this image",
    ),
    "BAC-MASK-SIZE": refused(
        "the mask has another size than the image",
        "draw it on the stored matrix of the image, neither scaled nor cropped",
    ),
    "BAC-MASK-EMPTY": refused(
        "the mask holds nothing to weigh", "mark what shall be weighed, with values that are not 0"
    ),
    "BAC-MASK-OFF-BREAST": refused(
        "most of the mask lies outside the breast",
        "check that it was drawn on this image, and neither turned nor mirrored",
    ),
    # Two exams that shall be compared
    "BAC-COMPARE-EXAM": refused(
        "what was given for one exam is not exactly one study",
        "give one exam's folder, or the document that `bacctl analyze --json` printed for it",
    ),
    "BAC-COMPARE-SAME": refused(
        "the prior and the current exam are the same study", "give two different exams of one woman"
    ),
    "BAC-COMPARE-PATIENT": refused(
        "the headers of the two exams name different patients, or those of one exam do",
        "give exams of one woman; if she has two pseudonyms, compare the saved documents of "
        "`bacctl analyze --json`, which name nobody",
    ),
    "BAC-COMPARE-FAILED": refused(
        "an image of one of the exams could not be analysed, so that its result is not the exam's",
        "analyse it again, or leave the image out of the exam's folder",
    ),
    "BAC-COMPARE-POINT": refused(
        "the two exams were measured at different operating points, so that what one leaves out the "
        "other counts",
        "analyse both again with one --min-probability and one set of weights",
    ),
}
