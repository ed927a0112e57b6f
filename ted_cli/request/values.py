"""What is said in an option → the value that is sent."""

import typer

HUNDRED = 100


def one_or_many(names: list[str] | None) -> str | list[str] | None:
    """Return the only name, or the list if there are several; None if there are none."""
    return names[0] if names and len(names) == 1 else names or None


def number_or_word(text: str | None) -> float | str | None:
    """Return the number if it is one; the service checks the rest."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def keep_ratio(text: str | None) -> float | str | None:
    """Return the fraction to keep, or a word. Raise BadParameter for what looks like a percentage."""
    is_percent = text is not None and text.rstrip().endswith("%")
    value = number_or_word(text.rstrip().removesuffix("%") if text is not None and is_percent else text)
    if isinstance(value, float) and (is_percent or 1 < value < HUNDRED):
        meant = f"{value / HUNDRED:g}"
        raise typer.BadParameter(f"{text} is no fraction of the rows; did you mean {meant}?", param_hint="--keep")
    return value


def label(text: str) -> tuple[str, str]:
    """Return the two sides of KEY=VALUE. Raise BadParameter."""
    key, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--metadata")
    return key, value
