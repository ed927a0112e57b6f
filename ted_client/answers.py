"""What the service answers, and what a job is, as types: an editor completes the fields, a type checker knows them.

Written by scripts/answers from openapi/openapi.json.
"""

from typing import Any, Literal, NotRequired, TypedDict


class CandidateFactsJson(TypedDict):
    """
    One way of selecting that was tried.
    """

    accuracy: float
    behind: float
    q: float | None
    rule: Literal["margin", "probability", "parameter", "random"] | None
    standard_error: float


class ClassRowsJson(TypedDict):
    """
    A class, and how many rows have it.
    """

    name: str
    rows: int


class CostJson(TypedDict):
    """
    What the selection took.
    """

    batch_parts: int
    full_run_rows: int
    of_one_full_run: float
    preparation: float
    rows_measured: int
    rows_trained: int
    rows_trained_choosing: int
    seconds: float


class DatasetSpecJson(TypedDict):
    """
    A dataset by reference: where it lies, how to read it and which columns are what.
    """

    background: NotRequired[Literal["white", "black"] | None]
    colour: NotRequired[bool | None]
    exclude: NotRequired[list[str] | None]
    format: NotRequired[
        Literal["parquet", "jsonl", "json", "csv", "tsv", "arrow", "hf", "image-folder", "webdataset", "npz", "idx"]
        | None
    ]
    header: NotRequired[bool | None]
    image_size: NotRequired[int | None]
    input: NotRequired[str | list[str] | None]
    missing: NotRequired[Literal["refuse", "impute"]]
    quoting: NotRequired[bool | None]
    split: NotRequired[str | None]
    target: NotRequired[str | list[str] | None]
    task: Literal["image-classification", "tabular-classification", "text-classification", "causal-lm"]
    uri: str


class EventJson(TypedDict):
    """
    One thing that happened to a job.
    """

    created_at: str
    data: dict[str, Any]
    sequence: int
    type: str


class HistogramJson(TypedDict):
    """
    How many retained and pruned rows have values in which range; empty if nothing was measured.
    """

    edges: list[float]
    kept: list[int]
    pruned: list[int]
    reasons: dict[str, list[int]]


class JobErrorJson(TypedDict):
    """
    Why the job ended without a manifest.
    """

    code: str
    field: str | None
    message: str
    retryable: bool


class JobWarningJson(TypedDict):
    """
    Something that was accepted, but may not be what was meant.
    """

    code: str
    field: str | None
    message: str


class LabelNoiseJson(TypedDict):
    """
    How many labels look wrong to models that have not seen them.
    """

    high: float
    low: float
    rows: int
    share: float


class LeftOutJson(TypedDict):
    """
    A file that is not read, or a column that is no input.
    """

    name: str
    reason: str


class LinksJson(TypedDict):
    """
    Where to go on from here, relative to this service.
    """

    cancel: str
    decisions: str
    events: str
    manifest: str
    report: str
    retry: str
    self: str
    suspects: str


class NamedDatasetJson(TypedDict):
    """
    A dataset that was registered before.
    """

    name: str


class OwnerFactsJson(TypedDict):
    """
    What one rank had of a dataset whose files were divided among them.
    """

    rows: int
    shards: int


class PhaseSecondsJson(TypedDict):
    """
    How long each part of the job took.
    """

    loading: float
    pruning: float
    writing: float


class ProgressJson(TypedDict):
    """
    How far the present attempt has come.
    """

    eta_seconds: float | None
    fraction: float
    phase: str
    phase_fraction: float | None
    round: int
    rounds: int
    samples_per_second: float | None


class ProxyAccuracyJson(TypedDict):
    """
    How well the proxy, at the end of its training, predicted rows that it had not trained on.
    """

    base_model: float | None
    chance: float | None
    has_learned: bool | None
    majority_class: float | None
    out_of_sample: float
    performance: float
    reference_performance: float | None
    standard_error: float


class ProxyFactsJson(TypedDict):
    """
    The model that judged the rows.
    """

    initial_weights_sha256: str | None
    name: str
    parameters: int | None
    settings: dict[str, Any]


class ProxySpecJson(TypedDict):
    """
    The proxy model and how it is trained; whatever is null takes the proxy's own default.
    """

    augment: NotRequired[bool | None]
    batch_size: NotRequired[int | None]
    epochs: NotRequired[int | None]
    learning_rate: NotRequired[float | None]
    model: NotRequired[str | None]
    name: str
    precision: NotRequired[Literal["float32", "bfloat16"] | None]
    train_blocks: NotRequired[int | None]
    weight_decay: NotRequired[float | None]


class PruningPlanJson(TypedDict):
    """
    How a training set is to be pruned. Its bounds are the API's bounds.
    """

    class_balance: NotRequired[Literal["free", "keep"]]
    class_floor: NotRequired[float]
    guard: NotRequired[bool]
    keep_ratio: float | Literal["auto"]
    method: NotRequired[Literal["ted", "random", "stratified", "el2n", "grand", "forgetting", "ccs", "dual"]]
    q: NotRequired[float | Literal["auto"] | None]
    rounds: NotRequired[int | None]
    sampling: NotRequired[Literal["global", "sharded"]]
    score: NotRequired[Literal["margin", "probability", "parameter"] | None]
    seed: NotRequired[int]
    tolerance: NotRequired[float | None]


class QChoiceJson(TypedDict):
    """
    What ranked the rows, its exponent, and who chose it.
    """

    candidates: list[CandidateFactsJson]
    chosen_by: str
    rule: Literal["margin", "probability", "parameter", "random"] | None
    value: float | None


class QueueJson(TypedDict):
    """
    Where a job stands among the jobs of its tenant that wait for a worker.
    """

    position: int | None
    queued: int
    running: int
    unattended_seconds: float | None


class RatioFactsJson(TypedDict):
    """
    What keeping a part of the rows costs.
    """

    accuracy: float
    interval: tuple[float, float]
    keep_ratio: float
    loss: float
    standard_error: float


class ReadinessJson(TypedDict):
    """
    Whether jobs can be taken, and whether workers hear of them at once.
    """

    reason: str | None
    status: Literal["ok", "degraded"]


class ReportClassJson(TypedDict):
    """
    What became of one class.
    """

    after: int
    before: int
    internal_generalization: float | None
    kept_share: float | None
    name: str


class ReportCostJson(TypedDict):
    """
    What the selection took, beside one training run on all rows with the same proxy.
    """

    batch_parts: int
    full_run_rows: int
    of_one_full_run: float
    preparation: float
    rows_measured: int
    rows_trained: int
    rows_trained_choosing: int
    seconds: PhaseSecondsJson


class ReportDatasetJson(TypedDict):
    """
    The dataset that was pruned.
    """

    fingerprint: str
    format: str
    input_count: int
    inputs: list[str]
    left_out: dict[str, str]
    left_out_count: int
    rows: int
    task: str
    undecodable: int
    uri: str


class ReportGainJson(TypedDict):
    """
    What training adds to the performance of a pretrained model; means over some rows.
    """

    base: float
    gain: float
    internal_generalization: float
    rows: int


class ReportGainsJson(TypedDict):
    """
    The gain on all rows that were measured, and on those kept and those pruned; null if there are none.
    """

    all: ReportGainJson | None
    kept: ReportGainJson | None
    pruned: ReportGainJson | None


class ReportGuardJson(TypedDict):
    """
    How TED's rows compared with random ones before one of both was returned.
    """

    accuracy: float
    difference: float
    interval: tuple[float, float]
    random_accuracy: float
    returned: Literal["ted", "random"]
    rule: Literal["margin", "probability", "parameter", "random"]
    standard_error: float
    verdict: str


class ReportRoundJson(TypedDict):
    """
    The state after one round.
    """

    internal_generalization: float | None
    internal_generalization_all: float | None
    retained: int
    returned: int
    round: int
    rows_trained: int
    train_loss: float | None


class ReportTurnJson(TypedDict):
    """
    One turn of a conversation.
    """

    content: str
    role: str


class SpanJson(TypedDict):
    """
    What is to be expected from earlier jobs like this one.
    """

    least: float
    most: float
    typical: float


class SuspectJson(TypedDict):
    """
    A row to which models that have never seen it give another class than its label.
    """

    kept: bool
    label: str | None
    likeliest: str | None
    margin: float
    rank: int
    row_index: int
    sample_key: str | None
    suspicion: float


class SuspectListJson(TypedDict):
    """
    A page of the rows whose labels look wrong, the most suspicious first.
    """

    data: list[SuspectJson]
    has_more: bool
    label_noise: LabelNoiseJson | None
    next: int | None
    note: str | None
    object: Literal["list"]


class TrainingJson(TypedDict):
    """
    A proxy specification with nothing left open.
    """

    augment: bool
    batch_size: int
    epochs: int
    learning_rate: float
    model: str | None
    name: str
    precision: Literal["float32", "bfloat16"] | None
    train_blocks: int | None
    weight_decay: float


class UnderstoodJson(TypedDict):
    """
    What a dataset was taken for. Lists hold the first hundred; beside each stands how many there are.
    """

    class_count: int | None
    classes: list[ClassRowsJson] | None
    file_count: int
    files: list[str]
    first_row: dict[str, str] | None
    format: str
    input_count: int
    inputs: list[str]
    key: str | None
    left_out: list[LeftOutJson]
    left_out_count: int
    passed_over: list[LeftOutJson]
    passed_over_count: int
    targets: list[str]


class WebhookJson(TypedDict):
    """
    A webhook as it is registered.
    """

    created_at: str
    disabled_reason: str | None
    enabled: bool
    events: list[Literal["job.succeeded", "job.failed", "job.cancelled", "job.expired", "job.running", "job.queued"]]
    former_secret_until: str | None
    id: str
    object: Literal["webhook"]
    url: str


class WebhookWithSecretJson(TypedDict):
    """
    A webhook and its secret, which is shown this once.
    """

    created_at: str
    disabled_reason: str | None
    enabled: bool
    events: list[Literal["job.succeeded", "job.failed", "job.cancelled", "job.expired", "job.running", "job.queued"]]
    former_secret_until: str | None
    id: str
    object: Literal["webhook"]
    secret: str
    url: str


class DatasetJson(TypedDict):
    """
    A registered dataset, as it was then.
    """

    changed: bool | None
    columns: list[str]
    created_at: str
    guard: str
    id: str
    name: str
    object: Literal["dataset"]
    reference: DatasetSpecJson
    rows: int | None
    understood: UnderstoodJson | None
    warnings: list[JobWarningJson]


class DeliveryJson(TypedDict):
    """
    A message to a webhook, and how it fares.
    """

    attempt: int
    created_at: str
    due_at: str | None
    error: str | None
    finished_at: str | None
    id: str
    job_id: str | None
    object: Literal["delivery"]
    status: Literal["pending", "delivered", "failed"]
    status_code: int | None
    type: str
    webhook_id: str


class EstimateJson(TypedDict):
    """
    A job that would be accepted, every default written out, and what it would take. Nothing was stored.
    """

    based_on: Literal["precedents", "throughput"] | None
    classes: int | None
    columns: list[str]
    cost: SpanJson | None
    cost_at_most: float | None
    dataset: DatasetSpecJson
    device: str | None
    object: Literal["estimate"]
    peak_memory_bytes: int | None
    plan: PruningPlanJson
    precedents: int
    proxy: TrainingJson
    rows_in: int | None
    rows_kept: int | None
    seconds: SpanJson | None
    seconds_note: str | None
    understood: UnderstoodJson | None
    warnings: list[JobWarningJson]


class JobRequestJson(TypedDict):
    """
    A pruning job as a client submits it. This is its documentation: `service.jobs.submission` reads it.
    """

    dataset: DatasetSpecJson | NamedDatasetJson
    deadline_seconds: NotRequired[int | None]
    metadata: NotRequired[dict[str, str]]
    plan: PruningPlanJson
    proxy: ProxySpecJson
    report_samples: NotRequired[bool]
    strict: NotRequired[bool]


class KeepRatioChoiceJson(TypedDict):
    """
    The keep ratio that was chosen, where the plan leaves it open, and from what.
    """

    curve: list[RatioFactsJson]
    keep_ratio: float
    tolerance: float
    verdict: str


class ProxyJson(TypedDict):
    """
    A proxy that jobs may name, and how it is trained unless they say otherwise.
    """

    created_at: str | None
    defaults: TrainingJson
    id: str | None
    name: str
    object: Literal["proxy"]
    origin: Literal["built-in", "plug-in", "registered"]
    takes: list[Literal["image", "vector", "text", "dialogue"]]


class ReportSampleJson(TypedDict):
    """
    What a row holds, shortened; exactly one of these is there.
    """

    image: str | None
    record: dict[str, str] | None
    text: str | None
    turns: list[ReportTurnJson] | None


class ResultJson(TypedDict):
    """
    What a succeeded job has selected.
    """

    achieved_ratio: float
    classes: int | None
    content_sha256: str
    cost: CostJson
    dataset_fingerprint: str
    device: str | None
    indices_sha256: str
    internal_generalization: float | None
    keep_ratio_choice: KeepRatioChoiceJson | None
    label_noise: LabelNoiseJson | None
    peak_memory_bytes: int | None
    proxy_accuracy: ProxyAccuracyJson | None
    q: QChoiceJson
    rows_in: int
    rows_kept: int
    seconds: dict[str, float]
    warnings: list[JobWarningJson]


class JobJson(TypedDict):
    """
    A pruning job: what was asked for, how it stands, what came out.
    """

    attempt: int
    created_at: str
    dataset: DatasetSpecJson
    deadline_at: str | None
    error: JobErrorJson | None
    finished_at: str | None
    id: str
    links: LinksJson
    max_attempts: int
    metadata: dict[str, str]
    object: Literal["job"]
    plan: PruningPlanJson
    progress: ProgressJson | None
    proxy: TrainingJson
    queued_at: str
    result: ResultJson | None
    retry_of: str | None
    rows_in: int | None
    started_at: str | None
    status: Literal["queued", "running", "finalizing", "succeeded", "failed", "cancelling", "cancelled", "expired"]
    status_reason: str | None
    strict: bool
    warnings: list[JobWarningJson]


class ReportExampleJson(TypedDict):
    """
    One row worth looking at.
    """

    internal_generalization: float | None
    kept: bool
    label: str | None
    likeliest: str | None
    margin: float | None
    row_index: int
    sample: ReportSampleJson | None
    sample_key: str | None
    score: float | None


class ReportExamplesJson(TypedDict):
    """
    The most extreme rows of each kind, the most extreme first.
    """

    kept: list[ReportExampleJson]
    poorly_generalized: list[ReportExampleJson]
    suspects: list[ReportExampleJson]
    well_generalized: list[ReportExampleJson]


class ReportJson(TypedDict):
    """
    What became of a job's rows, how the selection came about and what it cost.
    """

    achieved_ratio: float
    classes: list[ReportClassJson]
    cost: ReportCostJson
    created_at: str
    dataset: ReportDatasetJson
    determinism: str
    device: str
    examples: ReportExamplesJson
    gains: ReportGainsJson | None
    guard: ReportGuardJson | None
    internal_generalization: HistogramJson
    job_id: str | None
    keep_ratio: float
    keep_ratio_choice: KeepRatioChoiceJson | None
    label_noise: LabelNoiseJson | None
    margins: HistogramJson
    method: str
    object: Literal["report"]
    owners: list[OwnerFactsJson]
    plan: dict[str, Any]
    proxy: ProxyFactsJson
    proxy_accuracy: ProxyAccuracyJson | None
    q: QChoiceJson
    reasons: dict[str, int]
    rounds: list[ReportRoundJson]
    rows_kept: int
    schema_version: Literal[1]
    scores: HistogramJson
    seed: int
    versions: dict[str, str]
    warnings: list[JobWarningJson]
