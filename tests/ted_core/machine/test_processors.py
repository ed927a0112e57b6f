"""The processors that a process may keep busy are the machine's, or fewer where affinity or a control group says so."""

import os
import sys
from pathlib import Path

import pytest

from ted_core.machine.processors import processor_count
from tests.ted_core.machine.conftest import system

MACHINE = 8
VERSION_1 = "4:memory:/a\n9:cpu,cpuacct:/x/y\n"


@pytest.fixture(autouse=True)
def eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(MACHINE)), raising=False)


def test_without_control_groups_it_is_those_of_the_affinity_mask(tmp_path: Path) -> None:
    assert processor_count(tmp_path) == MACHINE


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has affinity masks")
def test_the_affinity_mask_is_this_processs_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    mask = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(mask)})

    try:
        assert processor_count(tmp_path) == 1
    finally:
        os.sched_setaffinity(0, mask)


@pytest.mark.parametrize(
    ("quota", "processors"),
    [
        pytest.param("400000 100000", 4, id="whole processors"),
        pytest.param("250000 100000", 2, id="a part is not worth a thread"),
        pytest.param("50000 100000", 1, id="less than one is one"),
        pytest.param("9900000 100000", MACHINE, id="more than there are"),
        pytest.param("max 100000", MACHINE, id="none"),
        pytest.param("", MACHINE, id="empty"),
        pytest.param("many", MACHINE, id="no numbers"),
    ],
)
def test_a_quota_is_rounded_down(tmp_path: Path, quota: str, processors: int) -> None:
    assert processor_count(system(tmp_path, "0::/a\n", {"a/cpu.max": f"{quota}\n"})) == processors


def test_the_lowest_quota_on_the_way_up_counts(tmp_path: Path) -> None:
    quotas = {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n", "cpu.max": "600000 100000\n"}

    assert processor_count(system(tmp_path, "0::/a/b\n", quotas)) == 3


def test_a_container_sees_its_own_group_at_the_top(tmp_path: Path) -> None:
    assert processor_count(system(tmp_path, "0::/docker/0123\n", {"cpu.max": "200000 100000\n"})) == 2


@pytest.mark.parametrize(("quota", "processors"), [("150000", 3), ("-1", MACHINE)])
def test_the_first_version_of_control_groups_has_a_folder_for_processors(
    tmp_path: Path, quota: str, processors: int
) -> None:
    files = {"cpu/x/cpu.cfs_quota_us": f"{quota}\n", "cpu/x/cpu.cfs_period_us": "50000\n"}

    assert processor_count(system(tmp_path, VERSION_1, files)) == processors
