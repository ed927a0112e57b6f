"""Links to objects that anybody may follow for a while, signed with this process's own credentials."""

from functools import cache
from typing import Any

from ted_core.objects import ObjectUri


@cache
def _client() -> Any:
    """As the environment describes the store; nothing is sent. Raises ImportError without the extra ``s3``."""
    from botocore.config import Config  # noqa: PLC0415 - an extra
    from botocore.session import get_session  # noqa: PLC0415

    return get_session().create_client("s3", config=Config(signature_version="s3v4"))


def presigned(uri: ObjectUri, *, seconds: int, filename: str) -> str:
    """A URL that answers a GET of this object in S3, for so many seconds, and names the file as it is to be saved."""
    asked = {
        "Bucket": uri.parts[0],
        "Key": "/".join(uri.parts[1:]),
        "ResponseContentDisposition": f'attachment; filename="{filename}"',
    }
    url: str = _client().generate_presigned_url("get_object", Params=asked, ExpiresIn=seconds)
    return url
