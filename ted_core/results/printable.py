"""Text from a dataset as a report may hold it: short, and nothing in it but what can be seen."""

REPLACEMENT = "\ufffd"
LINE_BREAKS = dict.fromkeys(map(ord, "\u2028\u2029\x85"), "\n")
CONTROLS = {*range(0x20), *range(0x7F, 0xA0)} - {ord("\n"), ord("\t")}
DIRECTIONS = {0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
"""What turns text around, so that it reads otherwise than it is."""
PRINTABLE = dict.fromkeys(CONTROLS | DIRECTIONS, REPLACEMENT) | LINE_BREAKS


def printable(text: str, *, longest: int) -> str:
    """Return at most so many characters of the text; in place of those that show nothing, a sign that shows as one.

    >>> printable("12 % \\a off, and more", longest=12)
    '12 % � off,…'
    """
    start = text[: 2 * longest + 2]  # enough, even if every second character goes
    start = start.replace("\r\n", "\n").translate(PRINTABLE)
    return start if len(start) <= longest else start[: longest - 1] + "…"
