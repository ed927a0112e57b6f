"""Which names a pattern such as part-*.jsonl describes, in a time that grows with the name, whatever the pattern."""

from dataclasses import dataclass

from ted_core.errors import DatasetNotFound

MOST_STARS = 8


@dataclass(frozen=True)
class NamePattern:
    """What a name holds, in this order. Every character but ``*`` stands for itself, ``*`` for any characters."""

    start: str
    between: tuple[str, ...]
    end: str | None
    """None if the pattern has no ``*``."""

    @classmethod
    def parse(cls, text: str) -> "NamePattern":
        """The pattern that is written like this. Raises DatasetNotFound for more than 8 asterisks."""
        start, *others = text.split("*")
        if len(others) > MOST_STARS:
            fact = f"A pattern may hold {MOST_STARS} asterisks; this one holds {len(others)}"
            raise DatasetNotFound(fact, field="dataset.uri")
        return cls(start, tuple(others[:-1]), others[-1] if others else None)

    def matches(self, name: str) -> bool:
        """Whether the pattern describes the whole name: each part is looked for where the one before it ends first."""
        if self.end is None:
            return name == self.start
        position, last = len(self.start), len(name) - len(self.end)
        if last < position or not (name.startswith(self.start) and name.endswith(self.end)):
            return False
        for part in self.between:
            found = name.find(part, position, last)
            if found < 0:
                return False
            position = found + len(part)
        return True
