"""Of archives and other peers, of manifests and runs over them, and of where they lie."""

from __future__ import annotations

from bac_terms.codes.entry import CodeEntry, failed, refused

ARCHIVES: dict[str, CodeEntry] = {
    # Archives and other peers
    "BAC-PACS-UNREACHABLE": failed(
        "the archive could not be reached", "check its address, that it runs, and the way to it"
    ),
    "BAC-PACS-REFUSED": failed(
        "the archive does not take what it is sent, or does not let this caller in",
        "check which callers and which kinds of object it takes",
    ),
    "BAC-PACS-INCOMPLETE": failed(
        "the archive gave fewer images than it has", "look into its limits and try again"
    ),
    "BAC-PACS-ANSWER": failed(
        "what the archive answered cannot be understood", "check the address and the archive's log"
    ),
    "BAC-NODE-FULL": failed("the node's queue has no room", "free some space, or allow more with --max-disk"),
    "BAC-NODE-QUEUE": failed(
        "the queue was written by another release", "let that one empty it, or give another --queue"
    ),
    "BAC-NODE-UID-REPEATED": refused(
        "an image of the same SOP Instance UID and other content is here already, which was kept",
        "find out which of the two is right, and give a changed image a UID of its own",
    ),
    "BAC-NODE-OBJECT": refused(
        "the object does not say what it is and where it belongs",
        "send mammograms with valid UIDs of image and study",
    ),
    # Archives: a manifest and a run over it
    "BAC-ARCHIVE-MANIFEST": refused(
        "the file is no manifest that this release reads", "make it with `bacctl archive scan`"
    ),
    "BAC-ARCHIVE-CLUSTER": failed(
        "the Ray cluster could not be reached, has no room, or gave up",
        "look at `ray status`, then go on with --resume",
    ),
    "BAC-ARCHIVE-CHANGED": failed(
        "the file is not the one that was scanned", "scan the archive again and run the new manifest"
    ),
    "BAC-ARCHIVE-OUTPUT": refused("what is in the output folder is of another run", "give another --out"),
    "BAC-ARCHIVE-PARKED": failed(
        "whoever worked on the image ended without an answer, each time that it was tried",
        "look into the server's log, and analyse the file by itself",
    ),
    "BAC-ARCHIVE-REPORT": refused(
        "what was given holds nothing that can be reported",
        "give a run, or what was merged of it, with a complete part",
    ),
    "BAC-ARCHIVE-MIXED": refused(
        "images of one report were measured by different weights, probability maps or settings",
        "choose one of them with --weights and --settings, or report each run by itself",
    ),
    "BAC-ARCHIVE-SAMPLE": refused(
        "an operating point cannot be proposed from these women",
        "give more women without BAC, measured by one server of this release",
    ),
    "BAC-ARCHIVE-PART": failed(
        "a part of the results is damaged or missing",
        "go on with its shard by --resume, which measures these images again",
    ),
    # Where they lie
    "BAC-STORAGE-UNREACHABLE": failed(
        "the object store or share could not be reached, or has no time",
        "check that it runs and the way to it, of a store AWS_ENDPOINT_URL, of a share its mount",
    ),
    "BAC-STORAGE-REFUSED": failed(
        "the object store does not let this caller do this",
        "check the credentials, the bucket and its rights",
    ),
    "BAC-STORAGE-WRITE": failed(
        "the file could not be written; what was there before is as it was",
        "make room, or check who may write there",
    ),
}
