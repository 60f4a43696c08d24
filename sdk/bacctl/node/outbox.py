"""Results of a node that destinations have not got yet, or have not committed themselves to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bacctl.node.records import Delivery
from bacctl.node.store import Store


class Outbox:
    """The deliveries in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def owed(self, destination: str, state: str = "waiting") -> list[Delivery]:
        """Return what a destination has not got yet, of the exam first that waits longest.

        `state` "stored" asks for what it has got and has not committed itself to.
        """
        with self._store.turn:
            rows = self._store.rows.execute(
                "SELECT * FROM delivery JOIN result ON result.id=result_id JOIN exam ON exam.id=exam_id "
                "WHERE destination=? AND state=? AND delivery.next_at<=? ORDER BY result.id",
                (destination, state, self._store.now()),
            ).fetchall()
        return [
            Delivery(
                row["result_id"],
                destination,
                row["kind"],
                self._store.results / row["file"],
                row["sop_class_uid"],
                row["sop_instance_uid"],
                row["study_uid"],
                row["result_revision"],
                row["delivery_attempts"],
            )
            for row in rows
            if row["exam_id"] == rows[0]["exam_id"]
        ]

    def delivered(self, delivery: Delivery, state: Literal["stored", "done", "refused"]) -> None:
        """Note that a destination has got a result, keeps it for good, or will never take it."""
        with self._store.turn:
            self._store.rows.execute(
                "UPDATE delivery SET state=?, delivery_attempts=0, next_at=0 "
                "WHERE result_id=? AND destination=?",
                (state, delivery.result_id, delivery.destination),
            )

    def retry(self, delivery: Delivery, delay_s: float, *, again: bool = False) -> None:
        """Try a delivery again later; `again` sends what was stored once more."""
        with self._store.turn:
            self._store.rows.execute(
                "UPDATE delivery SET delivery_attempts=delivery_attempts+1, next_at=?, "
                "state=CASE WHEN ? THEN 'waiting' ELSE state END WHERE result_id=? AND destination=?",
                (self._store.now() + delay_s, again, delivery.result_id, delivery.destination),
            )

    def asked(self, deliveries: Sequence[Delivery], transaction_uid: str, wait_s: float) -> None:
        """Note that commitment was asked for, and is asked for again after a while."""
        with self._store.turn, self._store.transaction():
            for delivery in deliveries:
                self._store.rows.execute(
                    "UPDATE delivery SET transaction_uid=?, delivery_attempts=delivery_attempts+1, next_at=? "
                    "WHERE result_id=? AND destination=?",
                    (transaction_uid, self._store.now() + wait_s, delivery.result_id, delivery.destination),
                )

    def reported(self, transaction_uid: str, kept: frozenset[str], lost: frozenset[str]) -> tuple[int, int]:
        """Note what an archive says of a request for commitment; return how many it keeps and has lost.

        What it has lost is sent once more. Reports of requests that are not ours change nothing.
        """
        with self._store.turn, self._store.transaction():
            rows = self._store.rows.execute(
                "SELECT result_id, destination, sop_instance_uid FROM delivery "
                "JOIN result ON result.id=result_id WHERE transaction_uid=? AND state='stored'",
                (transaction_uid,),
            ).fetchall()
            counts = {"done": 0, "waiting": 0}
            for row in rows:
                uid = row["sop_instance_uid"]
                if uid in kept or uid in lost:
                    state = "waiting" if uid in lost else "done"
                    counts[state] += 1
                    self._store.rows.execute(
                        "UPDATE delivery SET state=?, transaction_uid=NULL, next_at=0 "
                        "WHERE result_id=? AND destination=?",
                        (state, row["result_id"], row["destination"]),
                    )
        return counts["done"], counts["waiting"]

    def debts(self) -> dict[str, int]:
        """Say how many results each destination has not got for good, those of earlier starts included."""
        with self._store.turn:
            rows = self._store.rows.execute(
                "SELECT destination, count(*) AS owed FROM delivery WHERE state!='done' GROUP BY destination"
            ).fetchall()
        return {row["destination"]: row["owed"] for row in rows}
