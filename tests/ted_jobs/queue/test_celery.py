"""What Celery may import."""

from pathlib import Path

import pytest

from ted_jobs.queue.celery import celery_app
from ted_jobs.settings import Settings


def test_celery_imports_nothing_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stranger.py").touch()
    monkeypatch.chdir(tmp_path)
    loader = celery_app(Settings(home=tmp_path)).loader

    with pytest.raises(ModuleNotFoundError, match="stranger"):
        loader.import_from_cwd("stranger")
