"""The suite's own judgement: what it must see, it sees."""

from __future__ import annotations

import pytest
from tests.faults.outcome import judge

EXPECTED = {"a": "1", "b": "2", "c": "3"}


def test_a_run_without_fault() -> None:
    seen = [("a", "ok", None, "1"), ("c", "ok", None, "3"), ("b", "ok", None, "2")]
    judge("none", "here", seen, EXPECTED).check_all_measured()


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        ([("a", "ok", None, "2"), ("b", "ok", None, "1"), ("c", "ok", None, "3")], (2, 0, 0)),
        ([("a", "ok", None, "1"), ("c", "ok", None, "3")], (0, 1, 0)),
        ([("a", "ok", None, "1")] * 2 + [("b", "ok", None, "2"), ("c", "ok", None, "3")], (0, 0, 1)),
        (
            [(name, "ok", None, value) for name, value in EXPECTED.items()] + [("d", "ok", None, "4")],
            (1, 0, 1),
        ),
    ],
)
def test_wrong_lost_and_doubled_are_seen(
    seen: list[tuple[str, str, str | None, str | None]], found: tuple[int, int, int]
) -> None:
    outcome = judge("none", "here", seen, EXPECTED)
    assert (outcome.wrong, outcome.lost, outcome.doubled) == found
    with pytest.raises(AssertionError):
        outcome.check()


def test_what_failed_is_no_lost_image_and_not_measured() -> None:
    seen = [("a", "ok", None, "1"), ("b", "failed", "BAC-SERVER-FAULT", None), ("c", "ok", None, "3")]
    outcome = judge("none", "here", seen, EXPECTED)
    outcome.check()
    assert outcome.codes == {"BAC-SERVER-FAULT": 1}
    with pytest.raises(AssertionError):
        outcome.check_all_measured()
