"""The fuzz suite can fail: whole files pass its judges, and every kind of fault is noticed."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from fuzz import seeds
from fuzz.campaign import Campaign
from fuzz.judges import foreign_judge, native_judge, table_judge
from fuzz.mutations import as_csv
from fuzz.worker import MOST_SECONDS, Answer, Worker, opened
from safetensors.torch import load_file, save_file


def _of_table(folder: Path) -> dict[str, Any]:
    (folder / "t.csv").write_bytes(as_csv(seeds.table_rows(Random(0))))
    return {"path": str(seeds.native_mlp(folder)), "options": {"table": str(folder / "t.csv")}}


def _of_tensors(folder: Path, tensors: dict[str, torch.Tensor], suffix: str) -> dict[str, Any]:
    if suffix == ".pt":
        torch.save(tensors, folder / "net.pt")
    else:
        np.savez(folder / "net.npz", **{name: tensor.numpy() for name, tensor in tensors.items()})
    return {"path": str(folder / f"net{suffix}"), "options": {"task": "add", "p": 7}}


KINDS: dict[str, Any] = {
    "mlp": (native_judge, lambda folder: {"path": str(seeds.native_mlp(folder)), "options": {}}),
    "transformer": (
        native_judge,
        lambda folder: {"path": str(seeds.native_transformer(folder)), "options": {}},
    ),
    "doshi": (foreign_judge, lambda folder: _of_tensors(folder, seeds.doshi(), ".pt")),
    "doshi in npz": (foreign_judge, lambda folder: _of_tensors(folder, seeds.doshi(), ".npz")),
    "nanda": (foreign_judge, lambda folder: _of_tensors(folder, seeds.nanda(), ".pt")),
    "table": (table_judge, _of_table),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_file_is_right_and_an_accuracy_that_is_off_by_one_example_is_not(
    tmp_path: Path, kind: str
) -> None:
    judge, make = KINDS[kind]
    request = make(tmp_path)
    value = opened(**request)
    assert 0.05 < value["accuracy"]["all"] < 0.95
    assert judge(tmp_path, request, value) == ""
    for change in (1, -1):
        wrong = value["accuracy"] | {"all": value["accuracy"]["all"] + change / value["examples"]}
        assert judge(tmp_path, request, value | {"accuracy": wrong}).startswith("wrong success")


def test_a_reader_that_takes_one_axis_for_another_is_noticed(tmp_path: Path) -> None:
    file = seeds.native_mlp(tmp_path)
    request = {"path": str(file), "options": {}}
    value = opened(**request)
    tensors = load_file(file)
    save_file(tensors | {"embed.W_E": tensors["embed.W_E"].flip(0).contiguous()}, file)
    same = native_judge(tmp_path, request, value)  # of a sum, the operands may change places
    save_file(tensors | {"unembed.W_U": tensors["unembed.W_U"].roll(1, 1).contiguous()}, file)
    assert "wrong success" in native_judge(tmp_path, request, value) + same


def test_slow_large_and_endless_answers_are_faults() -> None:
    assert Answer("ok").fault == Answer("refused", "no").fault == ""
    for answer in (
        Answer("crash"), Answer("hang"), Answer("died"), Answer("refused"), Answer("refused", "x" * 10_000),
        Answer("ok", seconds=MOST_SECONDS + 1), Answer("ok", peak=2**32),
    ):  # fmt: skip
        assert answer.fault


@pytest.mark.slow
def test_a_process_that_breaks_a_rule_is_noticed_and_replaced(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    for how, word in (("crash", "KeyError"), ("memory", "GiB"), ("hang", "hang"), ("die", "died")):
        request = {"action": "misbehave", "how": how, "wait": 20}
        campaign = Campaign("misbehaving", worker, tmp_path).run([0], lambda folder, random, r=request: r)
        assert word in "".join(campaign.faults.values()), how
    request = {"action": "open", "path": str(seeds.native_mlp(tmp_path)), "options": {}}
    assert worker.ask(**request).outcome == "ok"
    worker.close()
