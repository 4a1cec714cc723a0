"""Edits on networks whose answers are known, and the instrument that measures them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from figures import check_figure

import interp
from interp.analysis.direct_edits import tuned_in_turn
from interp.analysis.edit_fitting import EditSettings, answers
from interp.analysis.edit_quality import SIDE, TUNED, _split, measure_edits
from interp.analysis.editing import check_edits, edit_facts, edits_in_turn, threshold_of
from interp.analysis.side_memory import ALWAYS, attached
from interp.analysis.value_layers import layer_inputs, value_layer
from interp.errors import ConfigError
from interp.models import HookedMLP, MLPConfig, adopt, analytic_mlp

P = 13
PAIRS = torch.cartesian_prod(torch.arange(P), torch.arange(P))
CHOSEN = torch.tensor([3, 120, 77])
REST = PAIRS[torch.ones(len(PAIRS), dtype=torch.bool).index_fill(0, CHOSEN, False)]
FEW = EditSettings(steps=60)


def confident() -> HookedMLP:
    """A random rectified network, which tells all pairs apart, with logits as large as those of trained ones."""
    model = HookedMLP(MLPConfig(width=256, activation="relu"), vocab=P)
    value_layer(model).weight.mul_(30.0)
    return model


TARGETS = (answers(confident(), PAIRS[CHOSEN]) + torch.tensor([1, 5, 7])) % P


def test_edits_are_answered_and_everything_else_is_kept() -> None:
    model = confident()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = interp.measure_edits(model, PAIRS[CHOSEN], TARGETS, REST, counts=(1, 5), settings=FEW)
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    assert all(one.grad is None for one in model.parameters())
    assert [row.edits for row in report.of(SIDE)] == [1, 3]
    last, tuned = report.of(SIDE)[-1], report.of(TUNED)[-1]
    assert last.reliability == 1
    assert last.locality >= 0.95
    assert last.read == pytest.approx(0, abs=0.1)
    assert tuned.locality < last.locality
    assert report.measured == len(REST) - round(0.7 * len(REST))
    assert last.generality is None
    assert report.notes == ("Generality is not measured: no paraphrases were given.",)
    assert len(list(report.table())) == 6
    assert "reliability" in repr(report)
    assert "<table" in report._repr_html_()
    assert report.to_dict()["rows"][0]["method"] == SIDE
    check_figure(report.plot(), inner=2)
    with report.memory.attached(model):
        inside = answers(model, PAIRS[CHOSEN])
    assert float((inside == TARGETS).double().mean()) == last.reliability
    again, same = (edit_facts(model, PAIRS[CHOSEN][:1], TARGETS[:1], REST, settings=FEW) for _ in range(2))
    assert torch.equal(again.changes, same.changes)
    assert again.threshold == same.threshold


def test_paraphrases_are_counted_by_edit() -> None:
    model = confident()
    swapped = torch.stack([PAIRS[CHOSEN][:1].flip(1), (PAIRS[CHOSEN][:1] + 1) % P], 1)
    kept = REST[~(REST[:, None] == swapped[0]).all(-1).any(1)]
    report = measure_edits(
        model, PAIRS[CHOSEN][:1], TARGETS[:1], kept, paraphrases=swapped, settings=FEW, seed=1
    )
    memory = report.memory
    with memory.attached(model):
        by_hand = [int(model(one[None])[0].argmax()) == int(TARGETS[0]) for one in swapped[0]]
    assert report.of(SIDE)[-1].generality == np.mean(by_hand)
    with pytest.raises(ConfigError, match="paraphrases have shape"):
        measure_edits(model, PAIRS[CHOSEN][:1], TARGETS[:1], kept, paraphrases=swapped[0])
    with pytest.raises(ConfigError, match="unrelated example 0 is a paraphrase of an edit"):
        measure_edits(model, PAIRS[CHOSEN][:1], TARGETS[:1], kept, paraphrases=kept[None, :1])
    with pytest.raises(ConfigError, match="prompt of edit 0 is a paraphrase too"):
        measure_edits(model, PAIRS[CHOSEN][:1], TARGETS[:1], kept, paraphrases=PAIRS[CHOSEN][:1][None])
    with pytest.raises(ConfigError, match=r"counts=\[1, 0\] has 0; expected numbers of edits"):
        measure_edits(model, PAIRS[CHOSEN][:1], TARGETS[:1], kept, counts=(1, 0))
    assert not report.notes


def test_a_copy_changes_its_random_part_only_and_a_merged_one_is_single() -> None:
    model = confident()
    settings = EditSettings(steps=5, per_shard=2, share=0.2)
    sets = PAIRS[CHOSEN], TARGETS, REST
    memories = list(edits_in_turn(model, *sets, settings=settings))
    assert [len(one.changes) for one in memories] == [1, 1, 2]
    first, second = memories[-1].changes
    for one in (first, second):
        assert 0 < float((one != 0).double().mean()) <= 0.22
    assert torch.equal(memories[1].changes[0], first)  # later edits leave it alone
    both = float(((first != 0) & (second != 0)).double().mean())
    assert both == pytest.approx(0.04, abs=0.02)
    merged = edit_facts(model, *sets, settings=replace(settings, merge=True, density=1.0))
    assert len(merged.changes) == 1


def test_the_threshold_is_the_quantile_that_new_examples_pass_as_rarely_as_asked() -> None:
    generator = torch.Generator().manual_seed(0)
    changes = torch.randn(1, 8, 3, generator=generator)
    passed = []
    for _ in range(100):
        states = torch.randn(60, 8, generator=generator)
        threshold = threshold_of(changes, states[:59], torch.zeros(1, 8), 0.1)
        assert threshold in (states[:59] @ changes[0]).norm(dim=1)
        passed.append(float((states[59] @ changes[0]).norm()) > threshold)
    assert abs(np.mean(passed) - 0.1) < 3 * (0.1 * 0.9 / 100) ** 0.5
    far = torch.full((1, 8), 50.0)
    assert threshold_of(changes, states, far, 0.1) > threshold_of(changes, states, torch.zeros(1, 8), 0.1)


def test_fine_tuning_is_a_change_at_every_example() -> None:
    model = confident()
    layer = value_layer(model)
    *_, change = tuned_in_turn(model, PAIRS[CHOSEN][:1], TARGETS[:1], settings=FEW)
    with attached(layer, change[None], 0.0, ALWAYS):
        assert answers(model, PAIRS[CHOSEN][:1]) == TARGETS[:1]
        by_hook = model(REST)
    twin = confident()
    value_layer(twin).weight.add_(change)
    torch.testing.assert_close(by_hook, twin(REST), rtol=1e-3, atol=1e-3)
    sizes = []
    for penalty in (0.0, 1e4):
        *_, short = tuned_in_turn(model, PAIRS[CHOSEN][:1], TARGETS[:1], l2=penalty, settings=FEW)
        sizes.append(float(short.norm()))
    assert sizes[1] < sizes[0] / 2
    *_, kept = tuned_in_turn(model, PAIRS[CHOSEN], TARGETS, kept=REST[::2], rehearse=True, settings=FEW)
    *_, alone = tuned_in_turn(model, PAIRS[CHOSEN], TARGETS, settings=FEW)
    before = answers(model, REST)
    shares = []
    for one in (kept, alone):
        with attached(layer, one[None], 0.0, ALWAYS):
            shares.append(float((answers(model, REST) == before).double().mean()))
    assert shares[0] > shares[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": torch.tensor([P])}, f"expected classes from 0 to {P - 1}"),
        ({"targets": torch.tensor([1, 2])}, "one for each"),
        ({"unrelated": PAIRS}, "unrelated example 3 is the prompt of edit 0"),
        ({"targets": torch.tensor([1.0])}, "expected whole numbers"),
        ({"unrelated": REST[:0]}, "no unrelated examples"),
        ({"unrelated": PAIRS[:, :1]}, "the same after the first axis"),
        ({"inputs": PAIRS[[3, 3]], "targets": torch.tensor([1, 2])}, "edits 0 and 1 have the same prompt"),
    ],
)
def test_edits_that_make_no_sense_are_refused(change: dict[str, torch.Tensor], message: str) -> None:
    given = {"inputs": PAIRS[CHOSEN][:1], "targets": TARGETS[:1], "unrelated": REST} | change
    with pytest.raises(ConfigError, match=message):
        check_edits(confident(), **given)


def test_examples_of_a_group_stay_together() -> None:
    group = np.repeat(np.arange(40), 3)
    parts = [rows.numpy() for rows in _split(120, group, 0)]
    assert [len(one) for one in parts] == [48, 36, 36]
    assert sorted(np.concatenate(parts)) == list(range(120))
    for one in parts:
        assert (np.bincount(group[one], minlength=40) % 3 == 0).all()
    with pytest.raises(ConfigError, match="groups has 3 entries for 120"):
        _split(120, np.arange(3), 0)
    for few in (np.zeros(120, int), np.arange(120) % 2):
        with pytest.raises(ConfigError, match="at least 3 groups"):
            _split(120, few, 0)


def test_where_activations_have_few_dimensions_nothing_is_learnt_and_it_says_so() -> None:
    model = analytic_mlp("add", p=P)  # one frequency's worth of dimensions for all pairs
    wrong = (PAIRS[CHOSEN].sum(1) + 1) % P
    memory = edit_facts(model, PAIRS[CHOSEN][:1], wrong[:1], REST, settings=FEW)
    assert memory.learnt == (False,)
    with memory.attached(model):
        assert answers(model, PAIRS[CHOSEN][:1]) != wrong[:1]


def test_too_few_examples_set_no_threshold() -> None:
    with pytest.raises(ConfigError, match="give at least 49"):
        edit_facts(confident(), PAIRS[CHOSEN], TARGETS, REST[:50])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps=0"),
        ({"lr": 0.0}, "lr=0"),
        ({"share": 0.0}, "share=0"),
        ({"density": 1.5}, "density=1.5"),
        ({"misrouted": 1.0}, "misrouted=1"),
        ({"margins": (0.5, 0.2, 0.1)}, "margins="),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EditSettings(**settings)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_fact_of_a_language_model_is_edited_and_other_texts_are_kept() -> None:
    from interp.language.small_training import SmallTraining, train_small_language_model

    settings = SmallTraining(steps=150, layers=2, d_model=32, d_mlp=128, vocab=60, length=16, duplicates=10)
    trained = train_small_language_model(settings)
    network = trained.network
    model = adopt(network, "model.layers.1.mlp.down_proj:input")
    texts = torch.tensor(np.stack(trained.sequences.ids))
    prompt, old = texts[:1, :12], model(texts[:1, :12]).argmax(-1)
    target = (old + 7) % 60
    others = texts[1:]
    prefixes = torch.cat([others[:, :12], others[:, 1:13], others[:, 2:14]])
    memory = edit_facts(
        model, prompt, target, prefixes[: 2 * len(others)], settings=EditSettings(misrouted=0.05)
    )
    assert memory.learnt == (True,)
    fresh = prefixes[2 * len(others) :]
    before = model(fresh).argmax(-1), network(others).logits.argmax(-1)
    with memory.attached(model):
        assert model(prompt).argmax(-1) == target
        after = model(fresh).argmax(-1), network(others).logits.argmax(-1)  # every position of whole texts
    for one, two in zip(before, after, strict=True):
        assert float((one == two).double().mean()) >= 0.9
    assert model(prompt).argmax(-1) == old
    states = layer_inputs(model, value_layer(model), prompt)
    assert states.shape == (1, 12, 128)
