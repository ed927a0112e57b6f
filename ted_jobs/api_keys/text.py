"""The text of a key: ``ted_``, 178 random bits, and a checksum, so that a typo is noticed without the database."""

import hashlib
import hmac
import re
import secrets
import string
from zlib import crc32

KEY_PREFIX = "ted_"
ALPHABET = string.digits + string.ascii_letters
RANDOM_LETTERS, CHECKSUM_LETTERS = 30, 6
"""Letters of each. Six hold the 32 bits of a CRC, as in GitHub's tokens: scanners for leaked secrets can tell a key
from an example."""
KEY_PATTERN = re.compile(rf"{KEY_PREFIX}[0-9A-Za-z]{{{RANDOM_LETTERS + CHECKSUM_LETTERS}}}")


def new_key_text() -> str:
    """Return the text of a new, random key."""
    text = KEY_PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LETTERS))
    return text + _checksum(text)


def is_well_formed_key(text: str) -> bool:
    """Return whether the text could be a key: right length, right letters, right checksum."""
    return bool(KEY_PATTERN.fullmatch(text)) and _checksum(text[:-CHECKSUM_LETTERS]) == text[-CHECKSUM_LETTERS:]


def key_digest(text: str, secret: bytes) -> str:
    """Return the keyed hash of a key's text. Without the secret, a copy of the database does not allow guessing."""
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def _checksum(text: str) -> str:
    """The CRC-32 in base 62."""
    remainder = crc32(text.encode())
    letters: list[str] = []
    for _ in range(CHECKSUM_LETTERS):
        remainder, digit = divmod(remainder, len(ALPHABET))
        letters.append(ALPHABET[digit])
    return "".join(reversed(letters))
