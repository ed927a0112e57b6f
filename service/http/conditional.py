"""Conditional requests: whether a client's copy is still current (RFC 9110, section 13; RFC 9530)."""

import base64


def strong_etag(tag: str) -> str:
    """Return the strong entity tag."""
    return f'"{tag}"'


def etag_matches(etag: str, if_none_match: str | None) -> bool:
    """Return whether the header names this tag. The comparison is weak, as If-None-Match requires."""
    listed = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    return etag in listed or listed == ["*"]


def digest_headers(sha256: str) -> dict[str, str]:
    """Return the headers that identify a representation: its hexadecimal digest as ETag and as Repr-Digest."""
    digest = base64.b64encode(bytes.fromhex(sha256)).decode()
    return {"ETag": strong_etag(sha256), "Repr-Digest": f"sha-256=:{digest}:"}
