"""Random damage to a file: flipped bits, cuts, pieces in other places, and numbers that claim too much."""

import random
from collections.abc import Callable, Sequence

ENDS = 256
"""Bytes at either end, where most formats keep what they say of themselves."""
LENGTHS = (b"\0" * 4, b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\0\0\1\0")


def _position(size: int, chance: random.Random) -> int:
    """Anywhere, or near an end."""
    low, high = chance.choice([(0, size), (0, min(ENDS, size)), (max(0, size - ENDS), size)])
    return chance.randrange(low, max(high, low + 1))


def _flipped(content: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 8, 64])):
        damaged[_position(len(content), chance)] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: _position(len(content), chance)]


def _spliced(content: bytes, chance: random.Random) -> bytes:
    start, to = (_position(len(content), chance) for _ in range(2))
    piece = content[start : start + chance.randrange(1, ENDS)]
    return content[:to] + piece + content[to + chance.choice([0, len(piece)]) :]


def _overstated(content: bytes, chance: random.Random) -> bytes:
    number, position = chance.choice(LENGTHS), _position(len(content), chance)
    return content[:position] + number + content[position + len(number) :]


MUTATIONS: Sequence[Callable[[bytes, random.Random], bytes]] = (_flipped, _cut, _spliced, _overstated)


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Return the content, which is not empty, damaged once or twice."""
    for _ in range(chance.choice([1, 1, 2])):
        content = chance.choice(MUTATIONS)(content, chance) or b"\0"
    return content
