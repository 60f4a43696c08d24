"""What should be known about a result."""

from __future__ import annotations

from bac_terms.codes.entry import CodeEntry, warning

REMARKS: dict[str, CodeEntry] = {
    # What should be known about a result
    "BAC-W-MASS-NONE-BEAM": warning(
        "no calcium mass: the header does not describe the X-ray beam",
        "use area and length, or send the image with its acquisition header",
    ),
    "BAC-W-MASS-NONE-THICKNESS": warning(
        "no calcium mass: the compressed thickness is not in the header",
        "use area and length, or send the image with its acquisition header",
    ),
    "BAC-W-MASS-NONE-FILM": warning(
        "no calcium mass: a film scan or plain image has no known exposure scale",
        "use area and length",
    ),
    "BAC-W-MASS-NONE-PROCESSED": warning(
        "no calcium mass: an image processed for presentation has no known exposure scale",
        "use area and length, or send the FOR PROCESSING image",
    ),
    "BAC-W-MASS-ESTIMATED": warning(
        "the calcium mass is an estimate: pixel values are not proportional to exposure",
        "send the FOR PROCESSING image as the unit wrote it for a calibrated mass",
    ),
    "BAC-W-HEADER-UNLISTED": warning(
        "an attribute that the calcium mass rests on holds a value that the standard does not list",
        "it was taken as not told: correct the header at its source, and do not rely on the mass",
    ),
    "BAC-W-BEAM-ASSUMED": warning(
        "the header does not tell all of the filter and the detector; what is usual is assumed",
        "nothing need be done: the interval holds what this may change, some per cent of the mass",
    ),
    "BAC-W-GRID-ASSUMED": warning(
        "the header does not say whether a grid stood in the beam; one is assumed",
        "find out: without a grid the calcium mass may be up to twice as large as given",
    ),
    "BAC-W-METAL": warning(
        "a long find is heavier than solid calcium salt, taken for metal and left out",
        "look there for a wire, clip or lead; calcium beneath it is not counted",
    ),
    "BAC-W-METAL-TOUCHES": warning(
        "a vessel is somewhere denser than its wall, as where metal or a coarse calcification lies on it",
        "look at the overlay there: what is no artery was weighed with it, unless it runs along the beam",
    ),
    "BAC-W-BELOW-POINT": warning(
        "finds below the operating point were left out: they are in no mask, area, length or mass",
        "nothing need be done: it was asked for with --min-probability (min_probability in Python)",
    ),
    "BAC-W-MASK-CUT": warning(
        "part of the given outline lies outside the breast as it is searched and was not weighed",
        "look at the overlay; 2 mm at the image's border and 1.5 mm at the skin are no part of it",
    ),
    "BAC-W-VESSEL-NOT-WEIGHED": warning(
        "a vessel has no plain tissue beside it to be compared with and counts as 0 mg",
        "the interval holds what it may weigh; look at the overlay, and use area and length",
    ),
    "BAC-W-MEASURED-AGAIN": warning(
        "the server first answered with the result of another image; that was thrown away and this image "
        "measured again",
        "the result is this image's own; find out why a process of the server stood still",
    ),
    "BAC-W-WEIGHTS-DIFFER": warning(
        "results that stand together were not measured by the same weights, probability map and release",
        "have all servers run one release and one set of weights (--weights holds a run to one), and "
        "measure again what is to be compared",
    ),
    "BAC-W-SPACING-OVERRIDDEN": warning(
        "the pixel spacing was given by the caller", "make sure that it holds at the detector"
    ),
    "BAC-W-SPACING-DETECTOR-ASSUMED": warning(
        "the header's pixel spacing does not say which plane it holds in; it is taken at the detector",
        "compare with the detector's pixel size",
    ),
    "BAC-W-SIZE-UNUSUAL": warning(
        "the image has a size that its maker's detectors do not give; it may have been resized or cut",
        "send the image as the unit wrote it: resized, its lengths, areas and mass are all wrong",
    ),
    "BAC-W-SIZE-UNCHECKED": warning(
        "the header names no unit whose image sizes are known, nor the field of view, so that a resized "
        "image would not be noticed",
        "make sure that the image is as large as the unit wrote it",
    ),
    "BAC-W-MAGNIFICATION-ASSUMED": warning(
        "the magnification rests on assumed distances",
        "read area, length and mass with a margin of some per cent",
    ),
    "BAC-W-MAGNIFICATION-CONFLICT": warning(
        "the header's magnification factor disagrees with its distances; it was not used",
        "check the distances in the header",
    ),
    "BAC-W-IMPLANT": warning(
        "the breast has an implant that is not displaced in this view",
        "prefer the implant-displaced view",
    ),
    "BAC-W-PARTIAL-VIEW": warning(
        "the image shows part of a breast that was imaged in pieces",
        "do not add its result to that of the other pieces",
    ),
    "BAC-W-VIEW-UNKNOWN": warning(
        "the header does not name the view", "its result is not counted in an exam's sum"
    ),
    "BAC-W-VIEW-CONFLICT": warning(
        "the header names two different views or sides; the coded one is used",
        "check the view and the side",
    ),
    "BAC-W-VIEW-MODIFIED": warning(
        "the view is a modified one", "its result is not comparable with a plain CC or MLO view"
    ),
    "BAC-W-VIEW-REPEATED": warning(
        "the study holds several images of one view of a breast; the latest counts, the mean where "
        "neither time nor number tells which that is, or an earlier one that alone gives the better mass",
        "leave out the one that is not wanted",
    ),
    "BAC-W-STUDY-UNKNOWN": warning(
        "the header names no study",
        "it makes no exam: where each exam lies in a folder of its own, give --exam-per-folder "
        "(per_folder in Python)",
    ),
    "BAC-W-UID-INVALID": warning(
        "what stands for a UID in the header is none; it is taken as it is",
        "make sure that images that share it are of one exam, since only UIDs are made once in the world",
    ),
    "BAC-W-UID-REPEATED": warning(
        "images of different content share one SOP Instance UID",
        "each counts as an image of its own: leave out the one that is not wanted, and find out which "
        "system gave a UID twice",
    ),
    "BAC-W-EXAM-MIXED": warning(
        "the headers of an exam's images contradict each other on whose they are or when they were "
        "taken; no sum is given",
        "correct what is wrong in the headers, or analyse each group for itself",
    ),
    "BAC-W-EXAM-UNTIED": warning(
        "a view is there several times, and no study UID and no patient's identifier says that the "
        "images are of one woman's exam; no sum is given",
        "leave out the images that are not wanted",
    ),
    "BAC-W-EXAM-POINTS": warning(
        "the images of an exam were measured at different operating points; no sum is given",
        "analyse all of them again with one --min-probability and one set of weights",
    ),
    "BAC-W-EXAM-STUDIES": warning(
        "the images that were put together into an exam name several studies",
        "make sure that they are of one woman and one visit",
    ),
    "BAC-W-ONE-VIEW": warning(
        "BAC was found on one of the two views of a breast only",
        "an artery shows on both: look at both overlays for one that was missed or cut off by the field, "
        "or for something else that was outlined",
    ),
    "BAC-W-CC-MLO-DIFFER": warning(
        "the calibrated masses of the two views of a breast are outside the 99 % limits that follow from "
        "39 published women",
        "look at both overlays for an artery that was missed, cut off by the field or wrongly outlined; "
        "the mean of the views still counts",
    ),
    "BAC-W-LEFT-RIGHT-DIFFER": warning(
        "the calibrated masses of the two breasts are outside the 99 % limits that follow from 39 "
        "published women",
        "arteries may well be calcified on one side only: look at the overlays, and take it for a fault "
        "only where an artery was missed or wrongly outlined",
    ),
    "BAC-W-COMPARE-ORDER": warning(
        "the exam given as the prior one was taken after the other", "give the earlier exam first"
    ),
    "BAC-W-COMPARE-SOFTWARE": warning(
        "the two exams were not measured with one release of bacctl and one set of weights, or it is not "
        "known",
        "analyse both again with one release before a change is believed",
    ),
    "BAC-W-COMPARE-UNCHECKED": warning(
        "not all headers were at hand, so that neither the patient nor the order of the exams is certain",
        "make sure that both are of one woman and the earlier one is given first; folders are checked as "
        "far as their headers go, saved results name nobody",
    ),
    "BAC-W-COMPARE-LEFT-OUT": warning(
        "images of an exam were refused or name no study; what they show may be missing here",
        "look into the results of both exams for what they show",
    ),
    "BAC-W-COMPARE-VIEWS": warning(
        "a breast was not measured in the same views in both exams",
        "only the views that both have are compared, so that amounts differ from those of the exams",
    ),
    "BAC-W-COMPARE-BASIS": warning(
        "the masses of the two exams do not rest on the same basis",
        "compare images of one kind, FOR PROCESSING where there are any; areas may differ for this alone",
    ),
    "BAC-W-COMPARE-DETECTION": warning(
        "BAC was found in one of the two exams only, and the mass does not show a change",
        "look at the overlays of both exams before calling it new or gone",
    ),
    "BAC-W-LATERALITY-UNKNOWN": warning(
        "the header does not say which breast it is", "its result is not counted in an exam's sum"
    ),
    "BAC-W-LOSSY": warning(
        "the image was compressed with loss", "fine calcifications may be altered; prefer the original"
    ),
    "BAC-W-CLIPPED": warning(
        "the brightest parts inside the image are cut off",
        "calcium there cannot be told from what surrounds it; prefer the original",
    ),
    "BAC-W-INTENSITY-ASSUMED": warning(
        "the header does not say how pixel values follow exposure; proportionality is assumed",
        "take the calcium mass as an estimate",
    ),
    "BAC-W-LOG-SLOPE-ASSUMED": warning(
        "pixel values follow the logarithm of exposure with an unknown slope; four decades are assumed",
        "take the calcium mass as an estimate",
    ),
    "BAC-W-PADDING-DOUBTFUL": warning(
        "what the header declares as padding looks like a part of the image, and was left out",
        "compare the overlay with the image in another viewer; calcium there is not counted",
    ),
    "BAC-W-PIXELS-DOUBTFUL": warning(
        "the pixels look damaged",
        "look at the overlay, and export or copy the file again from its source; do not rely on the "
        "numbers, of which no mass is called calibrated",
    ),
    "BAC-W-FILE-MENDED": warning(
        "the file breaks the DICOM standard, in a way that could be understood",
        "compare the overlay with the image in another viewer, and tell the maker of the file",
    ),
    "BAC-W-POLARITY-CONFLICT": warning(
        "the header contradicts itself on whether high values are bright",
        "look at the overlay before using the result",
    ),
}
