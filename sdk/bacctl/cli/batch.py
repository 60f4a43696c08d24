"""One run of ``bacctl analyze``: which files, what became of each, and whether all went well."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bac_terms.errors import FailedError, RefusedError, internal, unavailable
from bacctl import cli
from bacctl.cli.guard import UsageError, complain, describe_os_error
from bacctl.cli.options import ServerOptions
from bacctl.cli.saving.beside import Beside
from bacctl.cli.saving.saver import Saver
from bacctl.cli.show.summary import Summary
from bacctl.cli.sink import OutputLostError, Sink
from bacctl.cli.stopping import deferred, listen
from bacctl.exam.build import build_exams
from bacctl.exam.choice import study_of, view_of, with_repeated_uids
from bacctl.outputs.document import analysis_document, run_software
from bacctl.outputs.exam_files import Choices
from bacctl.results import INTENDED_USE, ExamResult, ImageResult
from bacctl.sources import Sources, find_sources
from bacctl.wording import count_of, packed_text

if TYPE_CHECKING:
    from bacctl.client.blocking import Client

LINES_SCHEMA = "bacctl.lines/1"
# Ten thousand files that fail for one reason, such as a server that is gone, are told of once.
_TOLD_OF_EACH_FAULT = 10


class Batch:
    """The images of one run, in the order they were asked for; first those that could not be opened.

    Parameters
    ----------
    sink : Sink
        Where lines, progress and talk go.
    out : Path or None
        The folder that files are written to, whose own files are no images; None where none are written.
    kinds : tuple of str
        What to write.
    pixel_spacing_mm : tuple of float or None
        (between rows, between columns), for images that do not tell it.
    min_probability : float or None, optional
        The operating point.
    exam_per_folder : bool, optional
        Whether the images of one folder are one exam, whatever study they name.
    labelmap, deidentify : bool, optional
        As `bacctl.outputs.exam_files.Choices` has them.
    prior : ExamResult, optional
        An earlier exam of the one woman whose images these are.

    Attributes
    ----------
    images : list of ImageResult
        Every image that was asked for, without its mask, which would fill the memory in a long run.
    exams : list of ExamResult
        The exams put together from them, once finished.
    skipped : int
        Files in folders that are no image.
    packed : int
        How many of them are packed, such as ``.zip`` and ``.gz``.
    unreached : int
        Images that have no result, since the run ended early.
    stop : KeyboardInterrupt or None
        What ended the run early: Ctrl-C, or a signal that asks a process to end.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        out: Path | None,
        kinds: tuple[str, ...],
        pixel_spacing_mm: tuple[float, float] | None,
        min_probability: float | None = None,
        exam_per_folder: bool = False,
        labelmap: bool = False,
        deidentify: bool = False,
        prior: ExamResult | None = None,
    ) -> None:
        self.images: list[ImageResult] = []
        self.exams: list[ExamResult] = []
        self.skipped = 0
        self.packed = 0
        self.unreached = 0
        self.stop: KeyboardInterrupt | None = None
        self.out = out
        self._sink = sink
        self._spacing = pixel_spacing_mm
        self._point = min_probability
        self._density = out is not None and "pm" in kinds
        self._per_folder = exam_per_folder
        self._server: dict[str, Any] | None = None
        choices = Choices(pixel_spacing_mm, labelmap=labelmap, deidentify=deidentify, prior=prior)
        self._saver = Saver(out or Path(), () if out is None else kinds, choices)
        self._lost = False
        self._seconds = self._total = 0.0
        self._asked = 0
        self._order: dict[Path | None, int] = {}
        self._told: Counter[tuple[str | None, str | None]] = Counter()

    @property
    def all_well(self) -> bool:
        """Whether every image was analysed and every file that was asked for written."""
        return not (self.not_saved or self._lost) and all(image.status == "ok" for image in self.images)

    @property
    def not_saved(self) -> bool:
        """Whether a file that was asked for is missing."""
        return self._saver.failed

    @property
    def saved(self) -> int:
        """How many files were written."""
        return self._saver.written

    @property
    def replaced(self) -> int:
        """How many of them took the place of files of an earlier run."""
        return self._saver.replaced

    def fail(self, path: Path, error: RefusedError | FailedError) -> None:
        """Add an image that could not even be tried."""
        with deferred():  # neither half a set of files, nor a result that is lost with it
            self._keep(ImageResult.from_error(error, path=path))

    def run(self, paths: Sequence[Path], server: ServerOptions, *, listed: Sequence[Path] = ()) -> None:
        """Analyse what the paths, and those of a list, stand for.

        Never raises for an image, for the server or for Ctrl-C.
        """
        with self._until_stopped():
            leave_out = () if self.out is None else [self.out]
            with self._sink.waiting("looking at the files"):
                sources = find_sources(paths, leave_out, listed=listed)
            self._analyse(sources, server)

    def analyse(self, sources: Sources, server: ServerOptions) -> None:
        """Analyse files that have been found already, as `run` does."""
        with self._until_stopped():
            self._analyse(sources, server)

    @contextmanager
    def _until_stopped(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt as stop:
            self.stop = stop
            self.unreached = max(self._asked - len(self.images), 0)
        finally:
            self._total = time.monotonic() - cli.started

    def _analyse(self, sources: Sources, server: ServerOptions) -> None:
        self._asked = len(sources.files) + len(sources.faults)
        self.skipped, self.packed = sources.skipped, len(sources.packed)
        self._tell_of_what_is_left_out(sources)
        for path, reason in sources.faults:
            self.fail(path, FailedError("BAC-FILE-UNREADABLE", reason, ""))
        if not sources.files:
            return
        self._saver.prepare()
        self._order = {path: number for number, path in enumerate(sources.files)}
        try:
            # What was measured is kept, and the server closed, whatever happens to a result. Files are
            # written while the next image is measured.
            with Beside(self._keep) as keeper, closing(self._measure(sources.files, server)) as results:
                for result in results:
                    keeper.give(result)
        except (BrokenPipeError, OutputLostError, UsageError):  # nobody reads on; or nothing was begun
            raise
        except (RefusedError, FailedError) as error:
            self._fail_the_rest(sources.files, error)
        except OSError as error:  # of the machine: too few files may be open, or the like
            said = f"the server could not be started or called ({describe_os_error(error)})"
            self._fail_the_rest(sources.files, unavailable(said, "try again when that is mended"))
        except Exception as error:
            if os.environ.get("BACCTL_TRACEBACK"):
                raise
            self._fail_the_rest(sources.files, internal(error))

    def _fail_the_rest(self, files: Sequence[Path], error: RefusedError | FailedError) -> None:
        """Keep the images that have no result yet from vanishing from the document."""
        done = {image.path for image in self.images}
        for path in files:
            if path not in done:
                self.fail(path, error)

    def _tell_of_what_is_left_out(self, sources: Sources) -> None:
        for link in sources.lost_links[:_TOLD_OF_EACH_FAULT]:
            complain(f"{link}: this link leads nowhere; what it stood for is left out")
        if len(sources.lost_links) > _TOLD_OF_EACH_FAULT:
            complain(f"{len(sources.lost_links) - _TOLD_OF_EACH_FAULT} more links lead nowhere")
        if sources.packed and sources.files:
            self._sink.talk(f"{packed_text(self.packed)}; unpack what holds images and analyse it too")

    def finish(self) -> None:
        """Put the exams together and write the files and the last lines of the run.

        What is asked to end meanwhile comes to the end of this first, and of what it prints.
        """
        try:
            with deferred():
                self._put_together()
            self.images = self._saver.save_exams(self.exams, self.images)
        except KeyboardInterrupt as stop:
            self.stop = stop
        try:
            with deferred():
                self._write_down()
        except KeyboardInterrupt as stop:
            self.stop = stop
        if self.stop is not None:
            listen()  # everything is kept, and what is printed now may find a reader who takes nothing

    def _put_together(self) -> None:
        for (code, _), count in self._told.items():
            if count > _TOLD_OF_EACH_FAULT:
                complain(f"{code}: {count - _TOLD_OF_EACH_FAULT} more images, for the same reason")
        # Files say the same of the same images, in whatever order their results came.
        self.images.sort(key=lambda image: self._order.get(image.path, -1))
        self.images = with_repeated_uids(self.images)
        self.exams = build_exams(self.images, per_folder=self._per_folder)
        self._tell_strays()

    def _write_down(self) -> None:
        self._saver.close()
        if self.images:
            self._saver.finish(self.document(), self.images, self.exams)
        for exam in self.exams:
            self._line("exam", exam.to_dict())
        software = run_software(self.images, self._server)
        self._line("summary", {"software": software, **self.summary().to_dict()})
        self._saver.let_go()

    def summary(self) -> Summary:
        """Return the run in numbers."""
        return Summary.of(
            self.images,
            skipped=self.skipped,
            seconds=self._seconds,
            total_seconds=self._total,
            interrupted=self.stop is not None,
            unreached=self.unreached,
        )

    def document(self) -> dict[str, Any]:
        """Return the run as the JSON object of ``bacctl/schema/analysis-1.json``."""
        return analysis_document(self.images, self.exams, skipped=self.skipped, server=self._server)

    def _tell_strays(self) -> None:
        """Say once of how many images no exam was put together, and how it is done."""
        if self._per_folder:
            return
        strays = [image for image in self.images if view_of(image) is not None and study_of(image) is None]
        if strays:
            names = "names" if len(strays) == 1 else "name"
            complain(
                f"{count_of(len(strays), 'image')} {names} no study, so that no exam was put together of "
                "them; give --exam-per-folder where each exam lies in a folder of its own"
            )

    def _measure(self, files: Sequence[Path], server: ServerOptions) -> Generator[ImageResult, None, None]:
        from bacctl.cli.connect import connect

        with self._sink.waiting("calling the server" if server.url else "starting the server"):
            client = connect(server, density=self._density)
        with client:
            self._server = self._ask(client)
            start = time.monotonic()
            try:
                with self._sink.progress("analysing", "image") as show:
                    show(0, len(files))
                    # Lines are for whoever wants each result at once; a table is read in its order.
                    results = client.analyze_many(
                        files,
                        pixel_spacing_mm=self._spacing,
                        min_probability=self._point,
                        ordered=self._sink.form != "jsonl",
                    )
                    for done, result in enumerate(results, 1):
                        yield result
                        show(done, len(files))
            finally:
                self._seconds = time.monotonic() - start

    def _ask(self, client: Client) -> dict[str, Any]:
        """Have the server measure a test image; tell of one that is away while it is waited for."""
        from bacctl.client.retry import can_help

        try:
            return dict(client.server_info(max_retries=0))
        except FailedError as error:
            if not can_help(error):
                raise
            self._sink.talk(f"{error}; trying again")
        return dict(client.server_info())

    def _keep(self, result: ImageResult) -> None:
        if result.status == "ok":
            result = self._saver.save(result)
        else:
            fault = (result.code, result.reason)
            self._told[fault] += 1
            if self._told[fault] <= _TOLD_OF_EACH_FAULT:
                complain(f"{result.path}: {result.code}: {result.reason}")
        self.images.append(replace(result, mask=None, density=None))
        self._line("image", result.to_dict())

    def _line(self, kind: str, content: Mapping[str, Any]) -> None:
        """Write a line of ``bacctl/schema/lines-1.json``."""
        if self._sink.form != "jsonl" or self._lost:
            return
        try:
            self._sink.line(
                {"schema": LINES_SCHEMA, "intended_use": INTENDED_USE, "type": kind, kind: dict(content)}
            )
        except OutputLostError as error:
            if not self._saver.wanted:
                raise
            # What is written to the folder is not lost with it.
            complain(f"{error.strerror}; no more lines follow, and the files are written all the same")
            self._lost = True
