"""Small counts are withheld, and nothing lets them be computed."""

from __future__ import annotations

from typing import Any

from bacctl.archive.report.table import TOTAL, Column, Table, protect

COLUMNS = (
    Column("band", "age"),
    Column("women", "women", "count"),
    Column("found", "found", "count", "women", part=True),
    Column("share", "share", "share", "found"),
)


def table(*rows: tuple[str, int, int]) -> Table:
    return Table(
        "t",
        "T",
        COLUMNS,
        [
            {"band": band, "women": women, "found": found, "share": found / women}
            for band, women, found in rows
        ],
    )


def shown(made: Table, name: str) -> list[Any]:
    return [row[name] for row in made.rows]


def test_a_small_count_takes_its_share_and_the_next_smallest_along() -> None:
    made = protect(table(("50", 400, 40), ("60", 300, 5), ("70", 200, 30), (TOTAL, 900, 75)), 11)
    assert shown(made, "women") == [400, 300, 200, 900]
    # 5 is small; alone it would follow from 75 - 40 - 30, so that 30 goes with it.
    assert shown(made, "found") == [40, None, None, 75]
    assert [value is None for value in shown(made, "share")] == [False, True, True, False]
    assert made.hidden(1) == made.hidden(2) == {"found", "share"}
    assert made.hidden(0) == frozenset()


def test_few_women_hide_their_whole_row() -> None:
    made = protect(table(("50", 400, 40), ("60", 4, 2), ("70", 200, 30)), 11)
    assert made.rows[1] == {"band": "60", "women": None, "found": None, "share": None}
    assert shown(made, "women") == [400, None, None]


def test_what_is_left_must_not_be_small_either() -> None:
    made = protect(table(("50", 400, 395), ("60", 300, 100), ("70", 200, 60)), 11)
    assert shown(made, "found") == [None, 100, None]  # five without it


def test_two_small_ones_that_make_up_too_little_take_a_third() -> None:
    made = protect(table(("50", 400, 3), ("60", 300, 4), ("70", 200, 60), ("75", 100, 50)), 11)
    assert shown(made, "found") == [None, None, 60, None]


def test_zero_and_eleven_are_shown() -> None:
    made = protect(table(("50", 400, 0), ("60", 300, 11), ("70", 200, 60)), 11)
    assert shown(made, "found") == [0, 11, 60]


def test_nothing_is_withheld_where_nobody_asks() -> None:
    given = table(("50", 3, 1), ("60", 300, 5))
    assert protect(given, 1) == given
    assert protect(given, 0) == given


def test_charts_are_protected_one_by_one() -> None:
    columns = (Column("chart", "chart"), Column("group", "group"), Column("exams", "exams", "count"))
    rows = [
        {"chart": chart, "group": group, "exams": exams}
        for chart, group, exams in (
            ("a", "x", 3),
            ("a", "y", 50),
            ("a", "z", 60),
            ("b", "x", 70),
            ("b", "y", 80),
        )
    ]
    made = protect(Table("t", "T", columns, rows, groups=("chart",)), 11)
    assert shown(made, "exams") == [None, None, 60, 70, 80]
