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
        *("alembic", "uvicorn", "httpx", "botocore", "torch", "PIL", "cryptography"),
        *("ted_core.datasets.loading", "ted_core.datasets.samples", "ted_core.results.manifest"),
    },
    "ted_cli.main": {"httpx", "asyncio", "pydantic", "numpy", "pyarrow", "email.utils", "importlib.metadata"},
}
LIBRARIES = "import fastapi, pyarrow.fs, pydantic_settings, sqlalchemy.dialects.postgresql, structlog"
MOST_OF_LIBRARIES = 1.1
"""Three quarters on a machine with nothing else to do, where all takes 0.7 processor seconds."""
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


def test_our_own_modules_take_no_longer_to_import_than_the_libraries_that_they_build_on() -> None:
    clock = "print(time.process_time())"
    program = f"import time\n{clock}\n{LIBRARIES}\n{clock}\nimport service.app\n{clock}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    begun, libraries, all_of_it = map(float, done.stdout.split())

    assert all_of_it - libraries < MOST_OF_LIBRARIES * (libraries - begun)


def test_the_command_line_shows_its_help_without_a_client_and_without_typesetting() -> None:
    loaded = loaded_after(SHOW_HELP)

    assert "ted_cli.commands.submit" in loaded
    assert loaded & (LATER["ted_cli.main"] | {"rich.markdown"}) == set()
