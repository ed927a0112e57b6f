"""What the processes of the service are environment, and which of them there are."""

import socket
from pathlib import Path

import pytest

from ted_cli.local import broker
from ted_cli.local.processes import process_environment
from ted_cli.local.up import UpOptions, _environment, _process_specs


@pytest.mark.parametrize(
    ("broker_url", "embedded"),
    [
        pytest.param(None, True, id="not set"),
        pytest.param("", True, id="empty"),
        pytest.param("redis://elsewhere", False, id="set"),
    ],
)
def test_the_broker_is_the_embedded_one_unless_another_is_named(
    broker_url: str | None, embedded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TED_BROKER_URL", raising=False)
    if broker_url is not None:
        monkeypatch.setenv("TED_BROKER_URL", broker_url)

    environment = process_environment(tmp_path)
    with socket.socket() as listener:
        names = [spec.name for spec in _process_specs(UpOptions(tmp_path, 0, ()), environment, listener)]

    assert ("broker" in names) is embedded
    assert environment["TED_BROKER_URL"] == (
        f"redis+socket://{broker.socket_path(tmp_path)}" if embedded else broker_url
    )


def test_several_workers_share_the_machine_and_know_it(tmp_path: Path) -> None:
    options = UpOptions(tmp_path, 0, (), workers=3)

    with socket.socket() as listener:
        environment = _environment(options, listener)
        specs = [spec for spec in _process_specs(options, environment, listener) if spec.command[-1] == "worker"]

    assert [spec.name for spec in specs] == ["worker", "worker-2", "worker-3"]
    assert {spec.environment["TED_WORKERS"] for spec in specs} == {"3"}
