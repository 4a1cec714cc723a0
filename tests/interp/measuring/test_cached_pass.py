"""The cached state of transformers, heads, single positions and adopted modules, against hooks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from interp.data import GROUPS, SPLITS, ModularTask
from interp.errors import ConfigError, HookNameError
from interp.interventions import ablate
from interp.measuring import cached_pass as cached
from interp.measuring.cached_pass import cached_pass
from interp.measuring.curves import measure_curve
from interp.measuring.effects import measure_neurons, single_effects
from interp.measuring.evaluation import all_logits, evaluate
from interp.measuring.removals import removal
from interp.models import HookedModel, Prompt, SmallTransformer, TransformerConfig, adopt
from interp.progress import Report

P = 7
TASK = ModularTask("add", p=P, train_fraction=0.6, corrupt_fraction=0.4, seed=3)
ORDER = np.array([4, 0, 3, 1, 2])


def transformer(**settings: object) -> SmallTransformer:
    config = TransformerConfig(8, 2, 4, 5, **settings)
    return SmallTransformer(config, P + 1, P, Prompt.parse("a b =", p=P), seed=1).eval()


class Recurrent(nn.Module):
    """Embedding, LSTM, readout at the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.lstm = nn.Embedding(P, 6), nn.LSTM(6, 5, batch_first=True)
        self.head = nn.Linear(5, P)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits of pairs."""
        return self.head(self.lstm(self.embed(tokens))[0].relu()[:, -1])


def recurrent() -> HookedModel:
    torch.manual_seed(0)
    return adopt(Recurrent().eval(), ["lstm:output"], example=TASK.dataset.inputs[:2])


POST, HEADS = "blocks.0.mlp.hook_post", "blocks.0.attn.hook_z"
CASES: dict[str, tuple[Callable[[], HookedModel], str | None]] = {
    "last layer": (transformer, POST),
    "before a norm": (lambda: transformer(norm="layer", bias=True), POST),
    "before a layer": (lambda: transformer(n_layers=2, causal=True), POST),
    "before a layer and norms": (lambda: transformer(n_layers=2, norm="pre", activation="gelu"), POST),
    "one position": (lambda: transformer(n_layers=2), f"{POST}@1"),
    "the answer's position": (transformer, f"{POST}@2"),
    "a position that does not matter": (transformer, f"{POST}@0"),
    "heads": (lambda: transformer(n_layers=2, norm="layer"), HEADS),
    "last heads": (transformer, HEADS),
    "recurrent": (recurrent, None),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request: pytest.FixtureRequest) -> tuple[HookedModel, str | None]:
    """A model and a site of it."""
    build, site = request.param
    return build(), site


@pytest.mark.parametrize("mode", ["zero", "mean", "scale=-0.5"])
def test_changed_logits_equal_those_by_hooks(case: tuple[HookedModel, str | None], mode: str) -> None:
    model, site = case
    found = cached_pass(model, TASK, site=site, mode=mode)
    for chosen in ([1], [0, 1], list(range(found.width))):
        with ablate(model, chosen, mode, site=site, reference=TASK):
            wanted = all_logits(model, TASK.dataset)
        torch.testing.assert_close(found.logits_after(torch.tensor(chosen)), wanted, atol=1e-5, rtol=1e-4)


def test_effects_and_curves_equal_those_by_hooks(case: tuple[HookedModel, str | None]) -> None:
    model, site = case
    found = cached_pass(model, TASK, site=site)
    effects, before = single_effects(found), evaluate(model, TASK)
    for neuron in range(found.width):
        with ablate(model, [neuron], site=site):
            after = evaluate(model, TASK)
        for split in SPLITS:
            drop = before.margin[split] - after.margin[split]
            assert effects.margin_drop[split][neuron] == pytest.approx(drop, abs=1e-5)
            drop = before.accuracy[split] - after.accuracy[split]
            assert effects.accuracy_drop[split][neuron] == pytest.approx(drop)
    order = ORDER[found.width > ORDER]
    swept = measure_curve(found, order, n_random=1)
    for k in swept.removed[:-1]:
        with ablate(model, order[:k], site=site):
            after = evaluate(model, TASK).accuracy
        i = int(np.flatnonzero(swept.removed == k)[0])
        for split in SPLITS:
            assert swept.accuracy[split][i] == pytest.approx(after[split])


def test_examples_in_many_small_parts_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = transformer(n_layers=2, norm="layer")
    whole = single_effects(cached_pass(model, TASK, site=POST))
    monkeypatch.setattr(cached, "CHUNK_ELEMENTS", 100)
    found = cached_pass(model, TASK, site=POST)
    assert sum(1 for _ in found.changed_logits(torch.tensor([0]))) > 5
    parts = single_effects(found)
    for split in SPLITS:
        np.testing.assert_allclose(parts.margin_drop[split], whole.margin_drop[split], atol=1e-6)


def test_only_affected_examples_are_run() -> None:
    found = cached_pass(transformer(norm="layer"), TASK, site=POST)
    for neuron in range(found.width):
        rows = [int(row) for rows, _ in found.changed_logits(torch.tensor([neuron])) for row in rows]
        assert rows == np.flatnonzero(found.activations[:, neuron].numpy()).tolist()


def test_progress_is_told_where_neurons_go_one_by_one() -> None:
    told: list[int] = []

    def report(done: int, note: str = "") -> None:
        told.append(done)

    assert isinstance(report, Report)
    found = cached_pass(transformer(norm="layer"), TASK, site=POST)
    measure_neurons(found, report=report)
    assert told == [1, found.width]  # all together
    told.clear()
    found = cached_pass(transformer(n_layers=3), TASK, site=POST)
    measure_neurons(found, report=report)
    assert told == [1, 2, 3, 4, 5]
    told.clear()
    measure_curve(found, ORDER, n_random=2, report=report)
    assert told == list(range(1, 19))
    told.clear()
    removal(found, [0], n_draws=3, report=report)
    assert told == [0, 1, 2, 3]


def test_an_unknown_split_has_one_accuracy() -> None:
    task = ModularTask("add", p=P, split="unknown")
    found = cached_pass(transformer(), task, site=POST)
    effects = single_effects(found)
    assert {split for split, drop in effects.accuracy_drop.items() if drop is not None} == {"all"}
    assert set(GROUPS) == {"clean", "corrupted", "test"}
    swept = measure_curve(found, ORDER, n_random=2)
    assert swept.accuracy["train"] is None
    assert swept.accuracy["all"][0] == pytest.approx(evaluate(found.model, task).accuracy.all)


def test_unusable_sites_and_tasks_are_named() -> None:
    with pytest.raises(HookNameError, match="there is no position 9"):
        cached_pass(transformer(n_layers=2), TASK, site=f"{POST}@9")
    with pytest.raises(ConfigError, match="Is this network for another task"):
        cached_pass(transformer(), ModularTask("add", p=5))
    model = transformer()
    with torch.no_grad():
        model.unembed.weight[0, 0] = float("nan")
    with pytest.raises(ConfigError, match="NaN or infinity"):
        cached_pass(model, TASK)
