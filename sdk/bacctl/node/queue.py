"""Exams of a node: what came in, and whose turn it is to be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bac_terms.errors import FailedError, RefusedError
from bacctl.node.records import Arrival, Exam, Kind, Made, Rules
from bacctl.node.store import Store, no_room_said

REQUIRED_VIEWS = frozenset({"LCC", "LMLO", "RCC", "RMLO"})
MOST_IMAGES = 64
"""Images of one exam; a study of more is no screening exam, and its masks would fill the memory."""

_CLOCK_S = 60.0


class Queue:
    """The exams in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, data: bytes, digest: str, arrival: Arrival) -> bool:
        """Keep an image.

        Parameters
        ----------
        data : bytes
            The DICOM file.
        digest : str
            What tells whether two images of one UID are the same: of the dataset as it was sent.
        arrival : Arrival
            What its header says.

        Returns
        -------
        bool
            False where it is here already.

        Raises
        ------
        RefusedError
            BAC-NODE-UID-REPEATED: another image of this UID is here.
        FailedError
            BAC-NODE-FULL: there is no room. Nothing was kept.
        """
        with self._store.turn:
            known = self._store.rows.execute(
                "SELECT digest FROM image WHERE sop_instance_uid=?", (arrival.sop_instance_uid,)
            ).fetchone()
            if known is not None:
                if known["digest"] != digest:
                    raise RefusedError("BAC-NODE-UID-REPEATED")
                return False
            self._check_room(len(data), arrival)
            with no_room_said():
                path = self._store.write(self._store.images, data, ".dcm")
                try:
                    with self._store.transaction():
                        self._insert(arrival, digest, path, len(data))
                except BaseException:
                    path.unlink(missing_ok=True)
                    raise
        return True

    def _check_room(self, size: int, arrival: Arrival) -> None:
        try:
            self._store.check_room(size)
        except FailedError:
            # What is delivered was kept for late views alone, and gives way to what is new.
            if self.remove_old(0.0) == 0:
                raise
            self._store.check_room(size)
        count = self._store.rows.execute(
            "SELECT count(*) FROM image JOIN exam ON exam.id=exam_id WHERE study_uid=?",
            (arrival.study_instance_uid,),
        ).fetchone()[0]
        if count >= MOST_IMAGES:
            raise FailedError("BAC-NODE-FULL", f"the exam has {count} images already, more than any", "")

    def _insert(self, arrival: Arrival, digest: str, path: Path, size: int) -> None:
        self._store.rows.execute(
            "INSERT INTO exam(study_uid, changed_at) VALUES(?, ?) ON CONFLICT(study_uid) "
            "DO UPDATE SET changed_at=excluded.changed_at, dirty=1, attempts=0, next_at=0",
            (arrival.study_instance_uid, self._store.now()),
        )
        exam = self._store.rows.execute(
            "SELECT id FROM exam WHERE study_uid=?", (arrival.study_instance_uid,)
        ).fetchone()["id"]
        self._store.rows.execute(
            "INSERT INTO image(sop_instance_uid, exam_id, digest, file, bytes, view) "
            "VALUES(?, ?, ?, ?, ?, ?)",
            (arrival.sop_instance_uid, exam, digest, path.name, size, arrival.view),
        )

    def due(self, rules: Rules) -> Exam | None:
        """Return the exam whose turn it is, the one first that waits longest; None where there is none."""
        with self._store.turn:
            now = self._store.now()
            for exam in self._store.rows.execute(
                "SELECT * FROM exam WHERE dirty=1 AND next_at<=? ORDER BY changed_at", (now,)
            ).fetchall():
                images = self._store.rows.execute(
                    "SELECT sop_instance_uid, file, view FROM image WHERE exam_id=? ORDER BY rowid",
                    (exam["id"],),
                ).fetchall()
                complete = REQUIRED_VIEWS.issubset(image["view"] for image in images)
                wait = rules.settle_s if complete else rules.quiet_s
                # A clock that was set back must not make an exam wait for hours.
                if -_CLOCK_S <= now - exam["changed_at"] < wait:
                    continue
                files = {image["sop_instance_uid"]: self._store.images / image["file"] for image in images}
                return Exam(exam["id"], exam["study_uid"], exam["revision"] + 1, exam["attempts"], files)
        return None

    def postpone(self, exam: Exam, delay_s: float) -> None:
        """Try an exam again later."""
        with self._store.turn:
            self._store.rows.execute(
                "UPDATE exam SET attempts=attempts+1, next_at=? WHERE id=?",
                (self._store.now() + delay_s, exam.id),
            )

    def finish(self, exam: Exam, made: Sequence[Made], destinations: Mapping[str, frozenset[Kind]]) -> None:
        """Keep what was made of an exam and owe it to the destinations, all or nothing.

        Parameters
        ----------
        exam : Exam
            As `due` gave it. Images that came since make it due again.
        made : sequence of Made
            The results.
        destinations : mapping of str to set of str
            Which kinds of result each takes.

        Raises
        ------
        FailedError
            BAC-NODE-FULL: the disk is full. Nothing was kept, and the exam is still due.
        """
        paths: list[Path] = []
        with no_room_said():
            try:
                for one in made:
                    paths.append(self._store.write(self._store.results, one.data, f".{one.kind}"))
                with self._store.turn, self._store.transaction():
                    for one, path in zip(made, paths, strict=True):
                        self._owe(exam, one, path, destinations)
                    count = self._store.rows.execute(
                        "SELECT count(*) FROM image WHERE exam_id=?", (exam.id,)
                    ).fetchone()[0]
                    self._store.rows.execute(
                        "UPDATE exam SET revision=?, dirty=?, attempts=0, next_at=0 WHERE id=?",
                        (exam.revision, int(count > len(exam.files)), exam.id),
                    )
            except BaseException:
                for path in paths:
                    path.unlink(missing_ok=True)
                raise

    def _owe(self, exam: Exam, one: Made, path: Path, destinations: Mapping[str, frozenset[Kind]]) -> None:
        row = self._store.rows.execute(
            "INSERT INTO result(exam_id, result_revision, kind, sop_class_uid, sop_instance_uid, file, "
            "bytes) VALUES(?, ?, ?, ?, ?, ?, ?)",
            (
                exam.id,
                exam.revision,
                one.kind,
                one.sop_class_uid,
                one.sop_instance_uid,
                path.name,
                len(one.data),
            ),
        ).lastrowid
        for destination, kinds in destinations.items():
            if one.kind in kinds:
                self._store.rows.execute(
                    "INSERT INTO delivery(result_id, destination) VALUES(?, ?)", (row, destination)
                )

    def remove_old(self, keep_s: float) -> int:
        """Forget exams that are measured and delivered and have not changed for a while; return how many."""
        with self._store.turn, self._store.transaction():
            exams = [
                row["id"]
                for row in self._store.rows.execute(
                    "SELECT id FROM exam WHERE dirty=0 AND changed_at<? AND NOT EXISTS "
                    "(SELECT 1 FROM delivery JOIN result ON result.id=result_id "
                    "WHERE exam_id=exam.id AND state!='done')",
                    (self._store.now() - keep_s,),
                ).fetchall()
            ]
            paths = [path for exam in exams for path in self._files(exam)]
            for exam in exams:
                self._store.rows.execute("DELETE FROM exam WHERE id=?", (exam,))
        for path in paths:  # what is left by a crash here goes at the next start
            path.unlink(missing_ok=True)
        return len(exams)

    def _files(self, exam: int) -> list[Path]:
        images = self._store.rows.execute("SELECT file FROM image WHERE exam_id=?", (exam,))
        results = self._store.rows.execute("SELECT file FROM result WHERE exam_id=?", (exam,))
        return [
            *(self._store.images / row["file"] for row in images),
            *(self._store.results / row["file"] for row in results),
        ]

    def counts(self) -> dict[str, int]:
        """Say how much there is: exams, those not measured, results not delivered, and refused ones."""
        with self._store.turn:
            one = self._store.rows.execute(
                "SELECT (SELECT count(*) FROM exam) AS exams, "
                "(SELECT count(*) FROM exam WHERE dirty=1) AS due, "
                "(SELECT count(*) FROM image) AS images, "
                "(SELECT count(*) FROM delivery WHERE state='waiting') AS owed, "
                "(SELECT count(*) FROM delivery WHERE state='stored') AS uncommitted, "
                "(SELECT count(*) FROM delivery WHERE state='refused') AS refused"
            ).fetchone()
        return dict(one)
