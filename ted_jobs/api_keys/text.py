"""The text of a key: ``ted_``, 178 bits of chance, and a checksum, so that a typo is known without the database."""

import hashlib
import hmac
import re
import secrets
import string
from zlib import crc32

KEY_PREFIX = "ted_"
ALPHABET = string.digits + string.ascii_letters
RANDOM_LETTERS, CHECKSUM_LETTERS = 30, 6
"""Letters of each. Six hold the 32 bits of a CRC; as GitHub's tokens have it, so that scanners for leaked secrets can
tell a key from an example."""
KEY_PATTERN = re.compile(rf"{KEY_PREFIX}[0-9A-Za-z]{{{RANDOM_LETTERS + CHECKSUM_LETTERS}}}")


def new_key_text() -> str:
    """A key that nobody has had."""
    text = KEY_PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LETTERS))
    return text + _checksum(text)


def is_well_formed_key(text: str) -> bool:
    """Whether this could be a key: as long as one, of its letters, and with the right checksum."""
    return bool(KEY_PATTERN.fullmatch(text)) and _checksum(text[:-CHECKSUM_LETTERS]) == text[-CHECKSUM_LETTERS:]


def key_digest(text: str, secret: bytes) -> str:
    """What is stored of a key: without the installation's secret, a copy of the database does not even let one check
    guesses."""
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def _checksum(text: str) -> str:
    """The CRC-32 in base 62."""
    rest, letters = crc32(text.encode()), []
    for _ in range(CHECKSUM_LETTERS):
        rest, letter = divmod(rest, len(ALPHABET))
        letters.append(ALPHABET[letter])
    return "".join(reversed(letters))
