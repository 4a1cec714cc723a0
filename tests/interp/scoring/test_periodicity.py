"""Periodicity from weights, from activations over all pairs, from a table's order, and not at all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from interp.data import ModularTask, TableTask, group_ordering
from interp.hooks import capture
from interp.measuring.arrays import grid_of, neuron_arrays
from interp.measuring.cached_pass import cached_pass
from interp.models import (
    HookedMLP,
    MLPConfig,
    Prompt,
    SmallTransformer,
    TransformerConfig,
    adopt,
    analytic_mlp,
    neuron_site,
)
from interp.scoring.periodicity import (
    all_pairs_activations,
    operands_of,
    periodicity,
    position_profile,
)
from interp.scoring.selection import order_by
from interp.subject import score
from probes.activity import activation_scores
from probes.spectrum import Convention

P = 11


def transformer() -> SmallTransformer:
    config = TransformerConfig(d_model=8, n_heads=2, d_head=4, d_mlp=6, n_layers=2)
    return SmallTransformer(config, P + 1, P, Prompt.parse("a b =", p=P), seed=2).eval()


def columns_of(model: object, task: object, site: str | None = None) -> tuple[dict, dict]:
    cached = cached_pass(model, task, site=site)
    place = neuron_site(model, cached.hook)
    arrays = neuron_arrays(place, cached.activations, task.ordering)
    return periodicity(cached, task, place, arrays, Convention(), seed=0)


def test_weights_are_scored_where_tokens_feed_the_neurons() -> None:
    columns, how = columns_of(analytic_mlp("add", P, 20), ModularTask("add", P))
    assert how["source"] == "weights"
    assert (columns["ipr"] > 0.99).all()
    assert (columns["sum_share"] > 0.3).all()
    assert (columns["activation_frequency"] == columns["frequency"]).all() or P < 5


@pytest.mark.parametrize(
    "site", ["blocks.0.mlp.hook_post", "blocks.1.mlp.hook_post", "blocks.0.mlp.hook_post@1"]
)
def test_activations_are_scored_elsewhere(site: str) -> None:
    model, task = transformer(), ModularTask("add", P)
    columns, how = columns_of(model, task, site)
    assert how["source"] == "activations"
    base, _, position = site.partition("@")
    acts = capture(model, task.dataset.inputs, base)[base][:, int(position or 2)]
    grid = acts.T.reshape(6, P, P).double().numpy()
    spectrum = np.abs(np.fft.fft2(grid - grid.mean((1, 2), keepdims=True))) ** 2
    block = {0, 1, P - 1}
    for neuron in range(6):
        if not spectrum[neuron].any():
            continue
        shares = []
        for k in range(1, P // 2 + 1):
            inside = [spectrum[neuron, i * k % P, j * k % P] for i in block for j in block if i or j]
            shares.append(sum(inside) / spectrum[neuron].sum())
        assert columns["activation_share"][neuron] == pytest.approx(max(shares), abs=1e-5)
        assert columns["frequency"][neuron] == int(np.argmax(shares)) + 1
        assert columns["frequency_share"][neuron] == columns["activation_share"][neuron]


def test_missing_pairs_are_run_if_the_order_speaks_of_them() -> None:
    model, task = transformer(), ModularTask("multiply", P)
    data = task.dataset
    kept = torch.arange(len(data)) % 3 != 0
    table = TableTask.from_arrays(data.inputs[kept], data.labels[kept], task="multiply", p=P)
    found = all_pairs_activations(cached_pass(model, table), table, P)
    expected = all_pairs_activations(cached_pass(model, task), task, P)
    grids = [grid_of(x, P, task.ordering) for x in (found, expected)]
    assert not np.isnan(grids[0]).any()
    np.testing.assert_allclose(grids[0], grids[1], atol=1e-5)
    assert operands_of(table) == P


def test_a_tables_order_stands_in_for_operands() -> None:
    generator = np.random.default_rng(0)
    inputs = torch.as_tensor(generator.integers(0, P, (60, 2)))
    positions = generator.integers(0, 7, 60)
    table = TableTask.from_arrays(inputs, torch.zeros(60, dtype=torch.long), n_classes=P, positions=positions)
    cached = cached_pass(transformer(), table)
    found = position_profile(cached, positions)
    for position in range(7):
        mean = cached.activations[torch.as_tensor(positions == position)].double().mean(0)
        np.testing.assert_allclose(found[:, position], mean, rtol=1e-5)
    columns, how = columns_of(transformer(), table)
    assert how["source"] == "activations"
    assert how["vector_lengths"][0] == 7
    assert not np.isnan(columns["p_value"]).all()
    scored = score(transformer(), table)
    np.testing.assert_array_equal(order_by(scored), np.argsort(scored["ipr"], kind="stable"))


def test_without_any_order_nothing_is_known() -> None:
    inputs = torch.cartesian_prod(torch.arange(P), torch.arange(P))
    table = TableTask.from_arrays(inputs, inputs.sum(1) % P)
    columns, how = columns_of(transformer(), table)
    assert how["source"] is None
    assert np.isnan(columns["ipr"]).all()
    assert (columns["frequency"] == 0).all()


def test_a_harmonic_counts_with_its_fundamental() -> None:
    w = 2 * np.pi * 3 * np.arange(31) / 31
    wave = np.maximum(np.cos(w[:, None]) + np.cos(w), 0)[None]
    scores = activation_scores(wave)
    assert scores["activation_frequency"][0] == 3
    assert scores["activation_share"][0] < scores["activation_harmonics"][0] < 1
    assert scores["silent"][0] == pytest.approx((wave == 0).mean())


class Squares(nn.Module):
    """The closed form of c = a**2 * b modulo p as a module of one's own, whose neurons no token is known to feed."""

    def __init__(self, p: int, width: int) -> None:
        super().__init__()
        order = group_ordering("a**2*b", p)
        assert order is not None
        generator = np.random.default_rng(0)
        n = len(order)
        k = 1 + np.arange(width)[:, None] % (n // 2 - 1)
        first, second = generator.uniform(0, 2 * np.pi, (2, width, 1))
        wave = 2 * np.pi * k * np.arange(n) / n
        tables = torch.zeros(3, p, width)
        for table, residues, angle in zip(
            tables,
            (order.left, order.right, order.output),
            (2 * wave + first, wave + second, wave + first + second),
            strict=True,
        ):
            table[torch.as_tensor(residues)] = torch.as_tensor(np.cos(angle).T).float()
        self.left, self.right = (nn.Embedding.from_pretrained(table) for table in tables[:2])
        self.act, self.out = nn.Identity(), nn.Linear(width, p, bias=False)
        self.out.weight = nn.Parameter(tables[2])

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        return self.out(self.act((self.left(pairs[:, 0]) + self.right(pairs[:, 1])) ** 2))


def test_steps_are_known_where_activations_alone_are_scored() -> None:
    p, width = 31, 112
    module, task = Squares(p, width), ModularTask("a**2*b", p, split="unknown")
    table = score(adopt(module, ("act",), example=task.dataset.inputs[:2]), task)
    assert table.meta["null"]["source"] == "activations"
    assert table["sum_frequency"].tolist() == (1 + np.arange(width) % 14).tolist()
    assert len(table.where(label="generalizing")) > 0.9 * width


def test_random_networks_are_no_more_periodic_in_an_order_with_steps() -> None:
    """Of neurons behind a random layer about 5 % are significant at 5 %; answers that no pair has make no comb."""
    concentration = {}
    for rule in ("a**2*b**2", "a**2*b", "multiply"):
        task, found = ModularTask(rule, 31, split="unknown"), []
        for seed in range(4):
            model = HookedMLP(MLPConfig(width=100, depth=3, activation="relu"), vocab=31, seed=seed)
            columns, how = columns_of(model, task)
            assert how["source"] == "activations"
            found.append(columns)
        p_values, concentration[rule] = (
            np.array([one[name] for one in found]) for name in ("p_value", "ipr")
        )
        assert 0.02 < (p_values < 0.05).mean() < 0.09
    assert concentration["a**2*b**2"].mean() == pytest.approx(concentration["multiply"].mean(), abs=0.03)
