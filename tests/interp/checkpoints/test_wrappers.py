"""One network under every name and in every file that wrappers, trainers, NumPy and flax give it: the same logits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from interp.checkpoints.names import is_parameter
from interp.checkpoints.open import load_checkpoint, load_series
from interp.checkpoints.select import dialects
from interp.checkpoints.unwrap import read_weights
from interp.data import ModularTask
from interp.errors import CheckpointError, ConfigError
from interp.measuring.evaluation import accuracy, all_logits
from interp.models import analytic_mlp

P = 7
TASK = ModularTask("add", p=P, train_fraction=1.0)


def network() -> dict[str, Tensor]:
    """Closed-form addition under the names of arXiv 2310.13061."""
    model = analytic_mlp("add", p=P, width=60)
    first = torch.cat([table.T for table in model.embed.W_E], dim=1).detach()
    return {"fc1.weight": first, "fc2.weight": model.unembed.weight.T.detach().contiguous()}


NET = network()
ZEROS = {name: torch.zeros_like(tensor) for name, tensor in NET.items()}


def named(form: str, state: dict[str, Tensor] = NET) -> dict[str, Tensor]:
    return {form.format(*name.split(".")): tensor for name, tensor in state.items()}


WRAPPED: dict[str, tuple[Any, str]] = {
    "plain": (NET, ""),
    "data parallel": (named("module.{}.{}"), "'module.'"),
    "compiled inside": (named("{}._orig_mod.{}"), "'_orig_mod.'"),
    "checkpointed inside": (named("{}._checkpoint_wrapped_module.{}"), "'_checkpoint_wrapped_module.'"),
    "sharded": (named("_fsdp_wrapped_module.{}._fsdp_wrapped_module.{}"), "'_fsdp_wrapped_module.'"),
    "Opacus": (named("_module.{}.{}"), "'_module.'"),
    "any attribute": ({"state_dict": named("my_net.{}.{}"), "hyper_parameters": {"p": P}}, "'my_net.'"),
    "two attributes": (named("system.net.{}.{}"), "'system.'"),
    "averaged": ({"n_averaged": torch.tensor(7), **named("module.{}.{}")}, "'n_averaged'"),
    "a loss": ({**named("model.{}.{}"), "criterion.weight": torch.ones(P)}, "'criterion.weight'"),
    "a metric": ({**named("net.{}.{}"), "train_acc.total": torch.tensor(3)}, "'train_acc.total'"),
    "any key": ({"my_thing": NET, "epoch": 3, "rng_state": torch.zeros(9).byte()}, ""),
    "model_state": ({"model_state": NET, "optimizer": {"state": {}, "param_groups": []}}, "optimiser"),
    "deep": ({"a": {"b": {"c": {"d": NET}}}}, ""),
    "nested": ({"fc1": {"weight": NET["fc1.weight"]}, "fc2": {"weight": NET["fc2.weight"]}}, ""),
    "averages beside": ({"model": NET, "ema": ZEROS}, "--weights ema"),
    "raw ones are zero": ({"model": ZEROS, "model_ema": NET}, "'model' are all zero"),
    "averages inside": ({**named("model.{}.{}"), **named("ema_model.{}.{}", ZEROS)}, "--weights ema_model"),
    "a mask": ({**NET, "causal": torch.full((3, 3), -torch.inf).triu(1)}, "'causal' (3, 3)"),
    "a complex table": ({**NET, "freqs": torch.ones(3, 2, dtype=torch.complex64)}, "complex64"),
    "an empty cache": ({**NET, "cache": torch.zeros(0, 16)}, "'cache' (0, 16)"),
    "whole numbers": ({**NET, "position_ids": torch.arange(5)}, "'position_ids'"),
    "arrays": ({name: tensor.numpy() for name, tensor in NET.items()}, ""),
}


def check(path: Path, note: str, **options: Any) -> None:
    opened = load_checkpoint(path, **options)
    assert accuracy(opened.model, TASK).all == 1.0
    assert note in "\n".join(opened.notes)


@pytest.mark.parametrize("name", WRAPPED)
def test_every_wrapper_is_looked_through_and_named(name: str, tmp_path: Path) -> None:
    content, note = WRAPPED[name]
    torch.save(content, tmp_path / "net.pt")
    check(tmp_path / "net.pt", note)


@pytest.mark.parametrize(
    "content",
    [
        {"model": ZEROS, "ema": NET},
        {"state_dict": ZEROS, "state_dict_ema": NET},
        {**named("online.{}.{}", ZEROS), **named("ema.{}.{}")},
    ],
)
def test_the_weights_that_are_asked_for_are_read(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "net.pt")
    check(tmp_path / "net.pt", "ema", weights="ema")
    with pytest.raises(CheckpointError, match=r"no weights named 'teacher'"):
        load_checkpoint(tmp_path / "net.pt", weights="teacher")


RANDOM = {name: tensor.flip(-1) for name, tensor in NET.items()}
DEEP_COPY = {"state_dict": RANDOM, "ema": {"decay": 0.9, "shadow": NET}}


@pytest.mark.parametrize(
    ("content", "choice"),
    [
        ({"model_ema": RANDOM, "model_raw": NET}, "raw"),
        ({"model": RANDOM, "ema_0.9": RANDOM, "ema_0.999": NET}, "ema_0.999"),
        ({"other": 3, "run": {"model": RANDOM, "ema_0.9": RANDOM, "ema_0.999": NET}}, "ema_0.999"),
        (DEEP_COPY, "shadow"),
        (DEEP_COPY, "ema"),
        ({"state_dict": NET, "ema": {"decay": 0.9, "shadow": RANDOM}}, "raw"),
        ({"state_dict": NET, "copies": {"shadow": RANDOM}}, "raw"),
        ({"model": ZEROS, "inner": {**named("a.{}.{}", RANDOM), **named("ema.{}.{}")}}, "ema"),
        ({**named("online.{}.{}"), **named("ema.{}.{}", RANDOM)}, "raw"),
        (NET, "raw"),
    ],
)
def test_a_choice_means_one_of_the_copies(content: Any, choice: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "net.pt")
    check(tmp_path / "net.pt", "", weights=choice)


@pytest.mark.parametrize(
    ("content", "choice", "message"),
    [
        ({"model_ema": NET, "model_raw": RANDOM}, "model", "under 'model_ema', 'model_raw'; write the whole"),
        ({"model": RANDOM, "ema_0.9": RANDOM, "ema_0.999": NET}, "ema", "under 'ema_0.9', 'ema_0.999'"),
        ({"a": {"ema": NET}, "b": {"ema": RANDOM}}, "ema", "under 'a', 'b'"),
        ({**named("my_net.{}.{}"), **named("ema_net.{}.{}")}, "net", "'my_net' or under 'ema_net'"),
        ({"ema": NET}, "raw", "no weights named 'raw'"),
        (named("ema.{}.{}"), "raw", "no weights named 'raw'"),
    ],
)
def test_a_choice_that_means_several_or_none_lists_them(
    content: Any, choice: str, message: str, tmp_path: Path
) -> None:
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tmp_path / "net.pt", weights=choice)


@pytest.mark.parametrize("keys", [("initial_weights", "final_weights"), ("init", "trained")])
def test_weights_from_before_training_come_second(keys: tuple[str, str], tmp_path: Path) -> None:
    torch.save(dict(zip(keys, (RANDOM, NET), strict=True)), tmp_path / "net.pt")
    check(tmp_path / "net.pt", f"under {keys[1]!r}, as those under {keys[0]!r} are by their name from before")


@pytest.mark.parametrize(
    "content",
    [
        {"exp_avg": NET},
        {"fisher": NET, "epoch": 3},
        {"grads": NET},
        named("optimizer.state.exp_avg.{}.{}"),
        named("grad.{}.{}"),
        {"state_dict": named("module.exp_avg.{}.{}")},
    ],
)
def test_what_a_trainer_keeps_is_no_network(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(CheckpointError, match=r"'(exp_avg|fisher|grads?|optimizer)'.*trainer"):
        load_checkpoint(tmp_path / "net.pt")


@pytest.mark.parametrize("key", ["init", "delta", "my_thing"])
def test_a_key_that_is_no_known_wrapper_is_noted(key: str, tmp_path: Path) -> None:
    torch.save({key: NET}, tmp_path / "net.pt")
    check(tmp_path / "net.pt", f"read the weights under {key!r}, a name that says nothing of a network")


def test_several_networks_alike_are_not_chosen_from(tmp_path: Path) -> None:
    torch.save({"run_a": NET, "run_b": ZEROS}, tmp_path / "net.pt")
    with pytest.raises(CheckpointError, match=r"under 'run_a', 'run_b'; say which .*--weights run_a"):
        load_checkpoint(tmp_path / "net.pt")
    check(tmp_path / "net.pt", "as was asked", weights="run_a")


def test_infinity_in_what_is_no_mask_is_an_error(tmp_path: Path) -> None:
    weights = NET["fc1.weight"].clone()
    weights[0, 0] = torch.inf
    torch.save({**NET, "fc1.weight": weights}, tmp_path / "net.pt")
    with pytest.raises(CheckpointError, match=r"'fc1\.weight' .*infinity: the training run diverged"):
        load_checkpoint(tmp_path / "net.pt")


ONE_INFINITE = torch.zeros(P).index_fill(0, torch.tensor([P - 1]), -torch.inf)
SPOILT = {
    "a bias that diverged": ("fc2.bias", ONE_INFINITE, "holds infinity"),
    "one that is infinite everywhere": ("fc2.bias", torch.full((P,), torch.inf), "holds infinity"),
    "the first layer's": (
        "fc1.bias",
        torch.zeros(60).index_fill(0, torch.tensor([3]), torch.inf),
        "infinity",
    ),
    "a complex bias": ("fc2.bias", torch.zeros(P, dtype=torch.complex64), r"\(7,\) of complex64 in"),
    "an empty bias": ("fc2.bias", torch.zeros(0), r"\(0,\) of float32 in"),
    "a transformer's": ("blocks.0.attn.b_Q", ONE_INFINITE, "holds infinity"),
    "a recurrent layer's": ("rnn.weight_ih_l0", ONE_INFINITE, "holds infinity"),
}


@pytest.mark.parametrize("prefix", ["", "net.inner."])
@pytest.mark.parametrize("kind", SPOILT)
def test_a_parameter_that_cannot_be_computed_with_is_never_left_out(
    kind: str, prefix: str, tmp_path: Path
) -> None:
    name, tensor, message = SPOILT[kind]
    content = {f"{prefix}{name}": tensor for name, tensor in {**NET, name: tensor}.items()}
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(CheckpointError, match=rf"'{prefix}{name}' .*{message}"):
        load_checkpoint(tmp_path / "net.pt")


@pytest.mark.parametrize("prefix", ["", "net."])
def test_a_bias_of_whole_numbers_is_used(prefix: str, tmp_path: Path) -> None:
    bias = torch.zeros(P, dtype=torch.int64).index_fill(0, torch.tensor([2]), 10**6)
    torch.save({f"{prefix}{name}": t for name, t in {**NET, "fc2.bias": bias}.items()}, tmp_path / "net.pt")
    opened = load_checkpoint(tmp_path / "net.pt")
    assert (all_logits(opened.model, opened.task.dataset).argmax(1) == 2).all()


def test_every_name_of_a_dialect_is_a_parameters_or_a_masks() -> None:
    names = {
        name.removesuffix("?") for one in dialects() for layout in one.layouts for name in layout.tensors
    }
    others = {name.rpartition(".")[2] for name in names if not is_parameter(name)}
    assert others == {"mask", "IGNORE", "num_batches_tracked"}


def test_arrays_of_numpy_are_read_and_objects_are_not_run(tmp_path: Path) -> None:
    arrays = {name: tensor.numpy() for name, tensor in NET.items()}
    np.savez(tmp_path / "net.npz", **arrays)
    np.savez_compressed(
        tmp_path / "small.npz", **{name.replace(".", "/"): array for name, array in arrays.items()}
    )
    np.savez(
        tmp_path / "swapped.npz",
        **{name: np.asfortranarray(array.astype(">f8")) for name, array in arrays.items()},
    )
    for name in ("net", "small", "swapped"):
        check(tmp_path / f"{name}.npz", "")
    np.savez(tmp_path / "bad.npz", a=np.array([print], dtype=object))
    with pytest.raises(CheckpointError, match="object and no numbers"):
        load_checkpoint(tmp_path / "bad.npz")
    data = (tmp_path / "net.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match="cut off"):
        load_checkpoint(tmp_path / "cut.npz")


def flax(tree: Any) -> bytes:
    msgpack = pytest.importorskip("msgpack")

    def array(value: np.ndarray) -> Any:
        return msgpack.ExtType(1, msgpack.packb((value.shape, value.dtype.name, value.tobytes())))

    return msgpack.packb(tree, default=array, strict_types=True)


def test_files_of_flax_are_read_and_damaged_ones_refused(tmp_path: Path) -> None:
    layers = {f"Dense_{i}": {"kernel": tensor.T.numpy().copy()} for i, tensor in enumerate(NET.values())}
    state = {"step": 70, "params": {"params": layers}, "opt_state": {"0": {"mu": layers}}}
    path = tmp_path / "net.msgpack"
    path.write_bytes(flax(state))
    check(path, "'Dense_0.kernel' is read as 'fc1.weight'")
    assert load_checkpoint(path).step == 70
    path.write_bytes(flax(state)[:-50])
    with pytest.raises(CheckpointError, match=r"net\.msgpack' cannot be read"):
        load_checkpoint(path)


def trainer_folder(place: Path, *, shards: bool = False) -> Path:
    """A checkpoint's folder as Hugging Face's Trainer leaves it."""
    place.mkdir(parents=True)
    names = list(NET)
    if shards:
        files = {name: f"model-0000{i + 1}-of-00002.safetensors" for i, name in enumerate(names)}
        for name, file in files.items():
            save_file({name: NET[name]}, place / file)
        (place / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    else:
        save_file(NET, place / "model.safetensors")
    torch.save({"state": {}, "param_groups": []}, place / "optimizer.pt")
    torch.save({"last_epoch": 3}, place / "scheduler.pt")
    for name in ("rng_state_0.pth", "rng_state_1.pth", "training_args.bin"):
        torch.save({"cpu": torch.zeros(5)}, place / name)
    return place


@pytest.mark.parametrize("shards", [False, True])
def test_a_trainers_folder_means_its_weights(shards: bool, tmp_path: Path) -> None:
    run = tmp_path / "run"
    for step in (40, 400):
        folder = trainer_folder(run / f"checkpoint-{step}", shards=shards)
    check(folder, "put together from 2 files" if shards else "")
    check(run, "")
    assert load_checkpoint(run).step == load_checkpoint(folder).step == 400
    assert [one.step for one in load_series(run)] == [40, 400]


def test_a_shard_that_lacks_its_tensor_is_named(tmp_path: Path) -> None:
    folder = trainer_folder(tmp_path / "run", shards=True)
    save_file({"other": torch.ones(2)}, folder / "model-00002-of-00002.safetensors")
    with pytest.raises(CheckpointError, match=r"names the tensor 'fc2\.weight', which its files do not hold"):
        load_checkpoint(folder)


def test_a_native_file_has_no_weights_to_choose_from(tmp_path: Path) -> None:
    from interp.checkpoints import save_checkpoint

    path = save_checkpoint(tmp_path / "native", analytic_mlp("add", p=P, width=20), TASK)
    with pytest.raises(ConfigError, match="leave out --weights ema"):
        load_checkpoint(path, weights="ema")


def test_a_plain_pickle_stays_refused_with_the_way_to_convert_it(tmp_path: Path) -> None:
    import pickle

    (tmp_path / "flax.pkl").write_bytes(pickle.dumps({"params": {"Dense_0": {"kernel": np.ones((2, 2))}}}))
    with pytest.raises(CheckpointError, match=r"plain Python pickle.*numpy\.savez\('weights\.npz'"):
        load_checkpoint(tmp_path / "flax.pkl")


@pytest.mark.parametrize("key", ["ema_model", "model_ema", "ema_state_dict", "averaged", "ema"])
def test_averaged_weights_of_any_name_are_those_of_the_option(key: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"model": {"W": torch.ones(2, 3)}, key: {"W": torch.full((2, 3), 2.0)}}, path)
    stored = read_weights(path)
    assert stored.tensors["W"][0, 0] == 1
    assert f"{key!r} holds weights too: --weights {key} reads those" in stored.notes
    for choice in {key, "ema"}:
        assert read_weights(path, weights=choice).tensors["W"][0, 0] == 2


@pytest.mark.parametrize(
    "copy",
    [
        {"model_ema.fcweight": torch.zeros(2), "model_ema.decay": torch.tensor(0.9)},
        {"ema_model.fc.weight": torch.zeros(2), "initted": torch.tensor(True), "step": torch.tensor(3)},
    ],
)
def test_an_averaged_copy_has_the_names_of_the_network(copy: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save({"model.fc.weight": torch.ones(2), **copy}, tmp_path / "a.pt")
    for choice, value in ((None, 1), ("ema", 0), ("model", 1)):
        stored = read_weights(tmp_path / "a.pt", weights=choice)
        assert {name: float(tensor[0]) for name, tensor in stored.tensors.items() if tensor.ndim} == {
            "fc.weight": value
        }


def test_a_copy_whose_names_have_no_dot_is_told_from_the_network(tmp_path: Path) -> None:
    torch.save({"W": torch.ones(2, 3), "ema_W": torch.zeros(2, 3)}, tmp_path / "a.pt")
    assert read_weights(tmp_path / "a.pt").tensors.keys() == {"W"}
    assert read_weights(tmp_path / "a.pt", weights="ema").tensors["W"].sum() == 0


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_state_of_an_optimiser_alone_is_refused_as_that(wrapped: bool, tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 3)
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    state = optimiser.state_dict()
    torch.save({"optimizer": state, "epoch": 3} if wrapped else state, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="the state of an optimiser and no network's weights"):
        read_weights(tmp_path / "a.pt")
