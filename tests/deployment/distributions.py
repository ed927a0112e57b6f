"""What comes with a requirement, among the distributions that are installed here."""

from collections.abc import Iterable
from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def installed_with(wanted: Iterable[Requirement]) -> set[str]:
    """The distributions that come with these requirements, at any depth."""
    known: set[tuple[str, frozenset[str]]] = set()
    waiting = [requirement for requirement in wanted if applies(requirement)]
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) not in known:
            known.add((name, extras))
            asked = map(Requirement, requires(name) or [])
            waiting += [requirement for requirement in asked if applies(requirement, extras=extras)]
    return {name for name, _ in known}


def applies(requirement: Requirement, *, extras: Iterable[str] = ()) -> bool:
    """Whether pip heeds it here, asked for with these extras."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras})
