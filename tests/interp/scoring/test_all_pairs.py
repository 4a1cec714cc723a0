"""Activations over all pairs of operands, of a few neurons and in blocks."""

from __future__ import annotations

import pytest
import torch

from interp.data import ModularTask, TableTask
from interp.measuring import logits
from interp.measuring.cached_pass import cached_pass
from interp.models import HookedMLP, MLPConfig
from interp.scoring.all_pairs import all_pairs_activations

P, WIDTH = 11, 6


def test_pairs_that_a_table_leaves_out_are_computed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    task = ModularTask("add", p=P, train_fraction=0.6)
    data, chosen = task.dataset, torch.tensor([4, 1])
    kept = torch.arange(len(data)) % 3 != 0
    table = TableTask.from_arrays(data.inputs[kept], data.labels[kept], task="add", p=P)
    model = HookedMLP(MLPConfig(width=WIDTH), vocab=P, seed=2).eval()
    cached, at_once = cached_pass(model, table), []
    own = type(model).prefix
    monkeypatch.setattr(logits, "BLOCK", 100)
    monkeypatch.setattr(
        HookedMLP,
        "prefix",
        lambda self, hook, inputs: (at_once.append(len(inputs)), own(self, hook, inputs))[1],
    )
    few = all_pairs_activations(cached, table, P, chosen)
    assert max(at_once) * WIDTH <= 100
    assert sum(at_once) == 1 + int((~kept).sum())
    whole = cached_pass(model, task).activations
    pairs = data.inputs[:, 0] * P + data.inputs[:, 1]
    torch.testing.assert_close(few[pairs], whole[:, chosen])
