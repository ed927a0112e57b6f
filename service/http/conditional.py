"""Conditional requests: whether a client's copy is still good (RFC 9110, section 13; RFC 9530)."""

import base64


def strong_etag(tag: str) -> str:
    """The strong entity tag."""
    return f'"{tag}"'


def etag_matches(etag: str, if_none_match: str | None) -> bool:
    """Whether the header names this tag. Compared weakly, as If-None-Match wants it."""
    listed = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    return etag in listed or listed == ["*"]


def digest_headers(sha256: str) -> dict[str, str]:
    """The headers by which a representation is known again: its hexadecimal digest as ETag and as Repr-Digest."""
    digest = base64.b64encode(bytes.fromhex(sha256)).decode()
    return {"ETag": strong_etag(sha256), "Repr-Digest": f"sha-256=:{digest}:"}
