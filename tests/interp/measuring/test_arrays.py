"""Arrays for probes against plain loops over weights and pairs."""

import numpy as np
import pytest
import torch

from interp.data import ModularTask, TableTask
from interp.errors import HookNameError
from interp.hooks import capture
from interp.measuring.arrays import activation_grid, neuron_arrays, on_grid
from interp.models import HookedMLP, MLPConfig, analytic_mlp, neuron_site

POST, POST_1 = "blocks.0.mlp.hook_post", "blocks.1.mlp.hook_post"
OPERATIONS = ["add", "subtract", "multiply", "divide", "3*b + 2*a"]


def random_mlp(**settings) -> HookedMLP:
    """An untrained one over 7 tokens."""
    return HookedMLP(MLPConfig(width=5, **settings), 7, seed=2).eval()


def arrays_of(model: HookedMLP, task: ModularTask, hook: str = POST):
    """The site and its arrays."""
    site = neuron_site(model, hook)
    return site, neuron_arrays(site, capture(model, task.dataset.inputs, hook)[hook], task.ordering)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("tied", [False, True])
def test_vectors_are_read_in_the_tasks_order(operation, tied):
    model, task = random_mlp(tied=tied), ModularTask(operation, 7)
    _, found = arrays_of(model, task)
    order = task.ordering
    tables = [model.embed.W_E[0], model.embed.W_E[0 if tied else 1]]
    assert [v.shape for v in found.vectors] == [(5, len(order))] * 3
    for neuron in range(5):
        for position in range(len(order)):
            expected = (
                tables[0][order.left[position], neuron],
                tables[1][order.right[position], neuron],
                model.unembed.weight[neuron, order.output[position]],
            )
            assert [v[neuron, position] for v in found.vectors] == [value.item() for value in expected]


def test_without_an_ordering_the_order_is_natural():
    model, task = random_mlp(), ModularTask("a**2 + a*b", 7)
    site, found = arrays_of(model, task)
    for vector, weights in zip(found.vectors, (*site.input_vectors, site.readout), strict=True):
        np.testing.assert_array_equal(vector, weights.detach())
    np.testing.assert_array_equal(found.outside, 0)


@pytest.mark.parametrize("operation", ["multiply", "divide", "add"])
def test_outside_is_the_share_of_squares_at_residues_left_out(operation):
    model, task = random_mlp(), ModularTask(operation, 7)
    with torch.no_grad():
        model.embed.W_E[:, :, 2] = 0
        model.unembed.weight[2] = 0
        model.embed.W_E[:, 1:, 3] = 0
        model.unembed.weight[3, 1:] = 0
    site, found = arrays_of(model, task)
    for neuron in range(5):
        total = left_out = 0.0
        for weights in (*site.input_vectors, site.readout):
            for residue, value in enumerate(weights[neuron].tolist()):
                total += value**2
                left_out += value**2 if residue == 0 and operation != "add" else 0
        assert found.outside[neuron] == pytest.approx(left_out / total if total else 0, abs=1e-12)
    assert found.outside[2] == 0
    assert found.outside[3] == pytest.approx(0 if operation == "add" else 1)


def test_the_neuron_for_zero_is_outside():
    site, found = arrays_of(analytic_mlp("multiply", 13, 40), ModularTask("multiply", 13))
    assert found.outside[-1] == 1
    np.testing.assert_allclose(found.outside[:-1], 0, atol=1e-12)
    assert site.width == len(found.outside) == len(found.strength) == 40


@pytest.mark.parametrize("bias", [False, True])
def test_strength_is_what_a_neuron_adds_to_centred_logits(bias):
    model, task = random_mlp(bias=bias, activation="relu"), ModularTask("divide", 7)
    _, found = arrays_of(model, task)
    acts = capture(model, task.dataset.inputs, POST)[POST].double().numpy()
    readout = model.unembed.weight.detach().double().numpy()
    for neuron in range(5):
        squares = []
        for activation in acts[:, neuron]:
            added = activation * readout[neuron]
            squares += ((added - added.mean()) ** 2).tolist()
        assert found.strength[neuron] == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-6)


def test_sites_of_deeper_networks_have_only_some_vectors():
    model, task = random_mlp(depth=4, activation="relu"), ModularTask("multiply", 7)
    for hook, shapes in ((POST, [(5, 6)] * 2), (POST_1, []), ("blocks.2.mlp.hook_post", [(5, 6)])):
        site, found = arrays_of(model, task, hook)
        assert [v.shape for v in found.vectors] == shapes
        acts = capture(model, task.dataset.inputs, hook)[hook].double().numpy()
        spread = 1 if site.readout is None else site.readout.detach().double().numpy().std(1)
        np.testing.assert_allclose(found.strength, np.sqrt((acts**2).mean(0)) * spread, rtol=1e-6)
    order = task.ordering.output
    np.testing.assert_array_equal(found.vectors[0], model.unembed.weight.detach()[:, order])
    assert (found.outside > 0).all()
    np.testing.assert_array_equal(arrays_of(model, task, POST_1)[1].outside, 0)


def test_three_tokens_have_no_order_of_pairs():
    model = HookedMLP(MLPConfig(width=5), 7, n_tokens=3)
    site = neuron_site(model)
    found = neuron_arrays(site, torch.rand(4, 5), ModularTask("multiply", 7).ordering)
    assert [v.shape for v in found.vectors] == [(5, 7)] * 4
    np.testing.assert_array_equal(found.outside, 0)


def test_all_leading_axes_of_activations_count():
    site = neuron_site(random_mlp())
    acts = torch.rand(4, 3, 5)
    np.testing.assert_allclose(
        neuron_arrays(site, acts, None).strength,
        neuron_arrays(site, acts.reshape(12, 5), None).strength,
        rtol=1e-6,
    )


def test_single_precision_does_not_spoil_sums():
    model, task = random_mlp(), ModularTask("add", 7)
    site = neuron_site(model)
    acts = torch.full((100, 5), 3e20)
    found = neuron_arrays(site, acts, task.ordering)
    assert np.isfinite(found.strength).all()
    assert found.strength.dtype == found.outside.dtype == np.float64


@pytest.mark.parametrize("operation", [*OPERATIONS, "a*b"])
@pytest.mark.parametrize(
    "neurons", [None, np.array([3, 1]), np.array([], dtype=int)], ids=["all", "two", "none"]
)
def test_grids_equal_a_loop_over_pairs(operation, neurons):
    model, task = random_mlp(), ModularTask(operation, 7)
    grid = activation_grid(model, task, POST, neurons)
    chosen = range(5) if neurons is None else neurons.tolist()
    order = task.ordering
    left, right = (range(7), range(7)) if order is None else (order.left, order.right)
    assert grid.shape == (len(chosen), len(left), len(right))
    for row, neuron in enumerate(chosen):
        for i, a in enumerate(left):
            for j, b in enumerate(right):
                expected = model.run_with_cache(torch.tensor([[int(a), int(b)]]))[1][POST][0, neuron]
                assert grid[row, i, j] == pytest.approx(float(expected), rel=1e-5)


def test_pairs_that_are_not_allowed_are_nan():
    model = random_mlp()

    class Task:
        dataset, ordering = ModularTask("divide", 7).dataset, None

        def to_dict(self) -> dict[str, str]:
            return {}

    grid = activation_grid(model, Task(), POST)
    assert np.isnan(grid[:, :, 0]).all()
    assert not np.isnan(grid[:, :, 1:]).any()


def test_grids_of_deeper_layers_and_unknown_ones():
    model, task = random_mlp(depth=3, activation="relu"), ModularTask("add", 7)
    for hook in (POST_1, "blocks.1.mlp.hook_pre"):
        grid = activation_grid(model, task, hook)
        acts = capture(model, task.dataset.inputs, hook)[hook]
        np.testing.assert_array_equal(grid, acts.T.reshape(5, 7, 7))
    with pytest.raises(HookNameError, match=r"did you mean 'blocks.0.mlp.hook_post'"):
        activation_grid(model, task, "blocks.0.mlp.hook_pots")


def test_an_analytic_neuron_is_a_wave_of_the_sum():
    """cos² of a sum of angles along both axes: each grid has the two frequencies of the closed form."""
    for operation in ("add", "multiply"):
        model, task = analytic_mlp(operation, 11, 12), ModularTask(operation, 11)
        grid = activation_grid(model, task, POST, np.arange(11))
        n = len(task.ordering)
        vectors = arrays_of(model, task)[1].vectors
        for neuron in range(11):
            expected = (vectors[0][neuron][:, None] + vectors[1][neuron][None, :]) ** 2
            np.testing.assert_allclose(grid[neuron], expected, rtol=1e-4, atol=1e-6)
            spectrum = np.abs(np.fft.fft2(grid[neuron])) ** 2
            sigma = int(np.argmax(np.abs(np.fft.rfft(vectors[0][neuron]))))
            lattice = {0, sigma, n - sigma, 2 * sigma % n, -2 * sigma % n}
            outside = [spectrum[i, j] for i in range(n) for j in range(n) if not {i, j} <= lattice]
            assert max(outside) < 1e-6 * spectrum.max()


def test_operands_that_do_not_occur_have_a_place_all_the_same():
    inputs = torch.tensor([[a, b] for a in range(3) for b in range(4)])
    task = TableTask.from_arrays(inputs, inputs.sum(1) % 5, task="add", p=5)
    grid = on_grid(torch.arange(12.0)[:, None], task)[0]
    assert grid.shape == (5, 5)
    assert grid[2, 3] == 11
    assert np.isnan(grid[4]).all()
