"""Facets of planted neurons, and prototypes against closed forms."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import interp
from interp.analysis.facet_records import HEADER
from interp.analysis.prototypes import mean_inputs, not_possible, prototypes
from interp.data import ModularTask, TableTask
from interp.errors import ConfigError, HookNameError, InterventionError
from interp.models import (
    HookedMLP,
    MLPConfig,
    Prompt,
    SmallTransformer,
    TransformerConfig,
    adopt,
    analytic_mlp,
)
from interp.subject import subject_of

TASK = ModularTask("add", p=23)


def images(n=240, seed=0):
    """Measurements in three clouds, and a linear network: neuron 0 answers to two of them, neuron 1 to one."""
    generator = np.random.default_rng(seed)
    kind = np.arange(n) % 6
    centres = np.array([[6.0, 0, 0, 0], [0, 6.0, 0, 0], *[[0, 0, 0, 0]] * 4])
    points = torch.tensor(generator.normal(size=(n, 4)) + centres[kind], dtype=torch.float32)
    network = nn.Sequential(nn.Linear(4, 3, bias=False), nn.Identity(), nn.Linear(3, 2))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0, 1, 0, 0], [1, -1, 0, 0], [0, 0, 0, 0]]))
    task = TableTask.from_arrays(points, torch.tensor(kind % 2))
    return adopt(network, ["0:output"], example=points[:4]), task, kind


@pytest.mark.parametrize("along", ["answer", "left", "right"])
def test_lobes_of_the_closed_form_are_its_frequencies(along):
    model = analytic_mlp(TASK, width=40, seed=1)
    result = interp.facets(model, TASK, along=along, steps=0)
    frequency = interp.score(model, TASK)["frequency"]
    expected = frequency if along == "answer" else np.minimum(2 * frequency, abs(23 - 2 * frequency))
    assert result.counts == expected.tolist()
    assert result.kind == "lobes"
    assert not result.notes


@pytest.mark.parametrize("operation", ["subtract", "multiply"])
def test_lobes_follow_the_order_of_the_task(operation):
    task = ModularTask(operation, p=23)
    model = analytic_mlp(task, width=21, seed=2)
    counts = np.array(interp.facets(model, task, np.arange(20), steps=0).counts)
    frequency = interp.score(model, task)["frequency"][:20]
    tested = (
        frequency < 11 if operation == "multiply" else frequency > 0
    )  # 22 positions, of which 11 is the highest
    assert (counts == frequency)[tested].all()


def test_neurons_of_random_weights_are_not_decided():
    model = HookedMLP(MLPConfig(width=60), vocab=23, seed=0).eval()
    result = interp.facets(model, TASK, steps=0)
    assert sum(count is not None for count in result.counts) <= 3
    assert "not decided" in repr(result)
    with torch.no_grad():
        model.embed.W_E[:, :, 0] = 0
    constant = interp.facets(model, TASK, [0], steps=0).neurons[0]
    assert constant.count is None
    assert constant.best == 0


def test_members_are_examples_that_excite_the_neuron_and_lie_next_to_its_peak():
    model = analytic_mlp(TASK, width=6, seed=0)
    result = interp.facets(model, TASK, top=0.05, steps=0)
    cached = subject_of(model, TASK).cached
    for one in result.neurons:
        activation = cached.activations[:, one.neuron].numpy()
        lowest = np.sort(activation)[-result.top]
        assert sum(map(len, one.members)) == result.top == round(0.05 * 23**2)
        for peak, rows in zip(one.peaks, one.members, strict=True):
            assert (activation[rows] >= lowest).all()
            answers = TASK.dataset.true_labels[torch.as_tensor(rows)].numpy()
            for answer in answers:
                away = [min(abs(answer - other), 23 - abs(answer - other)) for other in one.peaks]
                assert min(away) == pytest.approx(min(abs(answer - peak), 23 - abs(answer - peak)))


def test_clusters_of_a_neuron_that_answers_to_two_kinds():
    model, task, kind = images()
    result = interp.facets(model, task, top=1 / 3, steps=20)
    first, second, dead = result.neurons
    assert (result.kind, result.embedding, result.along) == ("clusters", "inputs", None)
    assert (first.count, second.count, dead.count) == (
        2,
        2,
        None,
    )  # a third of the images is more than neuron 1's
    for rows in first.members:
        assert np.bincount(kind[rows]).max() >= 0.9 * len(rows)
    assert (first.activation > first.start).all()
    assert first.prototypes.shape == (2, 4)
    assert dead.members == ()
    assert "Of 1 neurons the number of facets is not decided: fewer than 20" in result.notes[0]
    assert interp.facets(model, task, [1], top=1 / 6, steps=0).counts == [1]
    by_hook = interp.facets(model, task, [0], top=1 / 3, embedding="0:output", steps=0)
    assert by_hook.counts == [2]


def test_a_prototype_of_a_linear_neuron_is_the_closed_form():
    model, task, _ = images()
    subject = subject_of(model, task)
    start = mean_inputs(subject, np.arange(30))
    assert torch.allclose(start, task.dataset.inputs[:30].mean(0))
    before = {name: value.clone() for name, value in model.named_parameters()}
    result = prototypes(subject, np.array([1]), start[None], steps=150, decay=20.0)
    weight = np.array([1.0, -1, 0, 0])
    spread = float(task.dataset.inputs.double().std())
    scale = float(subject.cached.activations[:, 1].double().std())
    # d/dx of w x / scale - 20 mean(((x - start) / spread)^2) over four features is 0
    expected = start.numpy() + weight / scale * spread**2 * 4 / (2 * 20)
    assert result.inputs[0] == pytest.approx(expected, abs=2e-3)
    assert result.activation[0] == pytest.approx(weight @ expected, abs=1e-2)
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
    assert all(value.grad is None for value in model.parameters())


def test_a_prototype_that_cannot_climb_is_noted():
    """The sum of absolute values above 2 on a sphere, which has one cluster with a mean where the neuron is silent."""
    points = torch.randn(90, 6, generator=torch.Generator().manual_seed(0))
    points = 3 * points / points.norm(dim=1, keepdim=True)
    network = nn.Sequential(
        nn.Linear(6, 12, bias=False), nn.ReLU(), nn.Linear(12, 1), nn.ReLU(), nn.Linear(1, 2)
    )
    with torch.no_grad():
        network[0].weight.copy_(torch.cat([torch.eye(6), -torch.eye(6)]))
        network[2].weight.fill_(1.0)
        network[2].bias.fill_(-2.0)
    model = adopt(network, ["3:output"], example=points[:2])
    result = interp.facets(model, TableTask.from_arrays(points, torch.arange(90) % 2), top=1.0, steps=5)
    assert result.counts == [1]
    assert result.neurons[0].activation.tolist() == result.neurons[0].start.tolist() == [0.0]
    assert any("no more than the mean that they start from" in note for note in result.notes)


@pytest.mark.slow
def test_a_rough_image_is_smoothed():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(60, 4, 4, generator=generator)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    task = TableTask.from_arrays(inputs, torch.arange(60) % 2)
    subject = subject_of(adopt(network, ["1:output"], example=inputs[:2]), task)
    start = inputs[:1]
    rough, smooth = (
        prototypes(subject, np.array([0]), start, variation=variation).inputs[0] for variation in (0.0, 20.0)
    )
    assert sum(np.square(np.diff(smooth, axis=axis)).sum() for axis in (0, 1)) < sum(
        np.square(np.diff(rough, axis=axis)).sum() for axis in (0, 1)
    )
    assert smooth.min() >= inputs.min() - 1e-6
    assert smooth.max() <= inputs.max() + 1e-6


@pytest.mark.parametrize("kind", ["mlp", "tied", "transformer"])
def test_a_mixture_of_one_token_is_that_token(kind):
    if kind == "transformer":
        config = TransformerConfig(d_model=8, n_heads=2, d_mlp=10)
        model = SmallTransformer(config, 24, 23, Prompt.parse("a b =", p=23), seed=0).eval()
    else:
        model = HookedMLP(MLPConfig(width=10, tied=kind == "tied", bias=True), vocab=23, seed=0).eval()
    subject = subject_of(model, TASK)
    rows = np.array([0, 30, 200])
    starts = torch.stack([mean_inputs(subject, rows[i : i + 1]) for i in range(3)])
    result = prototypes(subject, np.array([1, 2, 3]), starts, steps=30, decay=0.0)
    activations = subject.cached.activations[torch.as_tensor(rows), torch.tensor([1, 2, 3])].numpy()
    assert result.start == pytest.approx(activations, abs=1e-5)
    assert (result.activation > result.start)[activations > 0].all()
    assert (result.activation == result.start)[activations == 0].all()  # ReLU has no gradient there
    assert result.inputs.shape == (3, 2, 23)
    assert result.inputs.sum(-1) == pytest.approx(1, abs=1e-5)


def test_networks_without_a_known_embedding_have_no_prototypes_and_say_so():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(23, 8), nn.Linear(8, 23)

        def forward(self, tokens):
            return self.head(self.embed(tokens).sum(1).square())

    model = adopt(Sum().eval(), ["head:input"], example=TASK.dataset.inputs[:4])
    assert not_possible(subject_of(model, TASK)) is not None
    result = interp.facets(model, TASK, [0, 1])
    assert result.neurons[0].prototypes is None
    assert any("There are no prototypes" in note for note in result.notes)


def test_what_cannot_be_counted_is_an_error():
    model, task, _ = images()
    with pytest.raises(ConfigError, match="no order of its operands"):
        interp.facets(model, task, along="answer")
    with pytest.raises(ConfigError, match="give one of them"):
        interp.facets(analytic_mlp(TASK, width=4), TASK, along="left", embedding="inputs")
    with pytest.raises(ConfigError, match="middle"):
        interp.facets(analytic_mlp(TASK, width=4), TASK, along="middle")
    for settings in ({"top": 0.0}, {"steps": -1}, {"prominence": 2.0}):
        with pytest.raises(ConfigError, match="expected the first two"):
            interp.facets(model, task, **settings)
    with pytest.raises(InterventionError):
        interp.facets(model, task, [99])
    with pytest.raises(HookNameError):
        interp.facets(model, task, embedding="nowhere")


def test_results_are_shown():
    model = analytic_mlp(TASK, width=8, seed=0)
    few, all_of_them = interp.facets(model, TASK, [0, 1], steps=5), interp.facets(model, TASK, steps=0)
    stored = json.loads(json.dumps(few.to_dict(), allow_nan=False))
    assert [one["count"] for one in stored["neurons"]] == few.counts
    assert {len(row) for row in few.rows()} == {len(HEADER)}
    assert len(few.plot().data) == 4
    assert sum(all_of_them.plot().data[0].y) == 8
    assert "<table" in few._repr_html_()
    table, task, _ = images()
    one = interp.facets(table, task, [0], top=1 / 3)
    assert len(one.plot().data[0].z) == 2
    assert "clusters by inputs" in one.sentence()


def test_tokens_without_a_vector_and_no_neurons_are_errors() -> None:
    inputs = np.random.default_rng(0).integers(-3, 3, (60, 2))
    task = TableTask.from_arrays(inputs, np.arange(60) % 3)

    class Shifted(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.float())

    network = Shifted(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 3))
    model = adopt(network.eval(), ["1:output"], example=task.dataset.inputs[:4])
    with pytest.raises(ConfigError, match="below 0"):
        interp.facets(model, task, steps=0)
    with pytest.raises(ConfigError, match="at least one"):
        interp.facets(analytic_mlp("add", p=13, width=4), ModularTask("add", p=13), [])
