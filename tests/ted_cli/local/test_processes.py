"""What the processes of the service are told, and which of them there are."""

import socket
from pathlib import Path

import pytest

from ted_cli.local import broker
from ted_cli.local.processes import process_environment
from ted_cli.local.up import _process_specs


@pytest.mark.parametrize(
    ("said", "embedded"),
    [
        pytest.param(None, True, id="not set"),
        pytest.param("", True, id="empty"),
        pytest.param("redis://elsewhere", False, id="set"),
    ],
)
def test_the_broker_is_the_embedded_one_unless_another_is_named(
    said: str | None, embedded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TED_BROKER_URL", raising=False)
    if said is not None:
        monkeypatch.setenv("TED_BROKER_URL", said)

    told = process_environment(tmp_path)
    with socket.socket() as listener:
        names = [part.name for part in _process_specs(tmp_path, told, listener)]

    assert ("broker" in names) is embedded
    assert told["TED_BROKER_URL"] == (f"redis+socket://{broker.socket_path(tmp_path)}" if embedded else said)
