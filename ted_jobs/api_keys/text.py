"""The text of a key: ``ted_``, 178 bits of chance, and a checksum, so that a typo is known without the database."""

import hashlib
import hmac
import re
import secrets
import string
from zlib import crc32

PREFIX = "ted_"
ALPHABET = string.digits + string.ascii_letters
CHANCE, CHECKSUM = 30, 6
"""Letters of each. Six hold the 32 bits of a CRC; as GitHub's tokens have it, so that scanners for leaked secrets can
tell a key from an example."""
LOOKS_LIKE_A_KEY = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{CHANCE + CHECKSUM}}}")


def new_text() -> str:
    """A key that nobody has had."""
    text = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(CHANCE))
    return text + _checksum(text)


def is_whole(text: str) -> bool:
    """Whether this could be a key: as long as one, of its letters, and with the right checksum."""
    return bool(LOOKS_LIKE_A_KEY.fullmatch(text)) and _checksum(text[:-CHECKSUM]) == text[-CHECKSUM:]


def digest(text: str, secret: bytes) -> str:
    """What is stored of a key: without the installation's secret, a copy of the database does not even let one check
    guesses."""
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def _checksum(text: str) -> str:
    """The CRC-32 in base 62."""
    rest, letters = crc32(text.encode()), []
    for _ in range(CHECKSUM):
        rest, letter = divmod(rest, len(ALPHABET))
        letters.append(ALPHABET[letter])
    return "".join(reversed(letters))
