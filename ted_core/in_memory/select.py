"""A selection from data in memory, by what a runner does with a dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from ted_core.datasets.findings import collect_findings
from ted_core.datasets.spec import Missing
from ted_core.errors import TedError
from ted_core.in_memory.arrays import array_data
from ted_core.in_memory.data import InMemoryData
from ted_core.in_memory.progress import progress_bar
from ted_core.in_memory.selection import Selection
from ted_core.in_memory.tables import is_table, refuse_unread, table_data
from ted_core.machine.device import resolve_device
from ted_core.plan import PruningPlan
from ted_core.plan_warnings import plan_warnings
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.proxies.precision import require_precision
from ted_core.results.explain import decide
from ted_core.results.proxy_accuracy import proxy_accuracy
from ted_core.results.report import ReportExamples
from ted_core.results.report_builder import RoundLog
from ted_core.results.report_samples import report_samples
from ted_core.results.selection_warnings import selection_warnings
from ted_core.results.writing.files import write_results
from ted_core.results.writing.phase_timer import PhaseTimer
from ted_core.results.writing.provenance_builder import ProvenanceBuilder, dataset_facts
from ted_core.selection.base_model import base_model
from ted_core.selection.prune import prune
from ted_core.selection.rounds import ProgressCallback
from ted_core.training.features import prepare_samples
from ted_core.warnings import distinct

PROXIES = {"vector": "mlp", "image": "cnn", "text": "frozen-encoder", "dialogue": "lora"}
"""What judges inputs of each kind unless a proxy is named."""
MODELS = (Path("/"),)
"""Pretrained models may lie wherever this process may read."""
Asked = TypeVar("Asked", bound=BaseModel)


class SettingsRefused(TedError):
    """These settings do not make a plan and a proxy; correct them."""


def select(
    x: Any,
    y: Any = None,
    *,
    keep_ratio: float | Literal["auto"],
    task: str | None = None,
    proxy: str | Mapping[str, Any] | ProxySpec | None = None,
    layout: Literal["NHW", "NHWC", "NCHW"] | None = None,
    pixel_range: tuple[float, float] | None = None,
    columns: Sequence[str] | None = None,
    missing: Missing = "refuse",
    device: str = "auto",
    progress: bool = True,
    **plan: Any,
) -> Selection:
    """Return which rows of ``x`` are worth training on, ``keep_ratio`` of them.

    ``x`` holds rows of numbers or images as an array or a tensor, and ``y`` one class for each row; or it is a data
    frame of pandas or polars, an Arrow table or a Hugging Face dataset, and ``y`` the name of a column, or its values.
    Images of other numbers than uint8 need ``pixel_range``, the values of black and of white; a shape that shows no
    channels, or two possible axes of them, needs ``layout``. Columns that hold anything but numbers need ``task``, and
    ``columns`` are the inputs if not all are. ``proxy`` is a name or a proxy's settings; ``plan`` takes every other
    field of a plan, such as ``seed=0`` or ``class_balance="keep"``.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(200) % 2
    >>> x = rng.normal(y[:, None], size=(200, 3))
    >>> selection = select(x, y, keep_ratio=0.6, proxy={"name": "mlp", "epochs": 6})
    >>> len(x[selection.rows]), selection.rows.dtype, selection.decisions.num_rows
    (120, dtype('int64'), 200)

    Raises TedErrors that say what is wrong with the data or the settings.
    """
    asked = _validated(PruningPlan, {"keep_ratio": keep_ratio, **plan})
    timer = PhaseTimer()
    with timer.measure("loading"):
        data = _read(x, y, task=task, layout=layout, pixel_range=pixel_range, columns=columns, missing=missing)
        resolved = _proxy(proxy, data)
    with progress_bar(wanted=progress) as watch:
        return _select(data, asked, resolved, device=resolve_device(device), watch=watch, timer=timer)


def _read(
    x: Any,
    y: Any,
    *,
    task: str | None,
    layout: str | None,
    pixel_range: tuple[float, float] | None,
    columns: Sequence[str] | None,
    missing: Missing,
) -> InMemoryData:
    refuse_unread(x)
    with collect_findings() as noticed:
        if is_table(x):
            _refuse_given("a table", layout=layout, pixel_range=pixel_range)
            data = table_data(x, y, task=task, columns=columns, missing=missing)
        else:
            _refuse_given("an array", columns=columns, missing=None if missing == "refuse" else missing)
            data = array_data(x, y, task=task, layout=layout, pixel_range=pixel_range)
    return replace(data, samples=replace(data.samples, warnings=tuple(noticed.warnings)))


def _refuse_given(what: str, **settings: Any) -> None:
    for name, value in settings.items():
        if value is not None:
            raise SettingsRefused(f"{name} means nothing for {what}", field=name)


def _proxy(proxy: str | Mapping[str, Any] | ProxySpec | None, data: InMemoryData) -> ResolvedProxy:
    kind = data.samples.kind
    named = {"name": proxy or PROXIES[kind]} if proxy is None or isinstance(proxy, str) else proxy
    return resolve_proxy(_validated(ProxySpec, named), kind=kind, model_roots=MODELS)


def _validated(model: type[Asked], settings: Any) -> Asked:
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_url=False))
        raise SettingsRefused("; ".join(faults)) from error


def _select(
    data: InMemoryData,
    plan: PruningPlan,
    proxy: ResolvedProxy,
    *,
    device: str,
    watch: ProgressCallback,
    timer: PhaseTimer,
) -> Selection:
    require_precision(proxy.training, device=device)
    log = RoundLog()
    with timer.measure("pruning"):
        samples = prepare_samples(data.samples, proxy, device=device)
        rounds = prune(samples, plan, proxy=proxy, device=device, watch=watch)
        base = base_model(samples, plan, proxy, device=device)
        for final in rounds:
            log.note(final)
    accuracy = proxy_accuracy(final.predictions, samples, base=base.predictions if base else None)
    decisions = decide(final, samples, plan, base=base.performance if base else None, accuracy=accuracy)
    late = selection_warnings(decisions, accuracy=accuracy, ratio=final.ratio_choice)
    builder = ProvenanceBuilder(
        dataset_facts(data.spec, data.identity),
        plan,
        proxy,
        samples,
        base,
        final,
        device=device,
        seconds=timer.total,
        accuracy=accuracy,
        warnings=distinct(samples.warnings, plan_warnings(plan, proxy, rows=len(samples)), late),
    )
    folder = Path(mkdtemp(prefix="ted-selection-"))
    show = partial(_with_samples, data)
    written = write_results(folder, decisions, builder=builder, log=log, timer=timer, show=show)
    return Selection(written, folder)


def _with_samples(data: InMemoryData, examples: ReportExamples) -> ReportExamples:
    return examples.with_samples(report_samples(data.samples, examples.rows, spec=data.spec, read=data.read))
