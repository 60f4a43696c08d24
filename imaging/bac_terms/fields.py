"""What a field of a result may hold: one type each for reading, for the JSON schema and for type checkers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from bac_terms.identifiers import SHOWN_IDENTIFIER


@dataclass(frozen=True)
class Range:
    """Bounds of a number; ``above`` is no part of it, the others are."""

    minimum: int | None = None
    above: int | None = None
    maximum: int | None = None

    def allows(self, value: float) -> bool:
        """Tell whether a number lies within."""
        return (
            (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.maximum is None or value <= self.maximum)
        )

    @property
    def schema(self) -> dict[str, Any]:
        """The keywords of JSON Schema."""
        ends = {"minimum": self.minimum, "exclusiveMinimum": self.above, "maximum": self.maximum}
        return {name: end for name, end in ends.items() if end is not None}


@dataclass(frozen=True)
class Text:
    """A pattern that a text follows from end to end.

    Where ``published`` is given, the schema says that instead: a version of a schema that is published cannot
    be narrowed, and documents may hold less than it allows.
    """

    pattern: str
    published: Mapping[str, Any] | None = field(default=None, hash=False)

    def allows(self, value: str) -> bool:
        """Tell whether a text follows it."""
        return re.fullmatch(self.pattern, value, re.DOTALL) is not None

    @property
    def schema(self) -> dict[str, Any]:
        """The keywords of JSON Schema."""
        return {"pattern": f"^{self.pattern}$"} if self.published is None else dict(self.published)


@dataclass(frozen=True)
class Ascending:
    """A pair whose first number is not the larger one, which JSON Schema cannot say."""

    def allows(self, value: tuple[float, float]) -> bool:
        """Tell whether a pair is one."""
        return value[0] <= value[1]

    @property
    def schema(self) -> dict[str, Any]:
        """The keywords of JSON Schema."""
        return {}


@dataclass(frozen=True)
class Unique:
    """A list that holds nothing twice."""

    def allows(self, value: tuple[Any, ...]) -> bool:
        """Tell whether a list is one."""
        return len(set(value)) == len(value)

    @property
    def schema(self) -> dict[str, Any]:
        """The keywords of JSON Schema."""
        return {"uniqueItems": True}


Limit = Range | Text | Ascending | Unique


def one_of(*names: str) -> Text:
    """Return the limit of a text that is one of these."""
    return Text("|".join(map(re.escape, names)), {"enum": list(names)})


Amount = Annotated[float, Range(minimum=0)]
Size = Annotated[float, Range(above=0)]
Share = Annotated[float, Range(minimum=0, maximum=1)]
Percent = Annotated[float, Range(minimum=0, maximum=100)]
Interval = Annotated[tuple[Amount, Amount], Ascending()]
Count = Annotated[int, Range(minimum=0)]
Pixels = Annotated[int, Range(minimum=1)]
Code = Annotated[str, Text("BAC-[A-Z0-9-]+")]
Digest = Annotated[str, Text("[0-9a-f]{64}")]
Line = Annotated[str, Text(r"[^\n\r]+")]
Name = Annotated[str, Text(".+", {"minLength": 1})]
# As the first documents had them: any text, though none was ever empty.
Words = Annotated[str, Text(".+", {})]
# What stands in place of a UID and may be a name is written nowhere, and so not read either.
Identifier = Annotated[str, Text(SHOWN_IDENTIFIER.pattern, {"minLength": 1})]
