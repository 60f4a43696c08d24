"""Writes what ``--save`` asks for. A disk that is full costs files, never results."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path
from typing import Any

from bac_imaging.files import write_whole
from bac_terms.errors import BacctlError
from bacctl.cli.guard import CommandError, complain, describe_os_error
from bacctl.cli.saving.claim import FolderClaim
from bacctl.cli.saving.makers import EXAM_KINDS, MAKERS, RUN_MAKERS, WHY_NONE
from bacctl.cli.saving.spool import Spool
from bacctl.cli.saving.together import Together
from bacctl.cli.stopping import deferred
from bacctl.outputs.document import analysis_csv, document_text, exams_csv, vessels_csv
from bacctl.outputs.exam_files import Choices, ExamFile
from bacctl.outputs.files import NameTable
from bacctl.outputs.mask import mask_png
from bacctl.results import ExamResult, ImageResult
from bacctl.wording import count_of

_AS_THEY_ARE = ("json", "mask", "overlay")
"""What is not de-identified."""


class Saver:
    """The files of one run.

    Parameters
    ----------
    out : Path
        The folder they go to; made when it is needed.
    kinds : tuple of str
        Of "json", "csv", "mask", "overlay", "tables", "parquet", "omop", and of
        `bacctl.cli.saving.makers.EXAM_KINDS`.
    choices : Choices
        What is wanted of all files.

    Attributes
    ----------
    failed : bool
        Whether a file that was asked for is missing.
    written : int
        Files that stand in the folder.
    replaced : int
        How many of them took the place of a file that was there before.
    """

    def __init__(self, out: Path, kinds: tuple[str, ...], choices: Choices) -> None:
        self.failed = False
        self.written = 0
        self.replaced = 0
        self._out = out
        self._kinds = kinds
        self._choices = choices
        self._names = NameTable()
        self._stems: dict[object, str] = {}
        self._none: Counter[str] = Counter()
        self._spool = Spool(out) if any(kind in EXAM_KINDS for kind in kinds) else None
        # Open from prepare() on, and closed again by the first fault.
        self._open = False
        self._claim: FolderClaim | None = None

    @property
    def wanted(self) -> bool:
        """Whether files were asked for and can be written so far."""
        return bool(self._kinds) and self._open

    def prepare(self) -> None:
        """Make the folder now, so that one that cannot be written is told before the work begins."""
        if not self._kinds:
            return
        left = [kind for kind in _AS_THEY_ARE if kind in self._kinds]
        if self._choices.deidentify and left:
            complain(
                f"--deidentify leaves {', '.join(left)} as without it: UIDs and paths are those of the images"
            )
        try:
            self._out.mkdir(parents=True, exist_ok=True)
            # A name of its own: another run may begin in the same folder at the same moment.
            probe = self._out / f".bacctl-{secrets.token_hex(8)}.part"
            write_whole(probe, b"")
            probe.unlink(missing_ok=True)
            self._claim = FolderClaim(self._out)
            self._open = True
        except OSError as error:
            self._give_up(error)

    def save(self, result: ImageResult) -> ImageResult:
        """Write the files of one image and return its result with their paths."""
        makers: dict[str, Callable[[ImageResult], bytes]] = {"mask": self._mask, "overlay": self._overlay}
        wanted = [kind for kind in self._kinds if kind in makers]
        if not self._open:
            return result
        if self._spool is not None:
            try:
                self._spool.keep(result)
            except OSError as error:
                self._give_up(error)
                return result
        if not wanted:
            return result
        stem = self._stem_of(result)
        files = dict(result.files)
        for kind in wanted:
            try:
                data = makers[kind](result)
            except Exception as error:
                # A picture that cannot be drawn must not cost the measurement.
                complain(f"{result.path}: no {kind}: {_why_not(error)}")
                self.failed = True
                continue
            path = self._out / f"{stem}.{kind}.png"
            if self._write(path, data):
                files[kind] = str(path)
        return replace(result, files=files)

    def save_exams(self, exams: list[ExamResult], images: Sequence[ImageResult]) -> list[ImageResult]:
        """Write the files of all exams, one by one, so that a run can be stopped between them.

        The exams get theirs in place; gives back the images with their own.
        """
        if self._spool is None or not self._open:
            return list(images)
        if len(exams) > 1:
            self._refuse_prior(len(exams))
        files: dict[Path | None, Mapping[str, str]] = {}
        for number, exam in enumerate(exams):
            with deferred():
                exams[number] = self.save_exam(exam)
                files.update({image.path: image.files for image in exams[number].images})
        self._without_exam([image for image in images if image.status == "ok" and image.path not in files])
        return [replace(image, files=files[image.path]) if image.path in files else image for image in images]

    def save_exam(self, exam: ExamResult) -> ExamResult:
        """Write the files of one exam and return it, and its images, with their paths.

        Its images need no masks: those that `save` was given are taken.
        """
        if self._spool is None or not self._open:
            return exam
        try:
            given = replace(exam, images=tuple(map(self._spool.restored, exam.images)))
        except OSError as error:
            self._give_up(error)
            return exam
        for kinds, maker in MAKERS:
            wanted = [kind for kind in kinds if kind in self._kinds]
            if not wanted or not self._open:
                continue
            try:
                exam, kinds_written = self._write_together(exam, maker(given, wanted, self._choices))
            except Exception as error:
                complain(f"{_name_of(exam)}: no {', '.join(wanted)}: {_why_not(error)}")
                self.failed = True
                continue
            if any(image.status == "ok" for image in exam.images):
                self._none.update(kind for kind in wanted if kind in WHY_NONE and kind not in kinds_written)
        return exam

    def _without_exam(self, images: Sequence[ImageResult]) -> None:
        """Say that nothing is made of images that belong to no exam."""
        if images:
            kinds = ", ".join(kind for kind in self._kinds if kind in EXAM_KINDS)
            of = count_of(len(images), "image")
            complain(
                f"no {kinds} of {of} that no exam was put together of, such as {images[0].path}; give "
                "--exam-per-folder where each exam lies in a folder of its own"
            )
            self.failed = True

    def close(self) -> None:
        """Remove what was only kept for the time of the run, and say what there is none of."""
        if self._spool is not None:
            self._spool.close()
        for kind, count in self._none.items():
            complain(f"no {kind} of {count_of(count, 'exam')}: {WHY_NONE[kind]}")

    def let_go(self) -> None:
        """Say to other runs that this one has written everything."""
        if self._claim is not None:
            self._claim.let_go()

    def _refuse_prior(self, exams: int) -> None:
        """Leave out the prior exam, where several exams were put together and it is of one woman."""
        if self._choices.prior is not None:
            complain(f"--prior is of one woman, and {exams} exams were found; analyse them one by one")
            self._choices = replace(self._choices, prior=None)
            self.failed = True

    def finish(
        self, document: Mapping[str, Any], images: Sequence[ImageResult], exams: Sequence[ExamResult]
    ) -> None:
        """Write the files of the whole run."""
        if "json" in self._kinds:
            self._write(self._out / "analysis.json", document_text(document).encode())
        if "csv" in self._kinds:
            text = analysis_csv(images, self._choices)
            self._write(self._out / "analysis.csv", text.encode("utf-8", "backslashreplace"))
        if "tables" in self._kinds:
            for name, rows in (
                ("vessels", vessels_csv(images, self._choices)),
                ("exams", exams_csv(exams, self._choices)),
            ):
                self._write(self._out / f"analysis-{name}.csv", rows.encode("utf-8", "backslashreplace"))
        for kind, maker in RUN_MAKERS.items():
            if kind not in self._kinds:
                continue
            try:
                tables = maker(images, exams, self._choices)
            except Exception as error:
                complain(f"{self._out}: no {kind}: {_why_not(error)}")
                self.failed = True
                continue
            for name, data in tables.items():
                self._write(self._out / name, data)

    def _write(self, path: Path, data: bytes) -> bool:
        if not self._open:
            return False
        replaces = os.path.lexists(path)  # names are unique within a run: it is older than this run
        try:
            write_whole(path, data, synced=True)
        except OSError as error:
            self._give_up(error)
            return False
        self.written += 1
        self.replaced += replaces
        return True

    def _write_together(
        self, exam: ExamResult, files: Iterable[ExamFile]
    ) -> tuple[ExamResult, AbstractSet[str]]:
        """Write all files or, after an error, none; gives back which kinds there are."""
        kinds = set()
        images, own = list(exam.images), dict(exam.files)
        with Together() as waiting:
            for file in files:  # what its maker raises is none of the folder's faults
                image = None if file.image is None else exam.images[file.image]
                path = self._out / f"{self._stem_of(image or exam, file.stem)}{file.suffix}"
                try:
                    waiting.add(path, file.data)
                except OSError as error:
                    self._give_up(error)
                    return exam, set(WHY_NONE)
                kinds.add(file.kind)
                if file.image is None:
                    own[file.kind] = str(path)
                else:
                    files_so_far = {**images[file.image].files, file.kind: str(path)}
                    images[file.image] = replace(images[file.image], files=files_so_far)
            try:
                self.replaced += waiting.take_their_places()
            except OSError as error:
                self._give_up(error)
                return exam, set(WHY_NONE)
        self.written += waiting.count
        return replace(exam, images=tuple(images), files=own), kinds

    def _stem_of(self, subject: ImageResult | ExamResult, wanted: str | None = None) -> str:
        """Name what all files of one image, or of one exam, begin with."""
        if isinstance(subject, ImageResult):
            key: object = ("image", subject.path or subject.sop_instance_uid, wanted)
        else:
            wanted = (
                wanted or subject.study_instance_uid or "exam"
            )  # one name, whether it is asked for or not
            key = ("exam", subject.folder or subject.study_instance_uid, wanted)
        if key not in self._stems:
            if wanted is None and isinstance(subject, ImageResult):
                self._stems[key] = self._names.stem(subject)
            else:
                self._stems[key] = self._names.take(wanted or "image")
        return self._stems[key]

    def _give_up(self, error: OSError) -> None:
        complain(
            f"{self._out}: cannot be written ({describe_os_error(error).rsplit(': ', 1)[-1]}); "
            "free some space or give another folder with --out; the results follow without files"
        )
        self.failed = True
        self._open = False

    def _mask(self, result: ImageResult) -> bytes:
        if result.mask is None:
            raise CommandError("the server sent no mask")
        return mask_png(result.mask)

    def _overlay(self, result: ImageResult) -> bytes:
        from bac_imaging.read.reader import read_mammogram
        from bacctl.drawing.overlay import overlay_png

        if result.path is None:
            raise CommandError("the image is not a file")
        image = read_mammogram(result.path.read_bytes(), self._choices.pixel_spacing_mm)
        if result.mask is not None and image.signal.shape != result.mask.shape:
            raise CommandError("the file is not what it was when it was measured")
        raw = image.signal_kind == "log_exposure"
        return overlay_png(image.signal, image.valid, result.mask, result, flatten=raw)


def _why_not(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        extra = "tables" if error.name == "pyarrow" else "dicom"
        return f'{error.name} is not installed; run: pip install "bacctl[{extra}]"'
    if isinstance(error, (CommandError, BacctlError)):
        return str(error)
    if isinstance(error, OSError):
        return describe_os_error(error)
    return type(error).__name__  # its text may quote a header


def _name_of(exam: ExamResult) -> str:
    """Name an exam in a message by its folder, or by an image's file."""
    paths = [image.path for image in exam.images if image.path is not None]
    return exam.folder or (str(paths[0].parent) if paths else "exam")
