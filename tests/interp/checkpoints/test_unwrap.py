"""Strangers' weights: every wrapper, dtype and age is read alike; what is malformed gives one line and runs nothing."""

from __future__ import annotations

import json
import pickle
import resource
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from malformed import MALFORMED, Call, Imported, Storage, archive, headed, old_file, pickled, tensor
from safetensors.torch import save_file
from torch import nn

from interp.checkpoints.open import load_checkpoint
from interp.checkpoints.safe import load_pickle_safely, read_json
from interp.checkpoints.stored import StoredWeights
from interp.checkpoints.unwrap import read_series, read_weights
from interp.errors import CheckpointError

SHARED = Path(__file__).parents[4] / "shared" / "checkpoints"
NUMBERS = torch.tensor([[0.5, -1.0, 2.0], [4.0, 0.25, -8.0]])
WHOLE = [torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.uint16, torch.bool]
FLOATS = [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2]
RECENT = (torch.float8_e4m3fn, torch.float8_e5m2, torch.uint16)  # no old file can be read that has them
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the real checkpoints are not beside the repository"
)


def stored(folder: Path, content: Any, name: str = "weights.pt", **options: Any) -> StoredWeights:
    """What `read_weights` gives for a content that PyTorch saves."""
    torch.save(content, folder / name, **options)
    return read_weights(folder / name)


def refusal(path: Path) -> str:
    """The line with which a file is refused."""
    with pytest.raises(CheckpointError) as caught:
        read_weights(path)
    return str(caught.value)


def refusal_to_open(path: Path) -> str:
    """The line with which a file is refused as a network that is known."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    return str(caught.value)


NO_NETWORK = {
    "NumPy arrays",
    "complex safetensors",
    "safetensors without elements",
    "list with an unusable last state dict",
    "tensor without elements",
    "complex tensor",
    "infinity in float16",
}
"""Files whose tensors a module of one's own could have, and no network that is known."""


# Malformed files


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_gives_one_clear_line_quickly_and_runs_nothing(name: str, tmp_path: Path) -> None:
    path = MALFORMED[name](tmp_path)
    memory, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    line = (refusal_to_open if name in NO_NETWORK else refusal)(path)
    assert time.monotonic() - start < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 2**19  # kilobytes
    assert str(path) in line
    assert line.isprintable()
    assert len(line) < 700
    assert not (tmp_path / "ran").exists()


def test_the_traps_would_run_if_pickle_read_them(tmp_path: Path) -> None:
    trap = MALFORMED["plain pickle that runs"](tmp_path)
    pickle.loads(trap.read_bytes())
    assert (tmp_path / "ran").exists()
    (tmp_path / "ran").unlink()
    pickle.loads(MALFORMED["plain pickle in text that runs"](tmp_path).read_bytes())
    assert (tmp_path / "ran").exists()
    (tmp_path / "ran").unlink()
    with pytest.raises(pickle.UnpicklingError, match="Weights only"):
        torch.load(MALFORMED["eval in an old file"](tmp_path), weights_only=True)
    torch.load(MALFORMED["exec as weights in an archive"](tmp_path), weights_only=False)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("web page", "a web page"),
        ("Git LFS pointer", "git lfs pull"),
        ("JSON", "a JSON file"),
        ("text", "a text file"),
        ("PNG", "a PNG image"),
        ("GGUF", "a GGUF model"),
        ("ONNX", "an ONNX model"),
        ("plain pickle", "not written by torch.save"),
        ("plain pickle of protocol 0", "not written by torch.save"),
        ("TorchScript", r"TorchScript archive; store torch\.jit\.load\(path\)\.state_dict\(\)"),
        ("zip archive of text", "'a.txt', 'b.txt'"),
        ("archive cut short", "cut off"),
        ("NaN", "'W' .* holds NaN or infinity: the training run diverged"),
        ("complex tensor", r"'W' \(3,\) of complex64"),
        ("tensor without elements", r"'b' \(0, 4\)"),
        ("meta tensor", "'W' .* holds no numbers"),
        ("quantised tensor", "quantised"),
        ("numbers as names", "the key 0"),
        ("dictionary without tensors", r"'epoch' \(one int\), 'model' \(a dict of 1\)"),
        ("pairs", "a list of 2"),
        ("one number unfolded to 40 GB", "far more memory"),
        ("sparse tensor with a place outside", "index 99"),
        ("protocol 4", "protocol 2"),
        ("eval in an archive", r"builtins\.eval.*torch\.save\(model\.state_dict\(\), \"weights\.pt\"\)"),
        ("os.system in an old file", r"(posix|nt)\.system"),
        ("whole model", r"torch\.nn\.modules\.container\.Sequential"),
        ("configuration of TransformerLens 2", "HookedTransformerConfig.*TransformerLens 4 removed"),
    ],
)
def test_the_line_says_what_is_wrong(name: str, said: str, tmp_path: Path) -> None:
    path = MALFORMED[name](tmp_path)
    with pytest.raises(CheckpointError, match=said):
        load_checkpoint(path)


def test_a_misspelt_file_name_is_corrected(tmp_path: Path) -> None:
    torch.save({"W": NUMBERS}, tmp_path / "final.pth")
    assert "did you mean 'final.pth'?" in refusal(tmp_path / "finals.pth")
    assert "null byte" in refusal(tmp_path / "a\0b.pth")
    assert "too long" in refusal(tmp_path / ("x" * 300))


def test_names_from_the_file_cannot_break_the_line(tmp_path: Path) -> None:
    (tmp_path / "two\nlines").mkdir()
    torch.save({"a\nb" * 10**5: torch.tensor([torch.nan])}, tmp_path / "two\nlines" / "weights.pt")
    line = refusal(tmp_path / "two\nlines" / "weights.pt")
    assert line.isprintable()
    assert len(line) < 500
    line = refusal(archive(tmp_path / "x.pt", pickled({"W": Call(Imported("a" * 10**5 + " b"))})))
    assert len(line) < 700


# What is read


@pytest.mark.parametrize(
    ("dtype", "new"),
    [
        (dtype, new)
        for dtype in (torch.float32, *FLOATS, *WHOLE)
        for new in (True, False)
        if new or dtype not in RECENT
    ],
    ids=str,
)
def test_every_dtype_is_read_and_fractions_become_float32(
    dtype: torch.dtype, new: bool, tmp_path: Path
) -> None:
    given = NUMBERS.to(dtype) if dtype.is_floating_point else NUMBERS.abs().to(dtype)
    read = stored(tmp_path, {"W": given}, _use_new_zipfile_serialization=new)
    assert read.tensors["W"].dtype == (torch.float32 if dtype.is_floating_point else dtype)
    assert read.tensors["W"].double().equal(given.double())
    converted = (f"converted from {str(dtype).removeprefix('torch.')}",)
    assert read.notes == (converted if dtype in FLOATS else ())


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt", "weights"])
def test_safetensors_are_known_by_their_content(name: str, tmp_path: Path) -> None:
    save_file(
        {"W": NUMBERS, "h": NUMBERS.half(), "n": torch.tensor(3)}, tmp_path / name, {"epoch": "70", "p": "5"}
    )
    read = read_weights(tmp_path / name)
    assert read.tensors["W"].equal(NUMBERS)
    assert read.tensors["h"].equal(NUMBERS)
    assert read.tensors["n"].equal(torch.tensor(3))
    assert (read.step, read.extras, read.notes) == (
        70,
        {"epoch": "70", "p": "5"},
        ("converted from float16",),
    )
    (tmp_path / name).write_bytes(b"")  # the tensors are no window into the file
    assert read.tensors["W"].equal(NUMBERS)


def test_a_pytorch_file_is_known_by_its_content(tmp_path: Path) -> None:
    for new in (True, False):
        read = stored(tmp_path, {"W": NUMBERS}, "weights.safetensors", _use_new_zipfile_serialization=new)
        assert read.tensors["W"].equal(NUMBERS)


WEIGHTS = {"W": NUMBERS, "b": torch.zeros(3)}
WRAPPED: dict[str, Any] = {
    "bare": WEIGHTS,
    "ordered": OrderedDict(WEIGHTS),
    **{
        key: {key: WEIGHTS}
        for key in (
            "model",
            "model_state_dict",
            "state_dict",
            "net",
            "network",
            "params",
            "weights",
            "module",
        )
    },
    "twice": {"model": {"state_dict": WEIGHTS}},
    "thrice": {"network": {"model": {"state_dict": WEIGHTS}}},
    "module": {f"module.{name}": value for name, value in WEIGHTS.items()},
    "compiled": {"model": {f"_orig_mod.module.{name}": value for name, value in WEIGHTS.items()}},
    "lightning": {"state_dict": {f"model.{name}": value for name, value in WEIGHTS.items()}},
    "list": [WEIGHTS],
    "tuple of wrappers": ({"model": WEIGHTS},),
    "parameters": {name: nn.Parameter(value) for name, value in WEIGHTS.items()},
    "columns": {"W": NUMBERS.T.contiguous().T, "b": torch.zeros(6)[::2]},
    "window": {"W": torch.cat([torch.ones(2, 3), NUMBERS])[2:], "b": torch.zeros(1).expand(3)},
    "sparse": {"W": NUMBERS.to_sparse(), "b": torch.zeros(3).to_sparse()},
}


@pytest.mark.parametrize("new", [True, False], ids=["archive", "old file"])
@pytest.mark.parametrize("name", WRAPPED)
def test_every_wrapper_gives_the_same_plain_tensors(name: str, new: bool, tmp_path: Path) -> None:
    read = stored(tmp_path, WRAPPED[name], _use_new_zipfile_serialization=new)
    assert read.tensors.keys() == WEIGHTS.keys()
    for key, value in read.tensors.items():
        assert type(value) is torch.Tensor
        assert value.equal(WEIGHTS[key])
        assert (value.is_contiguous(), value.requires_grad, value.layout) == (True, False, torch.strided)
    assert read.extras == {}
    assert read.step is None


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("fold", ["to_sparse_csr", "to_sparse_csc"])
def test_compressed_sparse_tensors_are_unfolded(fold: str, tmp_path: Path) -> None:
    read = stored(tmp_path, {"W": getattr(NUMBERS, fold)()})
    assert read.tensors["W"].equal(NUMBERS)
    assert read.notes == ("unfolded sparse tensors",)


def test_prefixes_are_noted_and_one_shared_by_some_stays(tmp_path: Path) -> None:
    assert stored(tmp_path, WRAPPED["compiled"]).notes == (
        "stripped '_orig_mod.' from names",
        "stripped the prefix 'module.'",
    )
    read = stored(tmp_path, {"model.W": NUMBERS, "head.W": NUMBERS})
    assert list(read.tensors) == ["model.W", "head.W"]


def test_tensors_may_share_their_numbers(tmp_path: Path) -> None:
    read = stored(tmp_path, {"embed": NUMBERS, "unembed": NUMBERS.T, "tied": NUMBERS})
    assert read.tensors["unembed"].equal(NUMBERS.T)
    assert read.tensors["tied"].equal(NUMBERS)


def test_infinity_is_ordinary_in_the_buffers_of_older_transformer_lens(tmp_path: Path) -> None:
    state = {"W": NUMBERS, "attn.IGNORE": torch.tensor(-torch.inf), "attn.mask": torch.tensor([torch.inf])}
    assert stored(tmp_path, state).tensors["attn.IGNORE"] == -torch.inf
    assert stored(tmp_path, {"W": NUMBERS, "masked": torch.tensor(torch.inf)}).left_out.keys() == {"masked"}


def _saved(folder: Path, content: Any) -> Path:
    torch.save(content, folder / "weights.pt")
    return folder / "weights.pt"


def test_plain_data_is_kept_and_the_rest_dropped_with_a_note(tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(network.parameters())
    network(torch.ones(3)).sum().backward()
    optimiser.step()
    plain = {
        "train_accuracy": 0.25,
        "epoch": 40,
        "name": "run",
        "done": True,
        "seed": None,
        "losses": [3.0, 2.5],
        "config": {"p": 113, "layers": [{"width": 5}]},
    }
    kept = {
        "shape": torch.Size([2, 3]),
        "loss": torch.tensor(0.5),
        "curve": torch.tensor([1, 2]),
        "dtype": torch.float16,
    }
    content = {"model": network.state_dict(), **plain, **kept, "optimizer": optimiser.state_dict()}
    read = stored(tmp_path, {**content, "grid": torch.ones(2, 2), "z": 1j})
    assert read.extras == plain | {"shape": [2, 3], "loss": 0.5, "curve": [1, 2], "dtype": "torch.float16"}
    assert read.step == 40
    assert read.notes == (
        "dropped the optimiser state",
        "dropped 'grid' (a tensor of shape (2, 2)), 'z' (one complex)",
    )


def test_other_entries_of_a_bare_state_dict_are_kept_apart(tmp_path: Path) -> None:
    read = stored(tmp_path, {"W": NUMBERS, "epoch": 3, "n": torch.tensor(7)})
    assert list(read.tensors) == ["W", "n"]
    assert read.extras == {"epoch": 3}


@pytest.mark.parametrize("new", [True, False], ids=["archive", "old file"])
def test_numpy_numbers_and_arrays_are_plain_data(new: bool, tmp_path: Path) -> None:
    numbers = {
        kind: np.dtype(kind).type(3)
        for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")
    }
    arrays = {
        "losses": np.array([0.5, 0.25]),
        "swapped": np.array([1, 2], dtype=">i4"),
        "grid": np.eye(2),
        "no": np.zeros(0),
    }
    content = {"model": WEIGHTS, **numbers, **arrays}
    read = stored(tmp_path, content, _use_new_zipfile_serialization=new)
    expected = {name: value.item() for name, value in numbers.items()}
    assert read.extras == expected | {name: value.tolist() for name, value in arrays.items()}
    assert {type(value) for value in read.extras.values()} == {float, int, bool, list}


def test_numpy_of_either_generation_is_read(tmp_path: Path) -> None:
    data = pickled({"W": tensor(), "loss": np.float64(0.5), "curve": np.arange(3)})
    renamed = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert renamed != data
    read = read_weights(archive(tmp_path / "x.pt", renamed))
    assert read.extras == {"loss": 0.5, "curve": [0, 1, 2]}


@pytest.mark.parametrize("old", [True, False], ids=["old file", "archive"])
def test_numbers_from_a_gpu_are_read_without_one(old: bool, tmp_path: Path) -> None:
    data = pickled({"W": tensor(storage=Storage("0", 6, device="cuda:0"))}, legacy=old)
    assert b"cuda:0" in data
    numbers = {"0": NUMBERS.numpy().astype("<f4").tobytes()}
    path = old_file(tmp_path / "x.pt", data, numbers) if old else archive(tmp_path / "x.pt", data, numbers)
    assert read_weights(path).tensors["W"].equal(NUMBERS)


def test_the_builders_of_malformed_files_can_build_sound_ones(tmp_path: Path) -> None:
    wanted = torch.arange(6.0).reshape(2, 3)
    assert read_weights(archive(tmp_path / "a.pt", pickled({"W": tensor()}))).tensors["W"].equal(wanted)
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    path = headed(tmp_path / "b.pt", {"W": entry}, np.array([1, 2], "<f4").tobytes())
    assert read_weights(path).tensors["W"].equal(torch.tensor([1.0, 2.0]))


def test_tensors_with_attributes_are_read(tmp_path: Path) -> None:
    marked, parameter = NUMBERS.clone(), nn.Parameter(NUMBERS.clone())
    marked.tag = parameter.tag = "x"  # type: ignore[attr-defined]
    read = stored(tmp_path, {"W": marked, "V": parameter})
    assert read.tensors["W"].equal(NUMBERS)
    assert read.tensors["V"].equal(NUMBERS)


def test_unfolding_a_little_is_no_attack(tmp_path: Path) -> None:
    read = stored(tmp_path, {"W": torch.ones(1).expand(1000, 1000)})
    assert read.tensors["W"].shape == (1000, 1000)
    assert (tmp_path / "weights.pt").stat().st_size < 10_000


def test_reading_leaves_torch_as_it_was(tmp_path: Path) -> None:
    before = set(torch.serialization.get_safe_globals())
    stored(tmp_path, {"W": NUMBERS, "loss": np.float64(1.0)})
    assert set(torch.serialization.get_safe_globals()) == before


# Several state dicts

STATES = [{"W": NUMBERS * n} for n in range(4)]


@pytest.mark.parametrize(
    ("content", "steps"),
    [
        (STATES, [None] * 4),
        ({"state_dicts": STATES, "epochs": [0, 10, 20, 30], "epoch": 99}, [0, 10, 20, 30]),
        ({"checkpoints": STATES, "checkpoint_epochs": torch.arange(4), "test_losses": [1.0]}, [0, 1, 2, 3]),
        ({"state_dicts": STATES, "epochs": [1, 2]}, [None] * 4),
        ([{"model": state, "step": 5 * i} for i, state in enumerate(STATES)], [0, 5, 10, 15]),
    ],
)
def test_a_series_gives_every_state_dict_with_its_step(
    content: Any, steps: list[Any], tmp_path: Path
) -> None:
    series = list(read_series(_saved(tmp_path, content)))
    assert [one.step for one in series] == steps
    for one, state in zip(series, STATES, strict=True):
        assert one.tensors["W"].equal(state["W"])
    for index in range(-4, 4):
        chosen = read_weights(tmp_path / "weights.pt", index=index)
        assert chosen.tensors["W"].equal(STATES[index]["W"])
        assert chosen.step == steps[index]
    assert read_weights(tmp_path / "weights.pt").notes[0] == "took the last of 4 state dicts"
    assert read_weights(tmp_path / "weights.pt", index=1).notes[0] == "took number 2 of 4 state dicts"
    with pytest.raises(CheckpointError, match="4 state dicts; there is none of index 4"):
        read_weights(tmp_path / "weights.pt", index=4)


def test_what_lies_beside_a_series_belongs_to_each(tmp_path: Path) -> None:
    content = {"state_dicts": STATES, "p": 113, "optimizers": {"a": 1}}
    series = list(read_series(_saved(tmp_path, content)))
    assert [one.extras for one in series] == [{"p": 113}] * 4
    assert series[0].notes == ("dropped the optimiser state",)


def test_a_file_with_one_state_dict_is_a_series_of_one(tmp_path: Path) -> None:
    (one,) = read_series(_saved(tmp_path, {"model": WEIGHTS}))
    assert one.tensors["W"].equal(NUMBERS)
    assert read_weights(tmp_path / "weights.pt", index=0).tensors["W"].equal(NUMBERS)


# Steps and what lies beside


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("9800.pth", 9800),
        ("step-00000100.pt", 100),
        ("checkpoint_200.pt", 200),
        ("ckpt7.pt", 7),
        ("mlp-epoch=12.ckpt", 12),
        ("run_Step_30.pt", 30),
        ("final.pth", None),
        ("seed1.pt", None),
        ("pizza_7r4zst7evs.pt", None),
        ("timestep3x.pt", None),
        ("p113.pt", None),
        ("misstep_3.pt", None),
    ],
)
def test_the_name_tells_the_step_if_the_file_does_not(name: str, step: int | None, tmp_path: Path) -> None:
    assert stored(tmp_path, {"W": NUMBERS}, name).step == step
    assert stored(tmp_path, {"model": {"W": NUMBERS}, "epoch": 5}, name).step == 5


@pytest.mark.parametrize(
    ("value", "step"),
    [
        (7, 7),
        (7.0, 7),
        (torch.tensor(7), 7),
        (np.int64(7), 7),
        ("7", 7),
        (7.5, None),
        (True, None),
        (-1, None),
        ("", None),
    ],
)
def test_a_step_is_a_whole_number(value: Any, step: int | None, tmp_path: Path) -> None:
    assert stored(tmp_path, {"model": {"W": NUMBERS}, "step": value}).step == step


def test_the_json_beside_is_that_of_the_same_stem_or_the_folders(tmp_path: Path) -> None:
    assert stored(tmp_path, {"W": NUMBERS}).beside == {}
    (tmp_path / "config.json").write_text(json.dumps({"p": 5}))
    assert stored(tmp_path, {"W": NUMBERS}).beside == {"p": 5}
    (tmp_path / "weights.json").write_text(json.dumps({"p": 7}))
    assert stored(tmp_path, {"W": NUMBERS}).beside == {"p": 7}
    (tmp_path / "weights.json").write_text("[1]")
    read = stored(tmp_path, {"W": NUMBERS})
    assert read.beside == {"p": 5}
    assert "weights.json" in read.notes[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[1]", "holds an array; expected an object"),
        (b"{", "no valid JSON"),
        (b"[" * 200_000, "no valid JSON"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "no valid JSON"),
        (b"\xff\xfe\xfd", "no valid JSON"),
        (b"", "is no valid JSON"),
    ],
)
def test_json_that_is_no_object_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=said):
        read_json(tmp_path / "config.json", dict)


# Real files


@needs_shared
@pytest.mark.parametrize(
    "file", ["he_p23_quad/9800.pth", "nanda_low_precision_mod_addition.pth", "pizza_l8k1hzciux.pt"]
)
def test_real_files_are_read_as_pytorch_reads_them(file: str) -> None:
    content = torch.load(SHARED / file, weights_only=True, map_location="cpu")
    state = content.get("model", content)
    read = read_weights(SHARED / file)
    assert read.tensors.keys() == state.keys()
    assert all(read.tensors[name].equal(state[name]) for name in state)
    assert read.extras == (
        {} if state is content else {key: content[key] for key in content if key != "model"}
    )


@needs_shared
def test_steps_accuracies_and_settings_of_real_files_are_found() -> None:
    read = read_weights(SHARED / "he_p23_quad" / "9800.pth")
    assert (read.step, read.extras["test_accuracy"], read.beside, read.notes) == (9800, 1.0, {}, ())
    assert read_weights(SHARED / "chughtai_C113_MLP_seed1.pt").beside["group_parameter"] == 113
    assert read_weights(SHARED / "pizza_7r4zst7evs.pt").step is None
    assert len(load_pickle_safely(SHARED / "he_p23_quad" / "train_data.pth")) == 529


def test_every_maker_of_a_malformed_file_is_a_function() -> None:
    makers: dict[str, Callable[[Path], Path]] = MALFORMED
    assert len(makers) > 100
