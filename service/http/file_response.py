"""A published file over HTTP: whole, in part, or only described (RFC 9110, sections 13 and 14; RFC 9530)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from starlette.responses import Response, StreamingResponse

from service.http.conditional import digest_headers, etag_matches
from service.http.errors import RangeNotSatisfiable
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.jobs.models import Artifact

MEDIA_TYPE = "application/vnd.apache.parquet"
CHUNK_BYTES = 256 * 1024
ONE_RANGE = re.compile(r"bytes=(?:(?P<first>\d{1,19})-(?P<last>\d{0,19})|-(?P<suffix>\d{1,19}))")


@dataclass(frozen=True)
class FileRequest:
    """Which part of a file the client asks for, and under which conditions."""

    method: str
    if_none_match: str | None = None
    range: str | None = None
    if_range: str | None = None


def respond(store: ArtifactStore, artifact: Artifact, request: FileRequest, *, filename: str) -> Response:
    """Return the response to the request, or a redirect if the store has a link. Raises RangeNotSatisfiable."""
    headers = _headers(artifact, filename)
    if etag_matches(headers["ETag"], request.if_none_match):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        return Response(headers=headers | {"Content-Length": str(artifact.bytes)}, media_type=MEDIA_TYPE)
    if link := store.download_url(artifact, filename=filename):
        return Response(status_code=307, headers=headers | {"Location": link, "Cache-Control": "no-store"})
    part = _requested_range(request, artifact.bytes, etag=headers["ETag"])
    if part is None:
        return _streaming_response(store.open(artifact), range(artifact.bytes), status=200, headers=headers)
    if not part:
        raise RangeNotSatisfiable(artifact.bytes)
    content_range = f"bytes {part.start}-{part.stop - 1}/{artifact.bytes}"
    return _streaming_response(
        store.open(artifact), part, status=206, headers=headers | {"Content-Range": content_range}
    )


def _headers(artifact: Artifact, filename: str) -> dict[str, str]:
    return {
        **digest_headers(artifact.sha256),
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{filename}"',
    }


def _requested_range(request: FileRequest, size: int, *, etag: str) -> range | None:
    """Return the bytes that are requested; None for all of them, also if the client's part is of another file.

    A header that cannot be understood, or asks for several parts, is ignored: RFC 9110 allows both.
    """
    match = ONE_RANGE.fullmatch(request.range or "")
    if match is None or request.if_range not in (None, etag):
        return None
    if match["suffix"]:
        return range(max(size - int(match["suffix"]), 0), size)
    first, last = int(match["first"]), int(match["last"] or size)
    return range(first, min(last + 1, size)) if first <= last or not match["last"] else None


def _streaming_response(file: BinaryIO, part: range, *, status: int, headers: dict[str, str]) -> Response:
    """Send the part of the file, which is open already: so a missing one is an error and not a broken response."""
    headers = headers | {"Content-Length": str(len(part))}
    return StreamingResponse(_chunks(file, part), status, headers=headers, media_type=MEDIA_TYPE)


def _chunks(file: BinaryIO, part: range) -> Iterator[bytes]:
    """Yield these bytes of the file, a chunk at a time."""
    with file:
        file.seek(part.start)
        for begin in part[::CHUNK_BYTES]:
            yield file.read(min(CHUNK_BYTES, part.stop - begin))
