"""Text that came from elsewhere, made harmless for a terminal and for rich, which both take some of it for commands."""

from rich.markup import escape


def printable(text: str) -> str:
    """Replace the characters that a terminal would take for commands."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def literal(text: object) -> str:
    """Return the text, its lines kept, so that rich and the terminal show it as it is."""
    return escape("\n".join(map(printable, str(text).split("\n"))))
