"""What the API and the command line load before they are asked for anything: little of what is slow to load."""

import subprocess
import sys

LATER = {
    "service.app": {
        *(
            "celery",
            "kombu",
            "pandas",
            "jinja2",
            "prometheus_client",
            "jaxtyping",
            "pyarrow.compute",
            "pyarrow.parquet",
        ),
        *("ted_core.datasets.loading", "ted_core.datasets.samples", "ted_core.results.manifest"),
    },
    "ted_cli.main": {"httpx", "asyncio", "pydantic", "numpy", "pyarrow", "email.utils", "importlib.metadata"},
}
SHOW_HELP = "from ted_cli.main import app; app(['--help'], standalone_mode=False)"


def loaded_after(code: str) -> set[str]:
    """What a fresh interpreter has loaded when it has run this; without what its ``site`` loads."""
    program = f"import sys\nbefore = {{*sys.modules}}\n{code}\nprint('loaded:', *({{*sys.modules}} - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("loaded:")[2].split())


def test_the_api_listens_before_it_loads_what_only_some_requests_need() -> None:
    loaded = loaded_after("import service.app")

    assert {"fastapi", "sqlalchemy"} <= loaded
    assert loaded & LATER["service.app"] == set()


def test_the_command_line_shows_its_help_without_a_client_and_without_typesetting() -> None:
    loaded = loaded_after(SHOW_HELP)

    assert "ted_cli.commands.submit" in loaded
    assert loaded & (LATER["ted_cli.main"] | {"rich.markdown"}) == set()
