"""The memory that a process may use is the machine's, or less where a control group says so."""

import os
from pathlib import Path

import pytest

from ted_core.machine import memory as machine
from ted_core.machine.memory import default_ceiling, half_of_the_memory, machine_memory
from tests.ted_core.machine.conftest import system

PHYSICAL = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
MIB, GIB = 1 << 20, 1 << 30


def test_without_control_groups_it_is_the_machines(tmp_path: Path) -> None:
    assert machine_memory(tmp_path) == PHYSICAL


def test_the_lowest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    limits = {"a/b/memory.max": f"{300 * MIB}\n", "a/memory.max": f"{200 * MIB}\n", "memory.max": "max\n"}

    assert machine_memory(system(tmp_path, "0::/a/b\n", limits)) == 200 * MIB


def test_a_container_sees_its_own_group_at_the_top(tmp_path: Path) -> None:
    root = system(tmp_path, "0::/docker/0123\n", {"memory.max": f"{256 * MIB}\n"})

    assert machine_memory(root) == 256 * MIB


def test_the_first_version_of_control_groups_has_a_folder_for_memory(tmp_path: Path) -> None:
    groups = "9:cpu,cpuacct:/x\n4:memory:/a\n"
    limits = {
        "memory/a/memory.limit_in_bytes": f"{128 * MIB}\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",
    }

    assert machine_memory(system(tmp_path, groups, limits)) == 128 * MIB


@pytest.mark.parametrize("text", ["max\n", "9223372036854771712\n", "", "many"])
def test_no_limit_is_the_machines_memory(tmp_path: Path, text: str) -> None:
    assert machine_memory(system(tmp_path, "0::/\n", {"memory.max": text})) == PHYSICAL


@pytest.mark.parametrize(
    ("memory", "half", "ceiling"),
    [(64 * GIB, 32 * GIB, 62 * GIB), (4 * GIB, 2 * GIB, 3 * GIB), (300 * MIB, 256 * MIB, 256 * MIB)],
)
def test_a_runner_leaves_a_reserve_to_the_others(
    monkeypatch: pytest.MonkeyPatch, memory: int, half: int, ceiling: int
) -> None:
    monkeypatch.setattr(machine, "machine_memory", lambda: memory)

    assert (half_of_the_memory(), default_ceiling()) == (half, ceiling)
