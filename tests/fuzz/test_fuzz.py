"""Thousands of spoilt files: none ends in a traceback, hangs, eats memory, or is measured otherwise than it is."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from fuzz import readers, seeds
from fuzz.campaign import Campaign, Make
from fuzz.judges import against, foreign_judge, native_judge, table_judge
from fuzz.mutations import (
    VALUES,
    as_csv,
    as_json,
    places,
    spoil_bytes,
    spoil_table,
    spoil_toml,
    spoil_value,
)
from fuzz.worker import Worker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
EXTRA = int(os.environ.get("GROKSCOPE_FUZZ", "1"))  # times as many files
START = int(os.environ.get("GROKSCOPE_FUZZ_SEED", "0"))


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("worker")
    worker = Worker(folder)
    warm = seeds.native_mlp(folder)
    worker.ask("command", words=["audit", str(warm), "--random", "1"])  # compiles, and imports all there is
    yield worker
    worker.close()


def seeds_of(count: int) -> range:
    return range(START, START + count * EXTRA)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of whole files of every kind."""
    import msgpack

    folder = tmp_path_factory.mktemp("whole")
    seeds.native_mlp(folder)
    seeds.native_transformer(folder)
    torch.save(seeds.doshi(), folder / "doshi.pt")
    torch.save(
        {"model": seeds.doshi(), "config": {"act": "square", "p": 7}, "epoch": 3}, folder / "wrapped.pt"
    )
    torch.save(seeds.nanda(), folder / "nanda.pt")
    torch.save(seeds.doshi(), folder / "old.pt", _use_new_zipfile_serialization=False)
    np.savez(folder / "doshi.npz", **{name: tensor.numpy() for name, tensor in seeds.doshi().items()})

    def packed(array: Any) -> Any:
        return msgpack.ExtType(1, msgpack.packb((array.shape, array.dtype.name, array.tobytes())))

    content = {"params": {name: packed(tensor.numpy()) for name, tensor in seeds.doshi().items()}}
    (folder / "doshi.msgpack").write_bytes(msgpack.packb(content))
    return folder


OPTIONS = {"task": "add", "p": 7}


def request(file: Path, **options: Any) -> dict[str, Any]:
    return {"action": "open", "path": str(file), "options": options}


# Native checkpoints


def native(whole: Path, name: str, *, weights: bool, fast: bool = False) -> Make:
    """Spoil the weights of a native checkpoint, or else its JSON."""

    def make(folder: Path, random: Random) -> dict[str, Any]:
        content, text = (
            (whole / name).with_suffix(suffix).read_bytes() for suffix in (".safetensors", ".json")
        )
        if weights and random.random() < 0.4:
            length = int.from_bytes(content[:8], "little")
            header = as_json(spoil_value(json.loads(content[8 : 8 + length]), random))
            content = len(header).to_bytes(8, "little") + header + content[8 + length :]
        elif weights:
            first = random.choice((0, 8, int.from_bytes(content[:8], "little") + 8))
            content = spoil_bytes(content, random, first=first)
        elif random.random() < 0.2:
            text = spoil_bytes(text, random)
        else:
            text = as_json(spoil_value(json.loads(text), random))
        (folder / f"{name}.safetensors").write_bytes(content)
        (folder / f"{name}.json").write_bytes(text)
        file = folder / f"{name}.safetensors"
        return {"action": "score", "path": str(file)} if fast else request(file)

    return make


@pytest.mark.parametrize("name", ["step-00000003", "small"])
@pytest.mark.parametrize(("weights", "count"), [(True, 200), (False, 300)], ids=["weights", "json"])
def test_native_checkpoints(
    worker: Worker, whole: Path, tmp_path: Path, name: str, weights: bool, count: int
) -> None:
    make = native(whole, name, weights=weights)
    Campaign(f"native {name} {weights}", worker, tmp_path).run(seeds_of(count), make, native_judge).check()


@pytest.mark.parametrize(("weights", "count"), [(True, 100), (False, 200)], ids=["weights", "json"])
def test_the_fast_path_of_scores_refuses_what_opening_refuses(
    worker: Worker, whole: Path, tmp_path: Path, weights: bool, count: int
) -> None:
    def judge(folder: Path, asked: dict[str, Any], value: dict[str, Any]) -> str:
        slow = worker.ask(**request(Path(asked["path"])))
        if value["status"] == "ok" and slow.outcome == "refused" and "NaN or infinity" not in slow.message:
            return f"scored, though opening says: {slow.message}"
        unknown = value["error_type"] not in (None, "CheckpointError", "ConfigError", "ExpressionError")
        return f"failed with {value['error_type']}: {value['error']}" if unknown else ""

    make = native(whole, "step-00000003", weights=weights, fast=True)
    Campaign(f"scores {weights}", worker, tmp_path).run(seeds_of(count), make, judge).check()


def test_training_curves(worker: Worker, whole: Path, tmp_path: Path) -> None:
    def make(folder: Path, random: Random) -> dict[str, Any]:
        for suffix in (".json", ".safetensors"):
            (folder / f"step-00000003{suffix}").write_bytes((whole / f"step-00000003{suffix}").read_bytes())
        text = (whole / "history.json").read_bytes()
        spoilt = (
            spoil_bytes(text, random)
            if random.random() < 0.3
            else as_json(spoil_value(json.loads(text), random))
        )
        (folder / "history.json").write_bytes(spoilt)
        if random.random() < 0.2:
            return {"action": "command", "words": ["audit", str(folder), "--random", "1"]}
        return request(folder)

    Campaign("history", worker, tmp_path).run(seeds_of(200), make).check()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(VALUES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
"""Values of every shape, which Hypothesis makes as simple as it can once one breaks a rule."""


@settings(max_examples=250 * EXTRA, suppress_health_check=list(HealthCheck), database=None)
@given(place=st.integers(0, 40), value=JSON)
def test_any_value_at_any_place_of_a_native_json(worker: Worker, whole: Path, place: int, value: Any) -> None:
    described = json.loads((whole / "step-00000003.json").read_text())
    every = places(described)
    *outer, last = every[place % len(every)]
    part = described
    for key in outer:
        part = part[key]
    part[last] = value
    folder = whole / "any"
    folder.mkdir(exist_ok=True)
    file = folder / "step-00000003.safetensors"
    file.write_bytes((whole / file.name).read_bytes())
    file.with_suffix(".json").write_bytes(as_json(described))
    answer = worker.ask(**request(file))
    assert not answer.fault
    assert answer.outcome == "refused" or not native_judge(folder, request(file), answer.value)


SETTINGS = (
    "p",
    "act_fn",
    "activation",
    "operation",
    "task",
    "attn_coeff",
    "attn_rate",
    "n_heads",
    "config",
    "seed",
    "group",
)


@settings(max_examples=250 * EXTRA, suppress_health_check=list(HealthCheck), database=None)
@given(
    beside=st.dictionaries(st.sampled_from(SETTINGS), JSON, max_size=3),
    name=st.sampled_from(("doshi", "nanda")),
)
def test_any_configuration_beside_a_strangers_file(
    worker: Worker, whole: Path, beside: dict[str, Any], name: str
) -> None:
    folder = whole / "beside"
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.pt"
    file.write_bytes((whole / file.name).read_bytes())
    (folder / "config.json").write_bytes(as_json(beside))
    answer = worker.ask(**request(file))
    assert not answer.fault
    assert answer.outcome == "refused" or not foreign_judge(folder, request(file), answer.value)


# Strangers' files


def repacked(file: Path, random: Random) -> bytes:
    """A zip archive with right checksums and sizes, in which one record is spoilt."""
    with zipfile.ZipFile(file) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    pickled = [name for name in records if name.endswith("data.pkl")]
    name = random.choice(pickled if pickled and random.random() < 0.5 else list(records))
    changed = spoil_bytes(records[name], random)
    keep = not name.endswith("data.pkl") and random.random() < 0.7
    records[name] = changed[: len(records[name])].ljust(len(records[name]), b"\x3f") if keep else changed
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for one, content in records.items():
            archive.writestr(one, content)
    return out.getvalue()


TENSORS = [
    torch.ones(3), torch.zeros(7, 40), torch.full((20, 14), float("nan")), torch.full((20, 14), 1e30),
    torch.full((20, 14), 1e18), torch.ones(20, 14).half(), torch.ones(20, 14).double() * 1e300,
    torch.ones(20, 14, dtype=torch.int64), torch.ones(1).expand(20, 14), torch.ones(20, 14).to_sparse(),
    torch.ones(20, 14, dtype=torch.complex64), torch.empty(0), torch.tensor(3.0), torch.ones(20, 12),
    torch.ones(14, 20).T,
    torch.ones(20, 14).bool(), torch.ones(2, 14), torch.ones(7, 2), torch.ones(1, 4096), torch.ones(4096, 1),
    torch.full((7, 20), float("-inf")),
]  # fmt: skip


def changed_values(content: dict[str, Any], random: Random) -> dict[str, Any]:
    """Weights with a tensor replaced, renamed or taken out, in dictionaries, beside settings of any kind."""
    content = dict(content)
    for _ in range(random.choice((1, 1, 2))):
        name = random.choice(list(content))
        match random.randrange(7):
            case 0:
                content[name] = random.choice(TENSORS)
            case 1:
                content[f"{random.choice(('module.', 'x.', 'fc1.', 'model.', ' '))}{name}"] = content.pop(
                    name
                )
            case 2:
                content[random.choice(("p", "config", "args", "step", "act", "fn_name", "epoch"))] = (
                    random.choice(VALUES)
                )
            case 3:
                content = {random.choice(("model", "state_dict", "ema", "x")): content}
            case 4:
                inner = {random.choice(("p", "act", "operation", "n_layers")): random.choice(VALUES)}
                content["config"] = inner
            case 5 if isinstance(content[name], torch.Tensor):
                content[name] = content[name] * random.choice((0.0, -1.0, 1e-20, 1e18, 100.0))
            case _ if len(content) > 1:
                del content[name]
    return content


def stranger(whole: Path, name: str, how: str) -> Make:
    def make(folder: Path, random: Random) -> dict[str, Any]:
        source, file = whole / name, folder / name
        if how == "bytes":
            file.write_bytes(spoil_bytes(source.read_bytes(), random))
        elif how == "records":
            file.write_bytes(repacked(source, random))
        else:
            content = changed_values(torch.load(source, weights_only=True), random)
            torch.save(content, file)
        return request(file, **random.choice((OPTIONS, OPTIONS, {"task": "add"}, {})))

    return make


@pytest.mark.parametrize(
    ("name", "how", "count"),
    [
        ("doshi.pt", "bytes", 120), ("doshi.pt", "records", 200), ("doshi.pt", "values", 250),
        ("wrapped.pt", "records", 120),
        ("wrapped.pt", "values", 150), ("nanda.pt", "records", 120), ("nanda.pt", "values", 150),
        ("doshi.npz", "bytes", 80),
        ("doshi.npz", "records", 150), ("doshi.msgpack", "bytes", 200),
    ],
)  # fmt: skip
def test_strangers_files(
    worker: Worker, whole: Path, tmp_path: Path, name: str, how: str, count: int
) -> None:
    make = stranger(whole, name, how)
    Campaign(f"{name} {how}", worker, tmp_path).run(seeds_of(count), make, foreign_judge).check()


def test_files_of_old_torch(worker: Worker, whole: Path, tmp_path: Path) -> None:
    Campaign("old.pt", worker, tmp_path).run(seeds_of(100), stranger(whole, "old.pt", "bytes")).check()


# Tables and splits


def test_tables(worker: Worker, whole: Path, tmp_path: Path) -> None:
    def make(folder: Path, random: Random) -> dict[str, Any]:
        rows = spoil_table(seeds.table_rows(random), random)
        content = as_csv(rows)
        if random.random() < 0.3:
            content = spoil_bytes(content, random)
        (folder / "t.csv").write_bytes(content)
        return request(whole / "step-00000003.safetensors", table=str(folder / "t.csv"))

    Campaign("csv", worker, tmp_path).run(seeds_of(300), make, table_judge).check()


def test_parquet_tables(worker: Worker, whole: Path, tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    def make(folder: Path, random: Random) -> dict[str, Any]:
        header, *rows = seeds.table_rows(random)
        columns: dict[str, Any] = {
            name: [row[i] if name == "split" else int(row[i]) for row in rows]
            for i, name in enumerate(header)
        }
        kind = random.randrange(4)
        if kind == 0:
            name = random.choice(header)
            new: list[Any] = [
                random.choice(["x", "train"]),
                0.5,
                None,
                [1, 2],
                {"a": 1},
                b"x",
                True,
                -1,
                2**40,
            ]
            columns[name] = [random.choice(new)] * len(rows)
        out = BytesIO()
        parquet.write_table(
            pyarrow.table(columns), out, compression=random.choice(("none", "snappy", "zstd"))
        )
        content = out.getvalue() if kind == 0 else spoil_bytes(out.getvalue(), random)
        (folder / "t.parquet").write_bytes(content)
        return request(whole / "step-00000003.safetensors", table=str(folder / "t.parquet"))

    Campaign("parquet", worker, tmp_path).run(seeds_of(200), make).check()


def test_splits(worker: Worker, whole: Path, tmp_path: Path) -> None:
    def make(folder: Path, random: Random) -> dict[str, Any]:
        pairs = [[random.randrange(7), random.randrange(7)] for _ in range(20)]
        kind = random.choice((".csv", ".json", ".npy", ".pt", ".parquet"))
        file, out = folder / f"split{kind}", BytesIO()
        if kind == ".csv":
            content = as_csv(spoil_table([["a", "b"], *[[str(a), str(b)] for a, b in pairs]], random))
        elif kind == ".json":
            content = as_json(spoil_value({"train": pairs}, random))
        elif kind == ".npy":
            np.save(out, np.array(pairs))
            content = spoil_bytes(out.getvalue(), random)
        elif kind == ".pt":
            torch.save(spoil_value({"train": [tuple(pair) for pair in pairs]}, random), out)
            content = out.getvalue()
        else:
            import pyarrow
            from pyarrow import parquet

            a, b = zip(*pairs, strict=True)
            parquet.write_table(pyarrow.table({"a": a, "b": b}), out)
            content = spoil_bytes(out.getvalue(), random)
        file.write_bytes(spoil_bytes(content, random) if random.random() < 0.2 else content)
        return request(whole / "step-00000003.safetensors", split_from=str(file))

    def judge(folder: Path, asked: dict[str, Any], value: dict[str, Any]) -> str:
        arrays = readers.read_safetensors(Path(asked["path"]))
        operands, results = readers.results_of("add", 7)
        return against(
            value, readers.mlp_logits(arrays, {"depth": 2, "activation": "square"}, operands), results
        )

    # The last one has a damaged histogram, for which Arrow ended the process.
    Campaign("splits", worker, tmp_path).run([*seeds_of(250), 20_299], make, judge).check()


# Work that is described by a file


def test_jobs(worker: Worker, whole: Path, tmp_path: Path) -> None:
    def make(folder: Path, random: Random) -> dict[str, Any]:
        (folder / "run").mkdir()
        for name in ("step-00000003.json", "step-00000003.safetensors"):
            (folder / "run" / name).write_bytes((whole / name).read_bytes())
        (folder / "doshi.pt").write_bytes((whole / "doshi.pt").read_bytes())
        text = spoil_toml(seeds.JOB, random).encode("utf-8")
        (folder / "job.toml").write_bytes(spoil_bytes(text, random) if random.random() < 0.2 else text)
        if random.random() < 0.15:
            return {"action": "command", "words": ["batch", str(folder / "job.toml"), "--workers", "1"]}
        return {"action": "job", "path": str(folder / "job.toml")}

    Campaign("jobs", worker, tmp_path).run(seeds_of(250), make).check()


def test_recorded_jobs(worker: Worker, whole: Path, tmp_path: Path) -> None:
    def make(folder: Path, random: Random) -> dict[str, Any]:
        group = {
            "paths": [str(whole / "step-00000003.safetensors")],
            "settings": [{"measure": "scores", "seed": 0}],
        }
        record = as_json(spoil_value({"groups": [group, group]}, random))
        (folder / "job.json").write_bytes(spoil_bytes(record, random) if random.random() < 0.2 else record)
        return {"action": "command", "words": ["batch", "--out", str(folder), "--workers", "1"]}

    Campaign("recorded jobs", worker, tmp_path).run(seeds_of(80), make).check()


def test_grids_of_runs(worker: Worker, tmp_path: Path) -> None:
    def make(folder: Path, random: Random) -> dict[str, Any]:
        text = spoil_toml(seeds.GRID, random).encode("utf-8")
        (folder / "grid.toml").write_bytes(spoil_bytes(text, random) if random.random() < 0.2 else text)
        return {"action": "grid", "path": str(folder / "grid.toml")}

    Campaign("grids", worker, tmp_path).run(seeds_of(300), make).check()


# Files of neurons


def test_files_of_neurons(worker: Worker, whole: Path, tmp_path: Path) -> None:
    def make(folder: Path, random: Random) -> dict[str, Any]:
        neurons = [random.randrange(22) for _ in range(5)]
        text = as_json(spoil_value(neurons, random)) if random.random() < 0.6 else b"3,5-9\n1"
        (folder / "n.txt").write_bytes(spoil_bytes(text, random) if random.random() < 0.5 else text)
        words = [
            "ablate",
            str(whole / "step-00000003.safetensors"),
            "--neurons",
            f"@{folder / 'n.txt'}",
            "--random",
            "1",
        ]
        return {"action": "command", "words": [*words, "--save", str(folder / "edited.safetensors")]}

    def judge(folder: Path, asked: dict[str, Any], value: dict[str, Any]) -> str:
        """The saved network has exactly the weights that read the listed neurons at zero."""
        text = (folder / "n.txt").read_text()
        if text.lstrip().startswith("["):
            neurons = {int(n) for n in json.loads(text)}
        else:
            spans = [part.split("-") for part in text.replace(",", " ").replace(" - ", "-").split()]
            neurons = {n for span in spans for n in range(int(span[0]), int(span[-1]) + 1)}
        before = readers.read_safetensors(whole / "step-00000003.safetensors")["unembed.W_U"]
        after = readers.read_safetensors(folder / "edited.safetensors")["unembed.W_U"]
        expected = before.copy()
        expected[sorted(neurons)] = 0
        return "" if np.allclose(after, expected) else "other neurons were taken out than the file names"

    Campaign("neurons", worker, tmp_path).run(seeds_of(120), make, judge).check()


# Whole commands


def test_whole_commands(worker: Worker, whole: Path, tmp_path: Path) -> None:
    commands = (["audit", "FILE", "--random", "1", "--json", "OUT.json", "--html", "OUT.html"], ["score", "FILE"],
                ["dose", "FILE", "--points", "3", "--random", "1"], ["audit", "FILE", "--random",
                "1"])  # fmt: skip

    def make(folder: Path, random: Random) -> dict[str, Any]:
        if random.random() < 0.6:
            file = native(whole, "step-00000003", weights=random.random() < 0.5)(folder, random)["path"]
        else:
            name = random.choice(("doshi.pt", "nanda.pt"))
            file = stranger(whole, name, random.choice(("records", "values")))(folder, random)["path"]
        words = [
            word.replace("FILE", file).replace("OUT", str(folder / "out")) for word in random.choice(commands)
        ]
        return {"action": "command", "words": words}

    Campaign("commands", worker, tmp_path).run(seeds_of(150), make).check()
