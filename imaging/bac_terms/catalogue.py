"""Every code that an error or a warning of bacctl can carry, with its meaning and advice.

``docs/errors.md`` is made from it by ``scripts/errors_page.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Status = Literal["refused", "failed", "usage", "warning"]


@dataclass(frozen=True)
class CodeEntry:
    """What one code means and what to do about it.

    Attributes
    ----------
    status : {"refused", "failed", "usage", "warning"}
        ``refused``: this input can never be measured as it is. ``failed``: it could not be measured now.
        ``usage``: the caller used the client in a way that cannot work. ``warning``: it was measured, and
        this should be known about the result.
    meaning : str
        What was found, without full stop.
    hint : str
        What to do, as a phrase that can end a sentence.
    """

    status: Status
    meaning: str
    hint: str


def _refused(meaning: str, hint: str) -> CodeEntry:
    return CodeEntry("refused", meaning, hint)


def _failed(meaning: str, hint: str) -> CodeEntry:
    return CodeEntry("failed", meaning, hint)


def _usage(meaning: str, hint: str) -> CodeEntry:
    return CodeEntry("usage", meaning, hint)


def _warning(meaning: str, hint: str) -> CodeEntry:
    return CodeEntry("warning", meaning, hint)


_SEND_STANDARD_VIEW = "send a full-field CC or MLO view"
_GIVE_SPACING = "give the spacing at the detector with --pixel-spacing MM (pixel_spacing_mm in Python)"
_EXPORT_AGAIN = "export or copy the file again from its source"
_SEE_SERVER_LOG = "try again and look into the server's log if it happens again"

CATALOGUE: Mapping[str, CodeEntry] = MappingProxyType(
    {
        # The file
        "BAC-FILE-EMPTY": _refused("the file holds no bytes", _EXPORT_AGAIN),
        "BAC-FILE-NOT-IMAGE": _refused(
            "the file is no DICOM, PNG, TIFF or JPEG image",
            "send the image itself, unpacked, as DICOM, PNG, TIFF or JPEG, and copy it again if it is "
            "damaged or cut off",
        ),
        "BAC-FILE-TRUNCATED": _refused("the file ends before its image does", _EXPORT_AGAIN),
        "BAC-FILE-TOO-LARGE": _refused(
            "the file is larger than any single mammogram", "send one two-dimensional image per file"
        ),
        "BAC-FILE-UNREADABLE": _failed(
            "the file could not be read", "check that it exists and that you may read it"
        ),
        "BAC-FILE-CHANGED": _failed(
            "the file changed while it was read", "analyse it again once it is completely written"
        ),
        # What kind of image it is
        "BAC-DICOM-NO-PIXELS": _refused(
            "the DICOM object holds no image", "send the image object of the study, with its pixel data"
        ),
        "BAC-MODALITY": _refused("the object is no mammogram", "send digital mammograms or film scans"),
        "BAC-MULTIFRAME": _refused(
            "the file holds several frames", "send one two-dimensional image per file"
        ),
        "BAC-TOMOSYNTHESIS": _refused(
            "tomosynthesis slices and projections are not measured",
            "send the conventional 2D view of the same breast",
        ),
        "BAC-SYNTHETIC-2D": _refused(
            "a 2D image synthesised from tomosynthesis is no record of X-ray attenuation",
            "send the conventional 2D view of the same breast",
        ),
        "BAC-VIEW-BIOPSY": _refused(
            "exposures for stereotactic or biopsy guidance are not measured", _SEND_STANDARD_VIEW
        ),
        "BAC-VIEW-SPOT": _refused("spot compression views are not measured", _SEND_STANDARD_VIEW),
        "BAC-VIEW-MAGNIFICATION": _refused("magnification views are not measured", _SEND_STANDARD_VIEW),
        "BAC-VIEW-SPECIMEN": _refused("images of excised tissue are not measured", _SEND_STANDARD_VIEW),
        "BAC-VIEW-BILATERAL": _refused(
            "the image shows both breasts", "send a view of one breast, with its side in ImageLaterality"
        ),
        "BAC-CONTRAST": _refused(
            "contrast medium in the vessels looks like calcium, and subtraction images show no calcium",
            "send an image taken without contrast medium",
        ),
        "BAC-QC-IMAGE": _refused(
            "the image is a quality control or calibration exposure", "send an image of a breast"
        ),
        # Its scale
        "BAC-SPACING-MISSING": _refused("the file does not say how large its pixels are", _GIVE_SPACING),
        "BAC-SPACING-INVALID": _refused(
            "the pixel spacing is not one that a mammogram can have",
            "correct the spacing in the header, or the one given",
        ),
        "BAC-SPACING-CONFLICT": _refused(
            "two statements of the pixel spacing contradict each other",
            "find out which is right, then correct the header or drop --pixel-spacing",
        ),
        # Its pixels
        "BAC-COLOUR": _refused("the image is in colour", "send the original greyscale image"),
        "BAC-DIMENSIONS": _refused(
            "the image has a size or pixel layout that no mammogram has",
            "send the original image, neither a thumbnail nor a mosaic, with 8 or 16 bits a pixel",
        ),
        "BAC-PIXELS-CONSTANT": _refused("all pixels have the same value", _EXPORT_AGAIN),
        "BAC-BREAST-NOT-FOUND": _refused(
            "no breast was found in the image",
            "check that the image shows a whole breast, dark where there is air",
        ),
        "BAC-OPTIONS-INVALID": _refused(
            "the options sent with the image are not understood",
            'send JSON such as {"pixel_spacing_mm": [0.1, 0.1], "min_probability": 0.5}: mm between rows and '
            "between columns, and a number from 0 to 1",
        ),
        # What is written beside the images
        "BAC-OUTPUT-NOT-DICOM": _refused(
            "DICOM objects are made only of images that are DICOM themselves",
            "give the DICOM files, or leave sr, seg, pm, sc and pr out of --save",
        ),
        "BAC-OUTPUT-HEADER": _refused(
            "the header lacks what an object beside the image must repeat",
            "correct the header at its source; the measurement itself is complete",
        ),
        "BAC-OUTPUT-MIXED": _refused(
            "the images of one exam are of several studies or patients",
            "give every study by itself; no DICOM object can stand in two of them",
        ),
        "BAC-OUTPUT-BURNED-IN": _refused(
            "the image says that its pixels show whose it is, or does not say that they do not",
            "leave sc out of --save with --deidentify, or clean the pixels and set BurnedInAnnotation to NO",
        ),
        "BAC-OUTPUT-NO-MASK": _failed(
            "the result has no mask, or no density, to make objects of",
            "analyse the image again with this version, for pm with a client that asks for the density",
        ),
        # The report that is printed
        "BAC-OUTPUT-NO-BROWSER": _failed(
            "there is no Chromium on this machine to print a PDF",
            "install chromium, or give --save html and print the page from a browser",
        ),
        "BAC-OUTPUT-PRINT": _failed(
            "Chromium printed no PDF", "try again, or give --save html and print the page from a browser"
        ),
        # An outline that is given to be weighed
        "BAC-MASK-UNREADABLE": _refused(
            "what was given as an outline is no mask that can be read",
            "give a DICOM SEG of the image, or a PNG of one channel that is 0 outside and not 0 inside",
        ),
        "BAC-MASK-OTHER-IMAGE": _refused(
            "the segmentation names other images than the one that was given",
            "give the segmentation that was drawn on this image",
        ),
        "BAC-MASK-SIZE": _refused(
            "the mask has another size than the image",
            "draw it on the stored matrix of the image, neither scaled nor cropped",
        ),
        "BAC-MASK-EMPTY": _refused(
            "the mask holds nothing to weigh", "mark what shall be weighed, with values that are not 0"
        ),
        "BAC-MASK-OFF-BREAST": _refused(
            "most of the mask lies outside the breast",
            "check that it was drawn on this image, and neither turned nor mirrored",
        ),
        # Two exams that shall be compared
        "BAC-COMPARE-EXAM": _refused(
            "what was given for one exam is not exactly one study",
            "give one exam's folder, or the document that `bacctl analyze --json` printed for it",
        ),
        "BAC-COMPARE-SAME": _refused(
            "the prior and the current exam are the same study", "give two different exams of one woman"
        ),
        "BAC-COMPARE-PATIENT": _refused(
            "the headers of the two exams name different patients, or those of one exam do",
            "give exams of one woman; if she has two pseudonyms, compare the saved documents of "
            "`bacctl analyze --json`, which name nobody",
        ),
        "BAC-COMPARE-FAILED": _refused(
            "an image of one of the exams could not be analysed, so that its result is not the exam's",
            "analyse it again, or leave the image out of the exam's folder",
        ),
        "BAC-COMPARE-POINT": _refused(
            "the two exams were measured at different operating points, so that what one leaves out the "
            "other counts",
            "analyse both again with one --min-probability and one set of weights",
        ),
        # What could not be done now
        "BAC-CODEC-MISSING": _failed(
            "no decoder for this compression is installed where the image is read",
            'install the decoders there with: pip install "bacctl[dicom]"',
        ),
        "BAC-CODEC-UNSUPPORTED": _refused(
            "the pixels are compressed in a way that is not supported",
            "convert the file with `dcmdjpeg IN OUT` of DCMTK or `gdcmconv --raw IN OUT` of GDCM, and send "
            "what comes out",
        ),
        "BAC-DECODE-FAILED": _failed(
            "the compressed pixels could not be decoded",
            "check the file with another viewer, or export it again without compression",
        ),
        "BAC-SERVER-UNAVAILABLE": _failed(
            "the server could not be reached", "check its address and that `bacctl serve` is running"
        ),
        "BAC-SERVER-OVERLOADED": _failed(
            "the server has no room for another request", "try again later or with fewer at a time"
        ),
        "BAC-SERVER-TIMEOUT": _failed("the server did not answer in time", "try again or allow more time"),
        "BAC-SERVER-PERMISSION": _failed(
            "the server does not allow this call", "check the credentials and the server's restrictions"
        ),
        "BAC-SERVER-TLS": _failed(
            "the client and the server do not agree on TLS",
            "write grpcs:// before the address of a server with TLS (tls= in Python), and of no other",
        ),
        "BAC-SERVER-INCOMPATIBLE": _failed(
            "what answers is no bacctl server of this release",
            "check the address, and run one release of bacctl on both sides",
        ),
        "BAC-SERVER-FAULT": _failed("the server met an error of its own", _SEE_SERVER_LOG),
        "BAC-SERVER-MIXED-UP": _failed(
            "the server answered with the result of another image, which was thrown away",
            "try again; a server that bacctl does not look after itself has to be started again first",
        ),
        "BAC-INTERNAL": _failed("an error in bacctl itself", "please report it with this line"),
        # Archives and other peers
        "BAC-PACS-UNREACHABLE": _failed(
            "the archive could not be reached", "check its address, that it runs, and the way to it"
        ),
        "BAC-PACS-REFUSED": _failed(
            "the archive does not take what it is sent, or does not let this caller in",
            "check which callers and which kinds of object it takes",
        ),
        "BAC-PACS-INCOMPLETE": _failed(
            "the archive gave fewer images than it has", "look into its limits and try again"
        ),
        "BAC-PACS-ANSWER": _failed(
            "what the archive answered cannot be understood", "check the address and the archive's log"
        ),
        "BAC-NODE-FULL": _failed(
            "the node's queue has no room", "free some space, or allow more with --max-disk"
        ),
        "BAC-NODE-QUEUE": _failed(
            "the queue was written by another release", "let that one empty it, or give another --queue"
        ),
        "BAC-NODE-UID-REPEATED": _refused(
            "an image of the same SOP Instance UID and other content is here already, which was kept",
            "find out which of the two is right, and give a changed image a UID of its own",
        ),
        "BAC-NODE-OBJECT": _refused(
            "the object does not say what it is and where it belongs",
            "send mammograms with valid UIDs of image and study",
        ),
        # Archives: a manifest and a run over it
        "BAC-ARCHIVE-MANIFEST": _refused(
            "the file is no manifest that this release reads", "make it with `bacctl archive scan`"
        ),
        "BAC-ARCHIVE-CLUSTER": _failed(
            "the Ray cluster could not be reached, has no room, or gave up",
            "look at `ray status`, then go on with --resume",
        ),
        "BAC-ARCHIVE-CHANGED": _failed(
            "the file is not the one that was scanned", "scan the archive again and run the new manifest"
        ),
        "BAC-ARCHIVE-OUTPUT": _refused(
            "what is in the output folder is of another run", "give another --out"
        ),
        "BAC-ARCHIVE-PARKED": _failed(
            "whoever worked on the image ended without an answer, each time that it was tried",
            "look into the server's log, and analyse the file by itself",
        ),
        "BAC-ARCHIVE-REPORT": _refused(
            "what was given holds nothing that can be reported",
            "give a run, or what was merged of it, with a complete part",
        ),
        "BAC-ARCHIVE-MIXED": _refused(
            "images of one report were measured by different weights, probability maps or settings",
            "choose one of them with --weights and --settings, or report each run by itself",
        ),
        "BAC-ARCHIVE-SAMPLE": _refused(
            "an operating point cannot be proposed from these women",
            "give more women without BAC, measured by one server of this release",
        ),
        "BAC-ARCHIVE-PART": _failed(
            "a part of the results is damaged or missing",
            "go on with its shard by --resume, which measures these images again",
        ),
        # Where they lie
        "BAC-STORAGE-UNREACHABLE": _failed(
            "the object store could not be reached, or has no time",
            "check AWS_ENDPOINT_URL, that it runs, and the way to it",
        ),
        "BAC-STORAGE-REFUSED": _failed(
            "the object store does not let this caller do this",
            "check the credentials, the bucket and its rights",
        ),
        "BAC-STORAGE-WRITE": _failed(
            "the file could not be written; what was there before is as it was",
            "make room, or check who may write there",
        ),
        # What the caller did wrong
        "BAC-CLIENT-OPTIONS": _usage(
            "the client is set up in a way that cannot work", "correct the arguments of the client"
        ),
        "BAC-CLIENT-CLOSED": _usage(
            "the client has been closed", "make another one, or close it after its last call"
        ),
        "BAC-CLIENT-LOOP": _usage(
            "an AsyncClient works in one event loop, and was called in another",
            "make one AsyncClient in each event loop",
        ),
        "BAC-CLIENT-FORKED": _usage(
            "the client was made in another process, and its connections do not survive a fork",
            "make the client in the process that uses it, and start processes with spawn",
        ),
        # What should be known about a result
        "BAC-W-MASS-NONE-BEAM": _warning(
            "no calcium mass: the header does not describe the X-ray beam",
            "use area and length, or send the image with its acquisition header",
        ),
        "BAC-W-MASS-NONE-THICKNESS": _warning(
            "no calcium mass: the compressed thickness is not in the header",
            "use area and length, or send the image with its acquisition header",
        ),
        "BAC-W-MASS-NONE-FILM": _warning(
            "no calcium mass: a film scan or plain image has no known exposure scale",
            "use area and length",
        ),
        "BAC-W-MASS-NONE-PROCESSED": _warning(
            "no calcium mass: an image processed for presentation has no known exposure scale",
            "use area and length, or send the FOR PROCESSING image",
        ),
        "BAC-W-MASS-ESTIMATED": _warning(
            "the calcium mass is an estimate: pixel values are not proportional to exposure",
            "send the FOR PROCESSING image as the unit wrote it for a calibrated mass",
        ),
        "BAC-W-HEADER-UNLISTED": _warning(
            "an attribute that the calcium mass rests on holds a value that the standard does not list",
            "it was taken as not told: correct the header at its source, and do not rely on the mass",
        ),
        "BAC-W-BEAM-ASSUMED": _warning(
            "the header does not tell all of the filter and the detector; what is usual is assumed",
            "nothing need be done: the interval holds what this may change, some per cent of the mass",
        ),
        "BAC-W-GRID-ASSUMED": _warning(
            "the header does not say whether a grid stood in the beam; one is assumed",
            "find out: without a grid the calcium mass may be up to twice as large as given",
        ),
        "BAC-W-METAL": _warning(
            "a long find is heavier than solid calcium salt, taken for metal and left out",
            "look there for a wire, clip or lead; calcium beneath it is not counted",
        ),
        "BAC-W-METAL-TOUCHES": _warning(
            "a vessel is somewhere denser than its wall, as where metal or a coarse calcification lies on it",
            "look at the overlay there: what is no artery was weighed with it, unless it runs along the beam",
        ),
        "BAC-W-BELOW-POINT": _warning(
            "finds below the operating point were left out: they are in no mask, area, length or mass",
            "nothing need be done: it was asked for with --min-probability (min_probability in Python)",
        ),
        "BAC-W-MASK-CUT": _warning(
            "part of the given outline lies outside the breast as it is searched and was not weighed",
            "look at the overlay; 2 mm at the image's border and 1.5 mm at the skin are no part of it",
        ),
        "BAC-W-VESSEL-NOT-WEIGHED": _warning(
            "a vessel has no plain tissue beside it to be compared with and counts as 0 mg",
            "the interval holds what it may weigh; look at the overlay, and use area and length",
        ),
        "BAC-W-MEASURED-AGAIN": _warning(
            "the server first answered with the result of another image; that was thrown away and this image "
            "measured again",
            "the result is this image's own; find out why a process of the server stood still",
        ),
        "BAC-W-SPACING-OVERRIDDEN": _warning(
            "the pixel spacing was given by the caller", "make sure that it holds at the detector"
        ),
        "BAC-W-SPACING-DETECTOR-ASSUMED": _warning(
            "the header's pixel spacing does not say which plane it holds in; it is taken at the detector",
            "compare with the detector's pixel size",
        ),
        "BAC-W-SIZE-UNUSUAL": _warning(
            "the image has a size that its maker's detectors do not give; it may have been resized or cut",
            "send the image as the unit wrote it: resized, its lengths, areas and mass are all wrong",
        ),
        "BAC-W-SIZE-UNCHECKED": _warning(
            "the header names no unit whose image sizes are known, nor the field of view, so that a resized "
            "image would not be noticed",
            "make sure that the image is as large as the unit wrote it",
        ),
        "BAC-W-MAGNIFICATION-ASSUMED": _warning(
            "the magnification rests on assumed distances",
            "read area, length and mass with a margin of some per cent",
        ),
        "BAC-W-MAGNIFICATION-CONFLICT": _warning(
            "the header's magnification factor disagrees with its distances; it was not used",
            "check the distances in the header",
        ),
        "BAC-W-IMPLANT": _warning(
            "the breast has an implant that is not displaced in this view",
            "prefer the implant-displaced view",
        ),
        "BAC-W-PARTIAL-VIEW": _warning(
            "the image shows part of a breast that was imaged in pieces",
            "do not add its result to that of the other pieces",
        ),
        "BAC-W-VIEW-UNKNOWN": _warning(
            "the header does not name the view", "its result is not counted in an exam's sum"
        ),
        "BAC-W-VIEW-CONFLICT": _warning(
            "the header names two different views or sides; the coded one is used",
            "check the view and the side",
        ),
        "BAC-W-VIEW-MODIFIED": _warning(
            "the view is a modified one", "its result is not comparable with a plain CC or MLO view"
        ),
        "BAC-W-VIEW-REPEATED": _warning(
            "the study holds several images of one view of a breast; the latest counts, the mean where "
            "neither time nor number tells which that is, or an earlier one that alone gives the better mass",
            "leave out the one that is not wanted",
        ),
        "BAC-W-STUDY-UNKNOWN": _warning(
            "the header names no study",
            "it makes no exam: where each exam lies in a folder of its own, give --exam-per-folder "
            "(per_folder in Python)",
        ),
        "BAC-W-UID-INVALID": _warning(
            "what stands for a UID in the header is none; it is taken as it is",
            "make sure that images that share it are of one exam, since only UIDs are made once in the world",
        ),
        "BAC-W-UID-REPEATED": _warning(
            "images of different content share one SOP Instance UID",
            "each counts as an image of its own: leave out the one that is not wanted, and find out which "
            "system gave a UID twice",
        ),
        "BAC-W-EXAM-MIXED": _warning(
            "the headers of an exam's images contradict each other on whose they are or when they were "
            "taken; no sum is given",
            "correct what is wrong in the headers, or analyse each group for itself",
        ),
        "BAC-W-EXAM-UNTIED": _warning(
            "a view is there several times, and no study UID and no patient's identifier says that the "
            "images are of one woman's exam; no sum is given",
            "leave out the images that are not wanted",
        ),
        "BAC-W-EXAM-POINTS": _warning(
            "the images of an exam were measured at different operating points; no sum is given",
            "analyse all of them again with one --min-probability and one set of weights",
        ),
        "BAC-W-EXAM-STUDIES": _warning(
            "the images that were put together into an exam name several studies",
            "make sure that they are of one woman and one visit",
        ),
        "BAC-W-ONE-VIEW": _warning(
            "BAC was found on one of the two views of a breast only",
            "an artery shows on both: look at both overlays for one that was missed or cut off by the field, "
            "or for something else that was outlined",
        ),
        "BAC-W-CC-MLO-DIFFER": _warning(
            "the calibrated masses of the two views of a breast are outside the 99 % limits that follow from "
            "39 published women",
            "look at both overlays for an artery that was missed, cut off by the field or wrongly outlined; "
            "the mean of the views still counts",
        ),
        "BAC-W-LEFT-RIGHT-DIFFER": _warning(
            "the calibrated masses of the two breasts are outside the 99 % limits that follow from 39 "
            "published women",
            "arteries may well be calcified on one side only: look at the overlays, and take it for a fault "
            "only where an artery was missed or wrongly outlined",
        ),
        "BAC-W-COMPARE-ORDER": _warning(
            "the exam given as the prior one was taken after the other", "give the earlier exam first"
        ),
        "BAC-W-COMPARE-SOFTWARE": _warning(
            "the two exams were not measured with one release of bacctl and one set of weights, or it is not "
            "known",
            "analyse both again with one release before a change is believed",
        ),
        "BAC-W-COMPARE-UNCHECKED": _warning(
            "not all headers were at hand, so that neither the patient nor the order of the exams is certain",
            "make sure that both are of one woman and the earlier one is given first; folders are checked as "
            "far as their headers go, saved results name nobody",
        ),
        "BAC-W-COMPARE-LEFT-OUT": _warning(
            "images of an exam were refused or name no study; what they show may be missing here",
            "look into the results of both exams for what they show",
        ),
        "BAC-W-COMPARE-VIEWS": _warning(
            "a breast was not measured in the same views in both exams",
            "only the views that both have are compared, so that amounts differ from those of the exams",
        ),
        "BAC-W-COMPARE-BASIS": _warning(
            "the masses of the two exams do not rest on the same basis",
            "compare images of one kind, FOR PROCESSING where there are any; areas may differ for this alone",
        ),
        "BAC-W-COMPARE-DETECTION": _warning(
            "BAC was found in one of the two exams only, and the mass does not show a change",
            "look at the overlays of both exams before calling it new or gone",
        ),
        "BAC-W-LATERALITY-UNKNOWN": _warning(
            "the header does not say which breast it is", "its result is not counted in an exam's sum"
        ),
        "BAC-W-LOSSY": _warning(
            "the image was compressed with loss", "fine calcifications may be altered; prefer the original"
        ),
        "BAC-W-CLIPPED": _warning(
            "the brightest parts inside the image are cut off",
            "calcium there cannot be told from what surrounds it; prefer the original",
        ),
        "BAC-W-INTENSITY-ASSUMED": _warning(
            "the header does not say how pixel values follow exposure; proportionality is assumed",
            "take the calcium mass as an estimate",
        ),
        "BAC-W-LOG-SLOPE-ASSUMED": _warning(
            "pixel values follow the logarithm of exposure with an unknown slope; four decades are assumed",
            "take the calcium mass as an estimate",
        ),
        "BAC-W-PADDING-DOUBTFUL": _warning(
            "what the header declares as padding looks like a part of the image, and was left out",
            "compare the overlay with the image in another viewer; calcium there is not counted",
        ),
        "BAC-W-PIXELS-DOUBTFUL": _warning(
            "the pixels look damaged",
            "look at the overlay, and export or copy the file again from its source; do not rely on the "
            "numbers, of which no mass is called calibrated",
        ),
        "BAC-W-FILE-MENDED": _warning(
            "the file breaks the DICOM standard, in a way that could be understood",
            "compare the overlay with the image in another viewer, and tell the maker of the file",
        ),
        "BAC-W-POLARITY-CONFLICT": _warning(
            "the header contradicts itself on whether high values are bright",
            "look at the overlay before using the result",
        ),
    }
)
"""Every code with its status, meaning and advice."""
