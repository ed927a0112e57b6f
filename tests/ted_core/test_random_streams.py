"""Streams of random numbers are independent: no two uses share one, and no two names lead to the same."""

import re
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.random_streams import BenchmarkStream
from ted_core import random_streams
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.random_streams import Stream, stream_rng, stream_seed
from ted_core.selection.baselines import METHODS
from ted_core.selection.prune import prune
from ted_core.training.trainer import fit
from tests.ted_core import examples

ROOT = Path(__file__).parents[2]
SAMPLES = examples.random_vectors(24)
PROXY = resolve_proxy(ProxySpec(name="mlp", epochs=3))
OUTSIDE_OF_SELECTING = {Stream.COMPARISON_ROWS, Stream.DEMO_SPLIT, Stream.SAMPLER_ROWS}

keys = st.tuples(
    st.integers(0, 2**32 - 1),
    st.sampled_from([*Stream, *BenchmarkStream]),
    st.lists(st.integers(0, 2**32 - 1) | st.just(0), max_size=4).map(tuple),
)


@given(keys, keys)
def test_different_keys_lead_to_different_streams(
    first: tuple[int, Stream, tuple[int, ...]], second: tuple[int, Stream, tuple[int, ...]]
) -> None:
    (seed, stream, path), (other_seed, other_stream, other_path) = first, second

    bits, other_bits = (
        stream_rng(seed, stream, *path).bytes(16),
        stream_rng(other_seed, other_stream, *other_path).bytes(16),
    )

    assert (bits == other_bits) == (first == second)


@given(keys, st.integers(1, 3))
def test_zeros_behind_a_path_lead_to_another_stream(key: tuple[int, Stream, tuple[int, ...]], zeros: int) -> None:
    seed, stream, path = key

    bits = stream_rng(seed, stream, *path).bytes(16)

    assert bits != stream_rng(seed, stream, *path, *[0] * zeros).bytes(16)


def test_a_stream_begins_anew_with_every_generator() -> None:
    numbers = [stream_rng(7, Stream.TIES, 3).random(4).tolist() for _ in range(2)]

    assert numbers[0] == numbers[1]
    assert stream_seed(7, Stream.TIES, 3) == stream_seed(7, Stream.TIES, 3) < 2**64


def test_benchmarks_have_streams_of_their_own() -> None:
    assert not set(map(int, Stream)) & set(map(int, BenchmarkStream))


Key = tuple[int, int, tuple[int, ...]]


@pytest.fixture(scope="module")
def uses() -> dict[Key, set[str]]:
    """(seed, stream, path) → the functions that asked for it, while every method selects and a model is fitted."""
    callers: dict[Key, set[str]] = defaultdict(set)
    sequence = random_streams._sequence

    def recorded(seed: int, stream: Stream, path: tuple[int, ...]) -> np.random.SeedSequence:
        caller = sys._getframe(2).f_code
        if caller.co_name == "uniform_numbers":  # it only passes the stream on
            caller = sys._getframe(3).f_code
        callers[seed, stream, path].add(f"{caller.co_filename}:{caller.co_qualname}")
        return sequence(seed, stream, path)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(random_streams, "_sequence", recorded)
        for method in ("ted", *METHODS):
            list(prune(SAMPLES, PruningPlan(keep_ratio=0.5, method=method), proxy=PROXY))  # type: ignore[arg-type]
        list(prune(SAMPLES, PruningPlan(keep_ratio=0.5, q="auto"), proxy=PROXY))
        list(prune(SAMPLES, PruningPlan(keep_ratio=0.5, q=1.0, score="parameter"), proxy=PROXY))
        fit(SAMPLES, np.arange(24), proxy=PROXY, seed=0)
    return callers


def test_every_stream_has_one_use(uses: dict[Key, set[str]]) -> None:
    functions: dict[int, set[str]] = defaultdict(set)
    for (_, stream, _), users in uses.items():
        functions[stream] |= users

    assert set(functions) == set(Stream) - OUTSIDE_OF_SELECTING
    assert {Stream(stream).name: users for stream, users in functions.items() if len(users) > 1} == {}


def test_no_two_uses_begin_alike(uses: dict[Key, set[str]]) -> None:
    beginnings = {stream_rng(seed, Stream(stream), *path).bytes(16) for seed, stream, path in uses}

    assert len(beginnings) == len(uses)


OTHER_SOURCES = re.compile(r"default_rng|SeedSequence|torch\.Generator|manual_seed|RandomState|np\.random\.seed")
BUILDS_MODELS = ROOT / "ted_core" / "proxies" / "build.py"
AS_ANYBODY_WOULD = ROOT / "benchmarks" / "cost" / "plain_loop.py"
"""What our training is compared with draws from torch's own generator."""


def code(path: Path) -> str:
    """The file's text without examples."""
    return "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith(">>>"))


@pytest.mark.parametrize("package", ["ted_core", "ted_cli", "benchmarks"])
def test_random_numbers_come_from_these_streams_only(package: str) -> None:
    allowed = {ROOT / "ted_core" / "random_streams.py", BUILDS_MODELS, AS_ANYBODY_WOULD}

    elsewhere = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / package).rglob("*.py"))
        if path not in allowed and OTHER_SOURCES.search(code(path))
    ]

    assert elsewhere == []
