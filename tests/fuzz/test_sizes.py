"""Small files that ask for much: each is refused, or done, within the budgets of memory and time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fuzz import seeds
from fuzz.worker import Answer, Worker
from safetensors.torch import save_file

from interp.models import HookedMLP, MLPConfig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Make = Callable[[Path], dict[str, Any]]
CASES: dict[str, tuple[Make, str]] = {}
"""By name: what makes the files and a request, and words of the message; none where the work is to be done."""


def case(words: str) -> Callable[[Make], Make]:
    def put(make: Make) -> Make:
        CASES[make.__name__.replace("_", " ").strip()] = (make, words)
        return make

    return put


def opening(file: Path, **options: Any) -> dict[str, Any]:
    return {"action": "open", "path": str(file), "options": options}


def typed(*words: object) -> dict[str, Any]:
    return {"action": "command", "words": [str(word) for word in words]}


def native(folder: Path, tensors: dict[str, torch.Tensor] | None = None, **model: Any) -> Path:
    """A checkpoint of ours whose JSON says something else of its network, and of its task's modulus."""
    file = seeds.native_mlp(folder)
    place = file.with_suffix(".json")
    settings = json.loads(place.read_text())
    settings["task"] |= {"p": model.pop("p", 7), "split": model.pop("split", settings["task"]["split"])}
    settings["model"] |= model
    place.write_text(json.dumps(settings))
    if tensors is not None:
        save_file(tensors, file)
    return file


@case("width = 40000000")
def _a_width(folder: Path) -> dict[str, Any]:
    return opening(native(folder, width=40_000_000))


@case("layers|tensors")
def _a_depth(folder: Path) -> dict[str, Any]:
    return opening(native(folder, depth=300_000))


@case("layers")
def _a_depth_with_as_many_tensors(folder: Path) -> dict[str, Any]:
    tensors = {f"blocks.{i}.x": torch.ones(1) for i in range(50_000)}
    return opening(native(folder, tensors, depth=50_000, width=1))


@case("weights")
def _two_sides_that_are_each_as_many_as_the_numbers(folder: Path) -> dict[str, Any]:
    tensors = {"W": torch.ones(30_000)}
    return opening(native(folder, tensors, width=30_000, vocab=30_000, n_outputs=30_000))


def _of_modulus(p: int) -> Make:
    def make(folder: Path) -> dict[str, Any]:
        model = HookedMLP(MLPConfig(width=2), vocab=p)
        tensors = {name: tensor.detach() for name, tensor in model.state_dict().items()}
        return opening(native(folder, tensors, width=2, vocab=p, n_outputs=p, p=p, split="unknown"))

    return make


CASES["a native network modulo 1009"] = (_of_modulus(1009), "")  # its 10^9 logits are computed by blocks
CASES["a native network modulo 4093"] = (_of_modulus(4093), "GiB may be used")


@case("GiB may be used")
def _a_strangers_perceptron_of_a_large_modulus(folder: Path) -> dict[str, Any]:
    torch.save(
        {"fc1.weight": torch.randn(2, 2 * 2003), "fc2.weight": torch.randn(2003, 2)}, folder / "net.pt"
    )
    return opening(folder / "net.pt")


@case("GiB may be used")
def _a_strangers_transformer_with_a_modulus_in_its_settings(folder: Path) -> dict[str, Any]:
    net = {name: tensor.clone() for name, tensor in seeds.nanda().items()}
    net |= {"embed.W_E": torch.randn(12, 4094), "unembed.W_U": torch.randn(12, 4094)}
    torch.save({"model": net, "config": {"p": 4093}}, folder / "net.pt")
    return opening(folder / "net.pt")


@case("GiB may be used")
def _many_readings_of_a_large_modulus(folder: Path) -> dict[str, Any]:
    """Twelve readings, whose logits are kept until one is chosen: one alone would be within the budget."""
    net = {
        "embed.W_E": torch.randn(12, 452),
        "pos_embed.W_pos": torch.randn(3, 12),
        "unembed.W_U": torch.randn(12, 452),
    }
    net |= {
        name: tensor
        for name, tensor in seeds.nanda().items()
        if name.startswith("blocks") and "mask" not in name
    }
    torch.save(net, folder / "net.pt")
    return opening(folder / "net.pt", dialect="zhong")


@case("GiB may be used")
def _a_module_of_ones_own_on_a_large_modulus(folder: Path) -> dict[str, Any]:
    (folder / "net.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.e = nn.Embedding(2003, 2)\n        self.out = nn.Linear(2, 2003)\n\n    def forward(self, x):\n"
        "        return self.out(self.e(x).sum(1))\n\n\ndef build():\n    return Net()\n"
    )
    torch.save({"e.weight": torch.randn(2003, 2), "out.weight": torch.randn(2003, 2),
    "out.bias": torch.zeros(2003)},
               folder / "net.pt")  # fmt: skip
    return opening(folder / "net.pt", model=f"{folder}/net.py:build", sites=["out:input"], task="add", p=2003)


def _sparse_file(folder: Path, size: int) -> Path:
    """Three gigabytes of weights that take no place on the disk."""
    header = json.dumps({"W": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode()
    with (folder / "big.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + size)
    return folder / "big.safetensors"


@case("GiB may be used")
def _three_gigabytes_of_nothing(folder: Path) -> dict[str, Any]:
    return opening(_sparse_file(folder, 3 * 2**30))


@case("GiB may be used")
def _three_gigabytes_of_nothing_beside_a_native_json(folder: Path) -> dict[str, Any]:
    file = native(folder)
    _sparse_file(folder, 3 * 2**30).rename(file)
    return opening(file)


@case("values")
def _a_message_pack_of_empty_lists(folder: Path) -> dict[str, Any]:
    items = b"\x90" * 2**20
    lists = b"\xdd" + (2**20).to_bytes(4, "big") + items
    (folder / "w.msgpack").write_bytes(
        b"\x8f" + b"".join(b"\xa1" + bytes([97 + i]) + lists for i in range(15))
    )
    return opening(folder / "w.msgpack")


@case("GiB may be used")
def _json_of_empty_lists(folder: Path) -> dict[str, Any]:
    file = native(folder)
    (folder / "history.json").write_bytes(b"[" + b"[]," * (20 * 2**20) + b"[]]")
    return opening(file)


def _parquet(folder: Path, **columns: Any) -> dict[str, Any]:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), folder / "t.parquet", compression="zstd")
    assert (folder / "t.parquet").stat().st_size < 4 * 2**20
    return opening(seeds.native_mlp(folder), table=str(folder / "t.parquet"))


@case("GiB may be used")
def _a_table_of_many_equal_rows(folder: Path) -> dict[str, Any]:
    import pyarrow

    same = pyarrow.nulls(50_000_000, pyarrow.int8()).fill_null(1)
    return _parquet(folder, a=same, b=same, label=same)


@case("expected 'train'")
def _a_table_of_one_long_text_in_every_row(folder: Path) -> dict[str, Any]:
    import pyarrow

    same = pyarrow.nulls(20_000, pyarrow.int8()).fill_null(1)
    texts = pyarrow.DictionaryArray.from_arrays(np.zeros(20_000, np.int32), ["x" * 2**20])
    return _parquet(folder, a=same, b=same, label=same, split=texts)


@case("holds 'list")
def _a_table_of_long_lists(folder: Path) -> dict[str, Any]:
    import pyarrow

    same = pyarrow.nulls(10, pyarrow.int8()).fill_null(1)
    inner = pyarrow.nulls(10_000_000, pyarrow.int64()).fill_null(1)
    lists = pyarrow.ListArray.from_arrays(np.arange(11, dtype=np.int32) * 1_000_000, inner)
    return _parquet(folder, a=lists, b=same, label=same)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_table_of_ten_million_rows(
    asked: Callable[[dict[str, Any]], Answer], tmp_path: Path, end: str
) -> None:
    (tmp_path / "t.csv").write_bytes((f"a,b,label{end}" + f"1,1,1{end}" * 10_000_000).encode())
    answer = asked(opening(seeds.native_mlp(tmp_path), table=str(tmp_path / "t.csv")))
    assert "GiB may be used" in answer.message


@case("combinations")
def _a_grid_of_ten_settings(folder: Path) -> dict[str, Any]:
    lists = "\n".join(f"{name} = {list(range(1, 41))}" for name in ("p", "width", "steps", "seed", "depth", "lr",
                      "batch_size", "warmup", "log_every", "save_every"))  # fmt: skip
    (folder / "grid.toml").write_text(f"out = 'o'\n[grid]\n{lists}\n")
    return typed("sweep", folder / "grid.toml")


@case("combinations")
def _many_parts_of_many_runs(folder: Path) -> dict[str, Any]:
    text = f"out = 'o'\n[grid]\nseed = {list(range(1000))}\n" + "[[runs]]\n" * 1000
    (folder / "grid.toml").write_text(text)
    return typed("sweep", folder / "grid.toml")


@case("combinations")
def _many_parts_of_a_job(folder: Path) -> dict[str, Any]:
    text = f"out = 'o'\n[grid]\nseed = {list(range(1000))}\n" + "[[files]]\npaths = ['x']\n" * 1000
    (folder / "job.toml").write_text(text)
    return typed("batch", folder / "job.toml")


@case("")
def _as_many_runs_as_may_be(folder: Path) -> dict[str, Any]:
    (folder / "grid.toml").write_text(f"out = 'o'\np = 5\n[grid]\nseed = {list(range(50_000))}\n")
    return {"action": "grid", "path": str(folder / "grid.toml")}


@case("parts")
def _a_key_of_many_parts(folder: Path) -> dict[str, Any]:
    (folder / "grid.toml").write_text("a." * 130_000 + "b = 1\n")
    return typed("sweep", folder / "grid.toml")


@case("expected 0 to")
def _a_megabyte_of_tables(folder: Path) -> dict[str, Any]:
    (folder / "job.toml").write_text("[[files]]\n" * 200_000)
    return typed("batch", folder / "job.toml")


@case("no usable modulus")
def _training_modulo_a_large_number(folder: Path) -> dict[str, Any]:
    return typed("train", "--out", folder / "out", "--p", 100_003)


@case("GiB may be used")
def _training_modulo_a_prime_that_is_permitted(folder: Path) -> dict[str, Any]:
    return typed("train", "--out", folder / "out", "--p", 2003, "--steps", 1)


@case("GiB may be used")
def _training_a_wide_transformer(folder: Path) -> dict[str, Any]:
    return typed("train", "--out", folder / "out", "--model", "transformer", "--d-mlp", 10**7, "--steps", 1)


@case("GiB may be used")
def _training_with_a_token_of_a_large_number(folder: Path) -> dict[str, Any]:
    return typed(
        "train", "--out", folder / "out", "--model", "transformer", "--tokens", "a b 9000000", "--steps", 1
    )


@case("layers")
def _training_a_deep_network(folder: Path) -> dict[str, Any]:
    return typed("train", "--out", folder / "out", "--depth", 300_000, "--width", 1, "--p", 5, "--steps", 1)


@case("GiB may be used")
def _a_sweep_with_one_run_that_is_too_large(folder: Path) -> dict[str, Any]:
    (folder / "grid.toml").write_text("out = 'o'\nsteps = 1\n[grid]\np = [7, 2003]\n")
    return typed("sweep", folder / "grid.toml", "--workers", 1)


@case("too many neurons")
def _a_file_of_a_range_of_neurons(folder: Path) -> dict[str, Any]:
    (folder / "n.txt").write_text("0-999999999999")
    return typed("ablate", seeds.native_mlp(folder), "--neurons", f"@{folder / 'n.txt'}")


@case("bytes")
def _an_array_of_training_pairs(folder: Path) -> dict[str, Any]:
    file = BytesIO()
    np.lib.format.write_array_header_1_0(file, {"shape": (10**12, 2), "fortran_order": False, "descr": "<i8"})
    (folder / "split.npy").write_bytes(file.getvalue())
    return opening(seeds.native_mlp(folder), split_from=str(folder / "split.npy"))


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("worker")
    worker = Worker(folder)
    for command in ("score", "audit"):
        worker.ask("command", words=[command, str(seeds.native_mlp(folder))])
    yield worker
    worker.close()


@pytest.fixture
def asked(worker: Worker) -> Callable[[dict[str, Any]], Answer]:
    def ask(request: dict[str, Any]) -> Answer:
        answer = worker.ask(**request)
        assert not answer.fault, answer.fault
        return answer

    return ask


@pytest.mark.parametrize("name", CASES)
def test_small_files_that_ask_for_much(
    asked: Callable[[dict[str, Any]], Answer], tmp_path: Path, name: str
) -> None:
    make, words = CASES[name]
    answer = asked(make(tmp_path))
    assert answer.outcome == ("refused" if words else "ok")
    assert not words or any(word in answer.message for word in words.split("|")), answer.message


@pytest.mark.parametrize(
    ("command", "p", "width"), [("audit", 211, 20), ("score", 211, 200), ("audit", 139, 500)]
)
def test_the_largest_that_is_done_stays_within_the_budget(
    asked: Callable[[dict[str, Any]], Answer], tmp_path: Path, command: str, p: int, width: int
) -> None:
    """Beside 0.3 GiB for the same draws in every run, and what the process holds before."""
    from interp.checkpoints import save_checkpoint
    from interp.data import ModularTask

    before = asked(opening(seeds.native_mlp(tmp_path))).peak
    file = save_checkpoint(
        tmp_path / "large", HookedMLP(MLPConfig(width=width), vocab=p), ModularTask("add", p)
    )
    answer = asked(typed(command, file, *["--random", "1"][: 2 * (command == "audit")]))
    assert answer.outcome == "ok"
    assert answer.peak - before < 1.3 * 2**30
