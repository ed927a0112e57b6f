"""Where the embedded broker listens."""

from pathlib import Path

from ted_cli.local.broker import LONGEST_SOCKET_PATH, server_command, socket_path


def test_the_broker_listens_in_the_home_folder_and_not_on_the_network(tmp_path: Path) -> None:
    words = server_command(tmp_path)

    assert words[words.index("--port") + 1] == "0"
    assert Path(words[words.index("--dir") + 1]).is_dir()


def test_a_home_whose_path_is_too_long_for_a_socket_gets_a_short_one_of_its_own(tmp_path: Path) -> None:
    homes = [tmp_path / (letter * LONGEST_SOCKET_PATH) for letter in "ab"]

    first, second = (socket_path(home) for home in homes)

    assert len(bytes(first)) <= LONGEST_SOCKET_PATH
    assert first != second
    assert first == socket_path(homes[0])
    assert first.parent.stat().st_mode & 0o777 == 0o700
