"""One run of ``bacctl analyze``: which files, what became of each, and whether all went well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bacctl.cli.console import Console
from bacctl.cli.guard import complain, describe_unexpected
from bacctl.cli.saver import Saver
from bacctl.errors import BacctlError, FailedError
from bacctl.exam import build_exams
from bacctl.outputs.document import analysis_document
from bacctl.results import ExamResult, ImageResult
from bacctl.sources import find_sources


class Batch:
    """The images of one run, in the order they were asked for; first those that could not be opened.

    Parameters
    ----------
    console : Console
        Where progress and talk go.
    out : Path or None
        The folder that files are written to, whose own files are no images; None where none are written.
    kinds : tuple of str
        What to write.
    pixel_spacing_mm : tuple of float or None
        (between rows, between columns), for images that do not tell it.

    Attributes
    ----------
    images : list of ImageResult
        Every image that was asked for, without its mask, which would fill the memory in a long run.
    exams : list of ExamResult
        The exams put together from them, once finished.
    skipped : int
        Files in folders that are no image.
    interrupted : bool
        Whether Ctrl-C ended the run.
    """

    def __init__(
        self,
        console: Console,
        *,
        out: Path | None,
        kinds: tuple[str, ...],
        pixel_spacing_mm: tuple[float, float] | None,
    ) -> None:
        self.images: list[ImageResult] = []
        self.exams: list[ExamResult] = []
        self.skipped = 0
        self.interrupted = False
        self.out = out
        self._console = console
        self._spacing = pixel_spacing_mm
        self._server: dict[str, Any] | None = None
        self._saver = Saver(out or Path(), () if out is None else kinds, pixel_spacing_mm)

    @property
    def all_well(self) -> bool:
        """Whether every image was analysed and every file that was asked for written."""
        return not self._saver.failed and all(image.status == "ok" for image in self.images)

    @property
    def saved(self) -> int:
        """How many files were written."""
        return self._saver.written

    def fail(self, path: Path, code: str, reason: str) -> None:
        """Add an image that could not even be tried."""
        self._add(ImageResult.from_error(FailedError(code, reason), path=path))

    def run(self, paths: Sequence[Path], url: str | None) -> None:
        """Analyse what the paths stand for; never raises for an image, for the server or for Ctrl-C."""
        sources = find_sources(paths, leave_out=() if self.out is None else [self.out])
        self.skipped = sources.skipped
        for path, reason in sources.faults:
            self.fail(path, "BAC-FILE-UNREADABLE", reason)
        if not sources.files:
            return
        self._saver.prepare()
        already = len(self.images)
        try:
            for result in self._measure(sources.files, url):
                self._add(result)
        except KeyboardInterrupt:
            self.interrupted = True
        except Exception as error:
            # Whatever it was, the images that have no result yet must not vanish from the document.
            fault = error if isinstance(error, BacctlError) else None
            code = fault.code if fault else "BAC-INTERNAL"
            reason = fault.reason if fault else describe_unexpected(error).removeprefix("BAC-INTERNAL: ")
            for path in sources.files[len(self.images) - already :]:
                self.fail(path, code, reason)

    def finish(self) -> None:
        """Put the exams together and write the files of the run."""
        self.exams = build_exams(self.images)
        if self.images:
            self._saver.finish(self.document(), self.images)

    def document(self) -> dict[str, Any]:
        """Return the run as the JSON object of ``bacctl/schema/analysis-1.json``."""
        return analysis_document(self.images, self.exams, skipped=self.skipped, server=self._server)

    def _measure(self, files: Sequence[Path], url: str | None) -> Iterator[ImageResult]:
        from bacctl.cli.connect import connect

        with self._console.waiting("starting the server" if url is None else "calling the server"):
            client = connect(url)
        with client:
            self._server = dict(client.server_info())
            with self._console.progress("analysing", "images") as show:
                show(0, len(files))
                results = client.analyze_many(files, pixel_spacing_mm=self._spacing)
                for done, result in enumerate(results, 1):
                    yield result
                    show(done, len(files))

    def _add(self, result: ImageResult) -> None:
        if result.status == "ok":
            result = self._saver.save(result)
        else:
            complain(f"{result.path}: {result.code}: {result.reason}")
        self.images.append(replace(result, mask=None, density=None))
