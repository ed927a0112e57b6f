"""The ``ted`` command. Every subcommand is a thin layer over the client."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from ted_client import serving, showing
from ted_client.client import Client, Job
from ted_client.errors import ClientError
from ted_client.request import Wish
from ted_client.summary import summary
from ted_core.errors import TedError

app = typer.Typer(
    help="TED: find the rows of a training set that are worth training on.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(serving.app)
out, err = Console(), Console(stderr=True)

Home = Annotated[Path, typer.Option(envvar="TED_HOME", help="Folder of the service's data.")]
Url = Annotated[
    str | None, typer.Option(envvar="TED_URL", help="A service elsewhere; otherwise the one that runs in --home.")
]
Key = Annotated[str | None, typer.Option(envvar="TED_API_KEY", help="The key for the service at --url.")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
DEFAULT_HOME = Path("~/.ted")


@app.callback()
def connect(context: typer.Context, home: Home = DEFAULT_HOME, url: Url = None, key: Key = None) -> None:
    """Remember where the service is; nothing is sent yet."""
    context.obj = {"home": home.expanduser().resolve(), "url": url, "key": key}


def _client(context: typer.Context) -> Client:
    """The client that the options name. Raises ServiceUnreachable."""
    where: dict[str, Any] = context.obj
    return Client(where["url"], key=where["key"]) if where["url"] else Client.from_home(where["home"])


@app.command()
def submit(  # noqa: PLR0917 - typer makes every parameter an option
    context: typer.Context,
    job: Annotated[
        Path | None, typer.Argument(help="The job as a JSON file (- for standard input); options override it.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Path, file://, s3:// or gs:// URI of the data.")] = None,
    format: Annotated[str | None, typer.Option(help="parquet, jsonl, csv …: docs/families/formats.md.")] = None,  # noqa: A002
    task: Annotated[str | None, typer.Option(help="image-, tabular- or text-classification, or causal-lm.")] = None,
    input: Annotated[list[str] | None, typer.Option(help="Input column; may be repeated.")] = None,  # noqa: A002
    target: Annotated[
        list[str] | None, typer.Option(help="Column with the class; several columns of 0 and 1 where repeated.")
    ] = None,
    image_size: Annotated[int | None, typer.Option(help="Pixels that images are resized to, each way.")] = None,
    missing: Annotated[str | None, typer.Option(help="refuse or impute missing values of a table.")] = None,
    proxy: Annotated[
        str | None, typer.Option(help="mlp, cnn, resnet18, frozen-encoder, encoder, lora, or an installed one.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The pretrained model of the proxy: a name, or a path.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of the proxy.")] = None,
    keep: Annotated[float | None, typer.Option(help="Fraction of the rows to retain.")] = None,
    method: Annotated[str | None, typer.Option(help="ted, or a rival of it: see the API's document.")] = None,
    q: Annotated[str | None, typer.Option(help="Exponent of the score, or auto: measured.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random choice.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show progress until the job has ended.")] = False,
) -> None:
    """Submit a pruning job and print its id."""
    wish = Wish(
        dataset={
            "uri": dataset,
            "format": format,
            "task": task,
            "input": _one_or_many(input),
            "target": _one_or_many(target),
            "image_size": image_size,
            "missing": missing,
        },
        proxy={"name": proxy, "model": model, "epochs": epochs},
        plan={"keep_ratio": keep, "method": method, "q": _exponent(q), "seed": seed},
    )
    request = wish.over(_document(job))
    with _client(context) as client:
        stored = client.submit(request)
        typer.echo(stored.id)
        if watch:
            _watch(client, stored.id)


def _exponent(given: str | None) -> float | str | None:
    """The number, where it is one; the service says what else it takes."""
    try:
        return None if given is None else float(given)
    except ValueError:
        return given


def _one_or_many(names: list[str] | None) -> str | list[str] | None:
    return names[0] if names and len(names) == 1 else names or None


def _document(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text()
        found = json.loads(text)
    except (OSError, ValueError) as error:
        raise ClientError(f"{path} is not a readable JSON file ({error}).") from error
    if not isinstance(found, dict):
        raise ClientError(f"{path} must hold one JSON object.")
    return found


@app.command()
def watch(context: typer.Context, job_id: JobId) -> None:
    """Show a job's progress until it has ended; the exit status is 1 unless it succeeded."""
    with _client(context) as client:
        _watch(client, job_id)


def _watch(client: Client, job_id: str) -> None:
    job = watched(client, job_id, console=err)
    err.print(showing.outcome(job.require_success()), highlight=False)


def watched(client: Client, job_id: str, *, console: Console) -> Job:
    """The job once it has ended, its progress shown on the way."""
    with showing.watching(console) as show:
        return client.wait(job_id, on_progress=show)


@app.command(name="list")
def list_jobs(
    context: typer.Context, limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 20
) -> None:
    """List jobs, newest first."""
    with _client(context) as client:
        out.print(showing.job_table(client.jobs(limit=limit)))


@app.command()
def cancel(context: typer.Context, job_id: JobId) -> None:
    """Cancel a job."""
    with _client(context) as client:
        out.print(f"{job_id} is {client.cancel(job_id).status}", highlight=False)


@app.command()
def download(
    context: typer.Context,
    job_id: JobId,
    to: Annotated[Path | None, typer.Option(help="Where to; ./JOB-manifest.parquet unless set.")] = None,
    decisions: Annotated[bool, typer.Option("--decisions", help="Every row and why, instead of the manifest.")] = False,
) -> None:
    """Download a job's manifest, checked against its digest."""
    kind = "decisions" if decisions else "manifest"
    with _client(context) as client:
        path = client.download(job_id, to or Path(f"{job_id}-{kind}.parquet"), kind=kind)
    out.print(str(path), highlight=False, soft_wrap=True)


@app.command()
def report(
    context: typer.Context,
    job_id: JobId,
    html: Annotated[Path | None, typer.Option(help="Save it there as a page that needs nothing else.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="All of it, as JSON.")] = False,
) -> None:
    """Show what became of a job's rows, and what the selection cost."""
    with _client(context) as client:
        if html:
            out.print(str(client.report_page(job_id, html)), highlight=False, soft_wrap=True)
            return
        found = client.report(job_id)
    if json_:
        typer.echo(json.dumps(found, indent=2))
    else:
        out.print(summary(found), highlight=False)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Folder for the demo's data, service and manifest.")] = Path("ted-demo"),
) -> None:
    """Prune scikit-learn's digits to 60 % with a real service of its own, and show what was gained."""
    from ted_client.demo import run  # noqa: PLC0415 - scikit-learn is slow to load

    run(folder.resolve(), console=out)


def main() -> None:
    """Run the command; an error that the user can mend is one line, not a traceback."""
    try:
        app()
    except (ClientError, TedError) as error:
        err.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
