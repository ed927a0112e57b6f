"""The subcommands that run the service, as a whole or in parts."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from ted_cli.checkup import collect_findings, findings_table, has_no_problems
from ted_cli.extras import require, require_any
from ted_cli.local.processes import exec_process
from ted_cli.terminal import err, out, print_text

app = typer.Typer()
PASS_THROUGH_OPTIONS = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command()
def up(
    context: typer.Context,
    home: Annotated[Path | None, typer.Option(help="Folder of the service's data; as in `ted --home … up`.")] = None,
    port: Annotated[int, typer.Option(envvar="TED_PORT", min=0, max=65535, help="0: any that is free.")] = 8000,
    dataset_root: Annotated[
        list[str] | None,
        typer.Option(help="A folder or s3://bucket/folder for datasets; may be repeated. Otherwise TED_DATASET_ROOTS."),
    ] = None,
    workers: Annotated[
        int, typer.Option(envvar="TED_WORKERS", min=1, help="How many run jobs, each on its share of the processors.")
    ] = 1,
) -> None:
    """Run the whole service here: API, sweeper, worker and broker, until Ctrl-C."""
    require(context, "server", "worker")
    from ted_cli.local.up import UpOptions, run_service  # noqa: PLC0415 - only here, since it needs a POSIX system
    from ted_core.storage.roots import parse_root, parse_roots  # noqa: PLC0415 - pyarrow takes its time

    try:
        roots = tuple(map(parse_root, dataset_root or [])) or parse_roots(os.environ.get("TED_DATASET_ROOTS", ""))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--dataset-root or TED_DATASET_ROOTS") from error
    home = (home or context.obj.home).expanduser().resolve()
    run_service(UpOptions(home, port, roots, workers), print_line=print_text)


@app.command()
def api(context: typer.Context) -> None:
    """Run the API alone; its settings come from TED_* variables."""
    require(context, "server")
    exec_process("api", context.obj.home)


@app.command()
def sweeper(context: typer.Context) -> None:
    """Run a sweeper alone: it wakes up workers and takes care of jobs that were left behind. Of several, one leads."""
    require(context, "server")
    exec_process("sweeper", context.obj.home)


@app.command()
def worker(
    context: typer.Context,
    nodes: Annotated[int, typer.Option(envvar="TED_NODES", min=1, help="How many hosts share a job.")] = 1,
    node_rank: Annotated[int, typer.Option(envvar="TED_NODE_RANK", min=0, help="The number of this host.")] = 0,
    rendezvous: Annotated[str, typer.Option(envvar="TED_RENDEZVOUS", help="Where they meet: host:port.")] = "",
) -> None:
    """Run a worker alone, also beside `ted up`; with --node-rank, a host that takes part in another worker's jobs."""
    require(context, "worker")
    if node_rank >= nodes or (nodes > 1 and not rendezvous):
        raise typer.BadParameter("Several --nodes need --rendezvous host:port, and each its own --node-rank from 0")
    os.environ |= {"TED_NODES": str(nodes), "TED_NODE_RANK": str(node_rank), "TED_RENDEZVOUS": rendezvous}
    exec_process("node" if node_rank else "worker", context.obj.home)


@app.command()
def migrate(context: typer.Context) -> None:
    """Bring the database to the newest schema: before the first start and with every upgrade."""
    require(context, "server")
    exec_process("migrate", context.obj.home)


@app.command(context_settings=PASS_THROUGH_OPTIONS, add_help_option=False)
def keys(context: typer.Context) -> None:
    """Make, list and revoke keys to the API; `ted keys --help` says how."""
    require(context, "server")
    exec_process("keys", context.obj.home, *context.args)


@app.command()
def doctor(
    context: typer.Context,
    json_: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Say what is wrong with the installation and what to do; the exit status is 1 if something is."""
    require_any(context, "server", "worker")
    findings = collect_findings(context.obj.home, console=err)
    if json_:
        typer.echo(json.dumps(findings, indent=2))
    else:
        out.print(findings_table(findings))
    raise typer.Exit(not has_no_problems(findings))
