"""A published file over HTTP: whole, in part, or only described (RFC 9110, sections 13 and 14; RFC 9530)."""

import re
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from service.http.conditional import digest_headers, etag_matches
from service.http.errors import RangeNotSatisfiable
from ted_jobs.files.intact import IntactFiles
from ted_jobs.jobs.models import Artifact

MEDIA_TYPE = "application/vnd.apache.parquet"
ONE_RANGE = re.compile(r"bytes=(?:(?P<first>\d{1,19})-(?P<last>\d{0,19})|-(?P<suffix>\d{1,19}))")


@dataclass(frozen=True)
class FileRequest:
    """Which part of a file the client asks for, and under which conditions."""

    method: str
    if_none_match: str | None = None
    range: str | None = None
    if_range: str | None = None


def respond(files: IntactFiles, artifact: Artifact, request: FileRequest, *, filename: str) -> Response:
    """Return the response to the request, or a redirect if the store has a link.

    Raises RangeNotSatisfiable and what ``IntactFiles.check`` raises.
    """
    headers = _headers(artifact, filename)
    if etag_matches(headers["ETag"], request.if_none_match):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        files.check(artifact)
        return Response(headers=headers | {"Content-Length": str(artifact.bytes)}, media_type=MEDIA_TYPE)
    if link := files.download_url(artifact, filename=filename):
        return Response(status_code=307, headers=headers | {"Location": link, "Cache-Control": "no-store"})
    part = _requested_range(request, artifact.bytes, etag=headers["ETag"])
    if part is None:
        whole = range(artifact.bytes)
        return _streaming_response(files.chunks(artifact, whole), whole, status=200, headers=headers)
    if not part:
        raise RangeNotSatisfiable(artifact.bytes)
    content_range = f"bytes {part.start}-{part.stop - 1}/{artifact.bytes}"
    headers |= {"Content-Range": content_range}
    return _streaming_response(files.chunks(artifact, part), part, status=206, headers=headers)


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


def _streaming_response(
    chunks: Generator[bytes, None, None], part: range, *, status: int, headers: dict[str, str]
) -> Response:
    """Send the chunks. If they end in an error, the connection breaks before the client has all that was announced."""
    return _FileResponse(chunks, status=status, headers=headers | {"Content-Length": str(len(part))})


class _FileResponse(StreamingResponse):
    """Sends the chunks, and closes their file also if the client does not read them all."""

    media_type = MEDIA_TYPE

    def __init__(self, chunks: Generator[bytes, None, None], *, status: int, headers: dict[str, str]) -> None:
        super().__init__(chunks, status, headers=headers)
        self.chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the end of the part, or until nobody reads."""
        with closing(self.chunks):
            await super().__call__(scope, receive, send)
