"""Links to objects that anybody may follow for a while, signed with this process's own credentials."""

from functools import cache
from importlib.util import find_spec
from typing import Any

from ted_core.errors import TedError
from ted_core.storage.object_store import ObjectUri
from ted_jobs.settings import Settings


class LinksNeedBotocore(TedError):
    """TED_ARTIFACT_LINK_SECONDS asks for links to S3, which botocore signs; install ted-coreset[s3], or unset it."""


def check_presigning(settings: Settings) -> None:
    """Nothing, where the links that the settings ask for can be made. Raises LinksNeedBotocore."""
    root = settings.artifacts
    wanted = settings.artifact_link_seconds and isinstance(root, ObjectUri) and root.scheme == "s3"
    if wanted and find_spec("botocore") is None:
        raise LinksNeedBotocore()


@cache
def _s3_client() -> Any:
    """As the environment describes the store; nothing is sent. Raises ImportError without the extra ``s3``."""
    from botocore.config import Config  # noqa: PLC0415 - an extra
    from botocore.session import get_session  # noqa: PLC0415

    return get_session().create_client("s3", config=Config(signature_version="s3v4"))


def presigned_url(uri: ObjectUri, *, seconds: int, filename: str) -> str:
    """A URL that answers a GET of this object in S3, for so many seconds, and names the file as it is to be saved."""
    asked = {
        "Bucket": uri.parts[0],
        "Key": "/".join(uri.parts[1:]),
        "ResponseContentDisposition": f'attachment; filename="{filename}"',
    }
    url: str = _s3_client().generate_presigned_url("get_object", Params=asked, ExpiresIn=seconds)
    return url
