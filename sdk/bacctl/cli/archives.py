"""``bacctl analyze`` from and into DICOMweb archives."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import typer

from bacctl.cli.extras import needs
from bacctl.cli.guard import UsageError, complain
from bacctl.cli.sink import Sink

if TYPE_CHECKING:
    from bac_terms.errors import FailedError, RefusedError
    from bacctl.pacs.web import WebArchive
    from bacctl.results import ExamResult

EXTRA = "dicom-network"
TOKEN_VARIABLE = "BACCTL_DICOMWEB_TOKEN"  # noqa: S105  # the name of the variable, not what is in it
DICOM_KINDS = ("sr", "seg", "pm", "sc", "pr")

DicomwebToken = Annotated[
    Path | None,
    typer.Option(
        "--dicomweb-token-file",
        metavar="FILE",
        help=f"File that holds the token of DICOMweb services; {TOKEN_VARIABLE} holds one itself.",
    ),
]


class Archives:
    """Where one run fetches studies from, and where it stores its DICOM objects.

    Attributes
    ----------
    studies : list of (WebArchive, str)
        Archive and Study Instance UID of each study to be fetched.
    failed : bool
        Whether an object that was to be stored is not.
    """

    def __init__(self, studies: Sequence[tuple[WebArchive, str]], target: WebArchive | None) -> None:
        self.studies = list(studies)
        self.failed = False
        self._target = target
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @classmethod
    def of(cls, sources: Sequence[str], target: str | None, token_file: Path | None) -> Archives:
        """Check what the command line says.

        Raises
        ------
        UsageError
            An address is none, or a token would go there in the clear.
        """
        if not sources and target is None:
            if token_file is not None:
                raise UsageError("--dicomweb-token-file: is for --from-dicomweb and --to-dicomweb; give one")
            return cls([], None)
        with needs(EXTRA):
            from bacctl.pacs.session import authorization_of
            from bacctl.pacs.web import WebArchive, split_study
        try:
            secret = authorization_of(token_file, TOKEN_VARIABLE)
            split = [split_study(source) for source in sources]
            return cls(
                [(WebArchive(base, secret), study) for base, study in split],
                None if target is None else WebArchive(target, secret),
            )
        except ValueError as error:
            raise UsageError(str(error)) from None

    def __enter__(self) -> Archives:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def fetch(self, sink: Sink, fail: Callable[[Path, RefusedError | FailedError], None]) -> list[Path]:
        """Fetch the studies into a folder that is gone at the end, and return the files.

        `fail` is called with what could not be fetched.
        """
        if not self.studies:
            return []
        from bac_terms.errors import FailedError
        from bacctl.pacs.studies import fetch_study

        self._folder = tempfile.TemporaryDirectory(prefix="bacctl-")
        paths = []
        for number, (archive, study) in enumerate(self.studies, 1):
            folder = Path(self._folder.name, str(number))
            folder.mkdir()
            try:
                with sink.waiting("fetching images"):
                    for path, fault in fetch_study(archive, study, folder):
                        if fault is None:
                            paths.append(path)
                        else:
                            fail(path, fault)
            except FailedError as error:
                fail(Path(study), error)
        return paths

    def store(self, sink: Sink, exams: Sequence[ExamResult]) -> None:
        """Store the DICOM objects that were written of exams. What cannot be stored stays in its file."""
        if self._target is None:
            return
        from bacctl.pacs.studies import store_files
        from bacctl.wording import count_of

        paths = [
            Path(path)
            for exam in exams
            for files in (*(image.files for image in exam.images), exam.files)
            for kind, path in files.items()
            if kind in DICOM_KINDS
        ]
        stored = 0
        for path, fault in store_files(self._target, dict.fromkeys(paths)):
            if fault is None:
                stored += 1
            else:
                complain(f"{path}: not stored: {fault}")
                self.failed = True
        sink.talk(f"{count_of(stored, 'object')} stored at {self._target.url}")
