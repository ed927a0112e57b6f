"""Whether links to artifacts can be made, which anybody may follow for a while."""

from importlib.util import find_spec

from ted_core.errors import TedError
from ted_core.storage.roots import file_store
from ted_jobs.settings import Settings


class LinksNeedBotocore(TedError):
    """TED_ARTIFACT_LINK_SECONDS asks for links to S3, which botocore signs; install ted-coreset[s3], or unset it."""


def check_presigning(settings: Settings) -> None:
    """Raise LinksNeedBotocore if the settings ask for links that cannot be made here."""
    wants_links = settings.artifact_link_seconds and file_store(settings.artifacts).can_presign
    if wants_links and find_spec("botocore") is None:
        raise LinksNeedBotocore()
