"""Overlaps of a network's neurons and examples: against loops, planted common neurons, and what cannot be compared."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from figures import check_figure
from scipy import stats

from interp.analysis.example_kinds import EXAMPLES, attributed, draw_examples, input_similarity
from interp.analysis.example_overlap import ExampleOverlap, example_overlap
from interp.analysis.overlap import SetOverlap, overlap
from interp.data import ModularTask, TableTask
from interp.errors import ConfigError, InterventionError
from interp.models import adopt, analytic_mlp, planted_mlp
from interp.subject import Subject

TASK = ModularTask("add", p=23, train_fraction=0.6, corrupt_fraction=0.3)


@pytest.fixture(scope="module")
def subject() -> Subject:
    return Subject(planted_mlp(TASK, memorizing=60).model, TASK)


def test_shared_neurons_are_counted_among_those_that_are_not_dead(subject: Subject) -> None:
    first, second = [0, 1, 2, 3, 4, 5], [3, 4, 5, 70, 71]
    result = overlap(subject, first=first, second=second)
    assert isinstance(result, SetOverlap)
    n = len(set(subject.alive.tolist()) | set(first) | set(second))
    assert (result.n, result.first, result.second, result.shared.tolist()) == (n, 6, 5, [3, 4, 5])
    assert result.p_value == pytest.approx(float(stats.hypergeom.sf(2, n, 6, 5)))
    assert result.p_fewer == pytest.approx(float(stats.hypergeom.cdf(3, n, 6, 5)))
    assert result.fold == pytest.approx(3 / (30 / n))
    assert json.loads(json.dumps(result.to_dict()))["shared"] == [3, 4, 5]
    check_figure(result.plot())


def test_activity_explains_what_the_most_active_neurons_share() -> None:
    """Two random choices of a network's largest neurons: more than chance, and no more than of equally active ones."""
    generator = np.random.default_rng(0)
    model = analytic_mlp("add", p=23, width=200)
    with torch.no_grad():
        model.embed.W_E[:, :, 40:] *= 0.3
    subject = Subject(model, ModularTask("add", p=23))
    first, second = (generator.permutation(40)[:24] for _ in range(2))
    result = overlap(subject, first=first, second=second)
    assert isinstance(result, SetOverlap)
    assert result.p_value < 1e-6
    assert result.matched_p > 0.01
    assert "activity may explain it" in " ".join(result.sentences())


def test_sets_can_be_empty_or_apart(subject: Subject) -> None:
    empty = overlap(subject, first=[], second=[1, 2])
    assert isinstance(empty, SetOverlap)
    assert "one set is empty" in empty.sentences()[0]
    assert empty.fold is None
    check_figure(empty.plot())
    apart = overlap(subject, first=range(0, 120, 2), second=range(1, 120, 2))
    assert isinstance(apart, SetOverlap)
    assert "fewer than random sets" in apart.sentences()[0]


def test_labels_share_no_neuron_by_definition(subject: Subject) -> None:
    labels = overlap(subject)
    assert (labels.shared.size, labels.exclusive) == (0, True)
    assert labels.sentences()[0].endswith("share none by definition: a neuron has one label.")
    same = overlap(subject, first="label:memorizing", second="label:memorizing")
    assert not same.exclusive
    assert "more than random sets" in same.sentences()[0]


def test_names_of_files_are_no_markup_in_a_figure(subject: Subject, tmp_path) -> None:
    chosen = tmp_path / "<b>.json"
    chosen.write_text("[1, 2]")
    figure = overlap(subject, first=f"@{chosen}", second=[2, 3]).plot()
    assert "<b>" not in figure.layout.title.text
    assert "&lt;b&gt;" in figure.layout.title.text


def test_an_overlap_that_is_not_decided_is_not_called_no_larger(subject: Subject) -> None:
    result = overlap(subject, first=[0, 1, 2], second=[2, 3, 4])
    assert 0.01 < result.p_value < 0.05
    assert "not decidedly more than random sets" in result.sentences()[0]


@pytest.mark.parametrize(
    ("first", "second", "settings", "message"),
    [
        ("examples:memorised", "label:memorizing", {}, "examples and neurons"),
        ([0, 1], [2], {"by": "activation"}, "both sets are neurons"),
        ("examples:never", "examples:clean", {}, "give it as the second"),
        ("examples:memorised", "examples:train", {}, "in common"),
        ("examples:memorized", "examples:clean", {}, "memorised"),
        ("examples:memorised", "examples:clean", {"by": "weight"}, "attribution"),
        ("examples:memorised", "examples:clean", {"active": 0.6}, "active=0.6"),
        ("examples:memorised", "examples:clean", {"examples": 5}, "examples=5"),
        ("examples:memorised", "examples:clean", {"draws": 98}, "99 draws, as with fewer"),
    ],
)
def test_what_cannot_be_compared_is_an_error(subject: Subject, first, second, settings, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        overlap(subject, first=first, second=second, **settings)


@pytest.mark.parametrize("rows", [[0, 0], [-1], [10**6], [0.5], [[1, 2]], [True, False]])
def test_examples_that_are_none_are_errors(subject: Subject, rows: list) -> None:
    with pytest.raises(ConfigError, match="are no examples"):
        example_overlap(subject, first=rows)
    with pytest.raises(InterventionError):
        overlap(subject, first=[10**6], second=[0])


def test_both_kinds_are_drawn_with_the_same_labels(subject: Subject) -> None:
    data, generator = subject.data, np.random.default_rng(0)
    drawn = draw_examples(subject, "examples:memorised", "examples:clean", 30, generator)
    half = len(drawn.rows) // 2
    labels = data.labels[drawn.rows].numpy()
    assert labels.tolist() == drawn.labels.tolist()
    assert sorted(labels[:half]) == sorted(labels[half:])
    assert data.mislabelled[drawn.rows[:half]].all()
    assert (subject.cached.logits[drawn.rows].argmax(1).numpy() == labels).all()
    assert not data.corrupted[drawn.rows[half:]].any()
    never = draw_examples(subject, "examples:memorised", "examples:never", 30, generator)
    rows = never.rows[half:]
    assert not data.train[rows].any()
    assert (data.true_labels[rows].numpy() != never.labels[half:]).all()
    assert len(set(never.rows.tolist())) == len(never.rows)


def test_attribution_adds_up_to_the_logits(subject: Subject) -> None:
    rows, cached = np.arange(0, 200, 7), subject.cached
    labels = subject.data.labels[rows].numpy()
    whole = attributed(subject, rows, labels)
    logits = cached.logits[rows].double().numpy()
    np.testing.assert_allclose(
        whole.sum(1), logits[np.arange(len(rows)), labels] - logits.mean(1), rtol=1e-3, atol=1e-3
    )


def test_similarity_counts_equal_operands_or_is_a_cosine(subject: Subject) -> None:
    rows = np.arange(0, 60, 5)
    near = input_similarity(subject, rows)
    inputs = subject.data.inputs[rows].tolist()
    for i, one in enumerate(inputs):
        for j, other in enumerate(inputs):
            assert near[i, j] == sum(a == b for a, b in zip(one, other, strict=True))


def networks_of_images(shared: bool) -> Subject:
    """Random images, with a wrong label or not; memorised ones may share two units that no other turns on."""
    generator = torch.Generator().manual_seed(5)
    n, width = 240, 40
    images, true = torch.rand(n, 16, generator=generator), torch.arange(n) % 4
    wrong = torch.arange(n) % 2 == 0
    labels = torch.where(wrong, (true + 1) % 4, true)
    images[:, 15] = wrong.float()
    module = torch.nn.Sequential(torch.nn.Linear(16, width), torch.nn.ReLU(), torch.nn.Linear(width, 4))
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) / 4)
        module[0].weight[:, 15] = 0
        module[0].weight[:2, 15] = 20.0 if shared else 0.0
    task = TableTask.from_arrays(images, labels, true_labels=true, train=torch.ones(n).bool())
    return Subject(adopt(module, ["2:input"], example=images[:4]), task)


@pytest.mark.parametrize("shared", [True, False])
def test_two_neurons_that_only_wrong_examples_use_are_noticed(shared: bool) -> None:
    subject = networks_of_images(shared)
    kinds = subject.data.mislabelled.numpy(), ~subject.data.mislabelled.numpy()
    result = example_overlap(subject, first=kinds[0], second=kinds[1], by="activation", draws=99, examples=60)
    assert isinstance(result, ExampleOverlap)
    assert result.common == shared
    assert result.first.counts.sum() == result.first.pairs == 60 * 59 // 2
    mean = (result.first.counts * np.arange(len(result.first.counts))).sum() / result.first.pairs
    assert result.first.mean == pytest.approx(mean)
    assert result.first.mean > result.expected
    words = " ".join(result.sentences())
    assert ("have neurons of their own in common." in words) == shared
    assert ("is not shown" in words) == (not shared)
    check_figure(result.plot())
    json.dumps(result.to_dict())
    with pytest.raises(ConfigError, match="can be given the same labels"):
        example_overlap(subject, first=[0, 2], second=[1, 3], by="activation")


def test_memorised_examples_are_those_whose_wrong_label_is_the_answer(subject: Subject) -> None:
    answers = subject.cached.logits.argmax(1)
    data = subject.data
    for i, one in enumerate(EXAMPLES["memorised"](subject).tolist()):
        wrong = bool(data.train[i]) and int(data.labels[i]) != int(data.true_labels[i])
        assert one == (wrong and int(answers[i]) == int(data.labels[i]))
