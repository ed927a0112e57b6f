"""Which connections make room for which, without a network."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as some

from service.server.connections import ConnectionTable


@dataclass(eq=False)
class FakeConnection:
    """A connection that remembers whether it was closed."""

    address: str
    is_proxy: bool = False
    closed: bool = field(default=False)

    def abort(self) -> None:
        self.closed = True


def admitted(table: ConnectionTable, *addresses: str) -> list[FakeConnection]:
    connections = [FakeConnection(address) for address in addresses]
    assert [table.add(connection) for connection in connections] == [True] * len(connections)
    return connections


def test_the_connection_that_has_waited_longest_makes_room() -> None:
    table = ConnectionTable(most=2, most_per_address=2)

    first, second, third = admitted(table, "a", "a", "b")

    assert [first.closed, second.closed, third.closed] == [True, False, False]
    assert len(table) == 2


def test_a_connection_that_is_served_makes_no_room() -> None:
    table = ConnectionTable(most=2, most_per_address=2)
    served, waiting = admitted(table, "a", "a")
    table.serve(served)

    (last,) = admitted(table, "a")
    table.serve(last)

    assert (served.closed, waiting.closed) == (False, True)
    assert not table.add(FakeConnection("b"))


def test_a_proxy_may_have_all_connections() -> None:
    table = ConnectionTable(most=3, most_per_address=1)
    connections = [FakeConnection("proxy", is_proxy=True) for _ in range(4)]

    assert all(table.add(connection) for connection in connections)
    assert [connection.closed for connection in connections] == [True, False, False, False]


def test_a_connection_waits_from_its_last_response_on() -> None:
    table = ConnectionTable(most=2, most_per_address=2)
    busy, silent = admitted(table, "a", "a")
    table.serve(busy)
    table.wait(busy)

    admitted(table, "a")

    assert (busy.closed, silent.closed) == (False, True)


def test_an_address_with_too_many_connections_makes_room_itself() -> None:
    table = ConnectionTable(most=10, most_per_address=2)
    other, *own = admitted(table, "b", "a", "a", "a")

    assert [connection.closed for connection in (other, *own)] == [False, True, False, False]


def test_a_connection_that_was_refused_or_removed_is_not_counted() -> None:
    table = ConnectionTable(most=1, most_per_address=1)
    (only,) = admitted(table, "a")
    table.serve(only)

    assert not table.add(FakeConnection("a"))
    table.remove(only)
    table.remove(only)

    assert len(table) == 0
    assert table.add(FakeConnection("a"))


@given(
    steps=some.lists(
        some.tuples(some.sampled_from(["add", "serve", "wait", "remove"]), some.integers(0, 5)), max_size=80
    )
)
def test_neither_limit_is_ever_exceeded_and_nothing_that_is_served_is_closed(steps: list[tuple[str, int]]) -> None:
    table, alive, served = ConnectionTable(most=4, most_per_address=3), [], set()

    for step, number in steps:
        if step == "add" and table.add(connection := FakeConnection("ab"[number % 2])):
            alive.append(connection)
        elif step != "add" and alive:
            connection = alive[number % len(alive)]
            getattr(table, step)(connection)
            served = served | {connection} if step == "serve" else served - {connection}
            alive = [other for other in alive if step != "remove" or other is not connection]
        assert not any(connection.closed for connection in served)
        alive = [connection for connection in alive if not connection.closed]
        assert len(table) == len(alive) <= 4
        assert all(sum(connection.address == address for connection in alive) <= 3 for address in "ab")
