"""Every intervention against its result made by hand, and baked weights against hooks."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch

from interp.data import ModularTask
from interp.errors import HookNameError, InterventionError
from interp.hooks import capture
from interp.interventions import Edit, ablate, bake, edit_from_mode, intervene, neuron_indices, rescale
from interp.models import HookedMLP, MLPConfig, neuron_site
from interp.modes import Clamp, Patch, Resample, Scale, Zero, make_intervention
from interp.scoring.table import NeuronTable

POST, POST_1 = "blocks.0.mlp.hook_post", "blocks.1.mlp.hook_post"
CHOSEN = np.array([4, 1])
TASK = ModularTask("add", 5)


def read(model: HookedMLP, inputs: torch.Tensor, hook: str, *edits: Edit) -> np.ndarray:
    """Activations at a hook while edits are in force."""
    with intervene(model, *edits):
        return capture(model, inputs, hook)[hook].double().numpy()


INTERVENTIONS = {
    "zero": (Zero(), lambda x: np.zeros_like(x)),
    "half": (Scale(0.5), lambda x: x / 2),
    "negated": (Scale(-2.0), lambda x: -2 * x),
    "low": (Clamp(low=0.3), lambda x: np.maximum(x, 0.3)),
    "high": (Clamp(high=0.3), lambda x: np.minimum(x, 0.3)),
    "both": (Clamp(-0.1, 0.3), lambda x: np.minimum(np.maximum(x, -0.1), 0.3)),
    "patch": (Patch(torch.tensor([3.0, -1.0])), lambda x: np.tile([3.0, -1.0], (len(x), 1))),
    "mean": (
        make_intervention("mean", torch.tensor([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]])),
        lambda x: np.tile([3.0, 30.0], (len(x), 1)),
    ),
    "patch by row": (
        Patch(torch.arange(50.0).reshape(25, 2)),
        lambda x: np.arange(50.0).reshape(25, 2),
    ),
}


@pytest.mark.parametrize("kind", INTERVENTIONS)
def test_interventions_equal_their_definition(mlp, pairs, kind):
    intervention, by_hand = INTERVENTIONS[kind]
    plain = read(mlp, pairs, POST, Edit(POST, np.array([0]), Scale(1.0)))
    expected = plain.copy()
    expected[:, CHOSEN] = by_hand(plain[:, CHOSEN])
    edit = Edit(POST, CHOSEN, intervention)
    np.testing.assert_allclose(read(mlp, pairs, POST, edit), expected, rtol=1e-6)
    np.testing.assert_array_equal(read(mlp, pairs, POST, edit), read(mlp, pairs, POST, edit))
    with intervene(mlp, edit):
        logits = mlp(pairs)
    activations = torch.tensor(expected, dtype=torch.float32)
    torch.testing.assert_close(logits, mlp.prefix(POST, pairs).logits(activations))
    np.testing.assert_array_equal(capture(mlp, pairs, POST)[POST], plain.astype(np.float32))


@pytest.mark.parametrize(("kind", "scale", "shift"), [
    ("zero", 0, 0), ("half", 0.5, 0), ("negated", -2, 0), ("patch", 0, [3, -1]), ("mean", 0, [3, 30]),
    ("low", None, None), ("both", None, None), ("patch by row", None, None),
])  # fmt: skip
def test_affine_forms(kind, scale, shift):
    affine = INTERVENTIONS[kind][0].affine()
    if scale is None:
        assert affine is None
        return
    assert affine[0] == scale
    assert np.array_equal(affine[1], shift)


def test_activations_with_more_axes():
    x = torch.arange(24.0).reshape(2, 3, 4)
    assert torch.equal(Patch(torch.tensor([1.0, 2, 3, 4])).start()(x)[1, 2], torch.tensor([1.0, 2, 3, 4]))
    assert torch.equal(Patch(x + 1).start()(x), x + 1)
    np.testing.assert_allclose(make_intervention("mean", x).values, x.numpy().mean(0))
    assert torch.equal(Scale(2).start()(x), 2 * x)


def test_resampling_takes_whole_rows_of_the_reference(mlp, pairs):
    reference = torch.arange(14.0).reshape(7, 2) + 100
    got = read(mlp, pairs, POST, Edit(POST, CHOSEN, Resample(reference, seed=3)))[:, CHOSEN]
    rows = {tuple(row) for row in reference.tolist()}
    assert {tuple(row) for row in got.tolist()} <= rows
    assert len({tuple(row) for row in got.tolist()}) > 4


def test_resampling_is_decided_by_its_seed_and_uniform():
    reference = torch.arange(10.0)[:, None]
    first, again, other = (Resample(reference, seed).start()(torch.zeros(5000, 1)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    counts = torch.bincount(first[:, 0].long(), minlength=10)
    assert (counts - 500).abs().max() < 100
    torch.manual_seed(0)
    state = torch.get_rng_state()
    Resample(reference).start()(torch.zeros(5, 1))
    assert torch.equal(torch.get_rng_state(), state)


def test_resampling_draws_anew_in_every_forward_pass_and_repeats_when_entered_again(mlp, pairs):
    edit = Edit(POST_1, CHOSEN, Resample(torch.randn(40, 2), seed=0))
    runs = []
    for _ in range(2):
        with intervene(mlp, edit):
            runs.append([mlp(pairs), mlp(pairs)])
    assert not torch.equal(runs[0][0], runs[0][1])
    assert torch.equal(runs[0][0], runs[1][0])
    assert torch.equal(runs[0][1], runs[1][1])


def test_edits_act_in_the_order_given(mlp, pairs):
    one, two = np.array([1]), np.array([1, 2])
    x = read(mlp, pairs, POST, Edit(POST, one, Scale(1.0)))
    patch, scale = Edit(POST, one, Patch(torch.tensor([3.0]))), Edit(POST, two, Scale(2.0))
    first, second = x.copy(), x.copy()
    first[:, 1], first[:, 2] = 6, 2 * x[:, 2]
    second[:, 1], second[:, 2] = 3, 2 * x[:, 2]
    np.testing.assert_allclose(read(mlp, pairs, POST, patch, scale), first)
    np.testing.assert_allclose(read(mlp, pairs, POST, scale, patch), second)
    with intervene(mlp, patch), intervene(mlp, scale):
        np.testing.assert_allclose(capture(mlp, pairs, POST)[POST], first, rtol=1e-6)
    at_both = [Edit(POST, one, Zero()), Edit(POST_1, one, Zero())]
    np.testing.assert_array_equal(read(mlp, pairs, POST_1, *at_both)[:, 1], 0)
    np.testing.assert_array_equal(read(mlp, pairs, POST, *at_both)[:, 1], 0)


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        (torch.zeros(3), r"\(3,\)"),
        (torch.zeros(1), r"\(1,\)"),
        (torch.zeros(24, 2), r"\(24, 2\)"),
        (torch.zeros(1, 2), r"\(1, 2\)"),
        (torch.zeros(25, 1), r"\(25, 1\)"),
        (torch.zeros(25, 1, 2), r"\(25, 1, 2\)"),
        (torch.zeros(()), r"\(\)"),
    ],
)
def test_patches_of_a_wrong_shape_are_named(mlp, pairs, values, shape):
    with (
        pytest.raises(
            InterventionError, match=rf"patch has shape {shape} but the neurons have \(25, 2\); give one"
        ),
        intervene(mlp, Edit(POST, CHOSEN, Patch(values))),
    ):
        mlp(pairs)


def test_a_patch_by_row_needs_exactly_its_examples(mlp, pairs):
    edit = Edit(POST, CHOSEN, Patch(torch.zeros(25, 2)))
    with (
        intervene(mlp, edit),
        pytest.raises(InterventionError, match=r"\(25, 2\) but the neurons have \(10, 2\)"),
    ):
        mlp(pairs[:10])


@pytest.mark.parametrize("shape", [(4, 1), (4, 3), (0, 2)])
def test_references_of_a_wrong_shape_are_intervention_errors(mlp, pairs, shape):
    with pytest.raises(InterventionError), intervene(mlp, Edit(POST, CHOSEN, Resample(torch.zeros(shape)))):
        mlp(pairs)


def test_an_empty_clamp_is_an_error(mlp):
    with (
        pytest.raises(InterventionError, match="low, high or both"),
        intervene(mlp, Edit(POST, CHOSEN, Clamp())),
    ):
        pass


def table(*neurons: int, site: str = POST_1) -> NeuronTable:
    """Rows of a table of neurons."""
    return NeuronTable({"neuron": np.array(neurons, dtype=int), "ipr": np.zeros(len(neurons))}, site)


@pytest.mark.parametrize(
    ("neurons", "expected"),
    [
        (3, [3]),
        (np.int64(3), [3]),
        ([4, 0], [4, 0]),
        ((4, 0), [4, 0]),
        (range(2, 5), [2, 3, 4]),
        (np.array([5, 2], dtype=np.uint8), [5, 2]),
        (torch.tensor([5, 2]), [5, 2]),
        ([False, True, True, False, False, True], [1, 2, 5]),
        (np.zeros(6, bool), []),
        (torch.tensor([1, 0, 0, 0, 0, 1]).bool(), [0, 5]),
        ([], []),
        (table(5, 0), [5, 0]),
        (table(3, 4, 5).where(np.array([True, False, True])), [3, 5]),
        (table(), []),
    ],
)
def test_ways_to_name_neurons(neurons, expected):
    got = neuron_indices(neurons, 6)
    assert got.tolist() == expected
    assert got.dtype == np.int64


@pytest.mark.parametrize(
    ("neurons", "message"),
    [
        (6, "neuron 6 does not exist; the site has neurons 0 to 5"),
        ([0, -1], "neuron -1 does not exist"),
        ([0, 99, 100], "neuron 99 does not exist"),
        ([1, 2, 1], "named twice"),
        (table(2, 2), "named twice"),
        (table(2, 7), "neuron 7 does not exist"),
        ([True, False], r"mask has shape \(2,\); the site has 6 neurons"),
        (np.ones((6, 1), bool), r"mask has shape \(6, 1\)"),
        ([1.0, 2.0], r"neurons=\[1.0, 2.0\] are no neurons; expected indices, a boolean mask"),
        ("all", "'all' is no neuron; expected indices and ranges such as 3,5-9"),
        (None, "neurons=None are no neurons"),
        ([[0, 1], [2, 3]], "are no neurons"),
        ([[0], [1, 2]], "are no neurons"),
        ({1, 2}, r"neurons=\{1, 2\} are no neurons"),
        ([2**70], "are no neurons"),
    ],
)  # fmt: skip
def test_neurons_that_do_not_exist_are_named(neurons, message, mlp):
    with pytest.raises(InterventionError, match=message):
        neuron_indices(neurons, 6)
    with pytest.raises(InterventionError, match=message), ablate(mlp, neurons):
        pass


@pytest.mark.parametrize("neurons", [[1, 4], (1, 4), [False, True, False, False, True, False], table(1, 4)])
def test_ablating(mlp, pairs, neurons):
    acts = capture(mlp, pairs, POST_1)[POST_1]
    acts[:, [1, 4]] = 0
    before = mlp(pairs)
    with ablate(mlp, neurons) as inside:
        assert inside is mlp
        torch.testing.assert_close(mlp(pairs), acts @ mlp.unembed.weight)
    assert torch.equal(mlp(pairs), before)


def test_the_site_is_the_tables_or_the_last_or_the_one_named(mlp, pairs):
    for neurons, site, expected in (
        ([0], None, POST_1), (table(0), None, POST_1), (table(0, site=POST), None, POST),
        (table(0, site=POST), POST_1, POST_1), ([0], POST, POST),
    ):  # fmt: skip
        assert edit_from_mode(mlp, neurons, "zero", site=site).hook == expected
    with pytest.raises(HookNameError, match=r"no neurons at 'blocks.0.mlp.hook_pots'; did you mean"), \
            ablate(mlp, [0], site="blocks.0.mlp.hook_pots"):  # fmt: skip
        pass
    with (
        pytest.raises(HookNameError, match=r"blocks.9"),
        ablate(mlp, table(0, site="blocks.9.mlp.hook_post")),
    ):
        pass


@pytest.mark.parametrize("hook", [POST, POST_1])
@pytest.mark.parametrize(
    "reference", [TASK, TASK.dataset, TASK.dataset.inputs], ids=lambda r: type(r).__name__
)
def test_mean_ablation_measures_the_reference(mlp, pairs, hook, reference):
    acts = capture(mlp, TASK.dataset.inputs, hook)[hook]
    acts[:, CHOSEN] = acts[:, CHOSEN].mean(0)
    expected = mlp.prefix(hook, pairs).logits(acts)
    mlp.train()
    with ablate(mlp, CHOSEN, "mean", site=hook, reference=reference):
        torch.testing.assert_close(mlp(pairs), expected)
    assert mlp.training


def test_resample_ablation_draws_from_the_reference(mlp, pairs):
    reference = torch.tensor([[0, 1], [2, 3]])
    rows = capture(mlp, reference, POST_1)[POST_1][:, CHOSEN]
    results = []
    for seed in (0, 0, 1):
        with ablate(mlp, CHOSEN, "resample", reference=reference, seed=seed):
            results.append(capture(mlp, pairs, POST_1)[POST_1][:, CHOSEN])
    assert {tuple(row) for row in results[0].tolist()} == {tuple(row) for row in rows.tolist()}
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize("factor", [2, 0.5, -1.5, 0, 1e-7, np.float64(0.1)], ids=repr)
def test_rescaling(mlp, pairs, factor):
    acts = capture(mlp, pairs, POST_1)[POST_1]
    acts[:, CHOSEN] *= float(factor)
    with rescale(mlp, CHOSEN, factor):
        torch.testing.assert_close(mlp(pairs), acts @ mlp.unembed.weight)
    with rescale(mlp, table(*CHOSEN, site=POST), 0.0, site=POST):
        assert not capture(mlp, pairs, POST)[POST][:, CHOSEN].any()


def test_interventions_by_name():
    acts = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    assert make_intervention("zero", None) == Zero()
    assert make_intervention("scale=-.25", None) == Scale(-0.25)
    assert make_intervention("mean", acts).values.tolist() == [2, 4]
    resample = make_intervention("resample", acts, seed=5)
    assert (resample.activations is acts, resample.seed) == (True, 5)
    for mode, message in (
        ("scale=", "mode 'scale=' has no number after 'scale='"),
        ("scale=two", "mode 'scale=two' has no number"),
        ("zeros", "unknown mode 'zeros'; expected zero, mean, resample or scale=FACTOR"),
        ("", "unknown mode ''"),
        ("mean", "mean ablation needs reference examples"),
        ("resample", "resample ablation needs reference examples"),
    ):
        with pytest.raises(InterventionError, match=message):
            make_intervention(mode, None)


def test_modes_that_need_a_reference_say_so(mlp):
    with (
        pytest.raises(InterventionError, match="mean ablation needs reference examples"),
        ablate(mlp, [0], "mean"),
    ):
        pass
    with (
        pytest.raises(InterventionError, match="unknown mode 'man'"),
        ablate(mlp, [0], "man", reference=TASK),
    ):
        pass


@pytest.mark.parametrize("neurons", [[0, 99], [-7]])
def test_an_edit_of_neurons_that_do_not_exist_is_an_intervention_error(mlp, pairs, neurons):
    edit = Edit(POST, np.array(neurons), Zero())
    with pytest.raises(InterventionError, match=f"neuron {neurons[-1]} does not exist"), intervene(mlp, edit):
        mlp(pairs)
    with pytest.raises(InterventionError, match=f"neuron {neurons[-1]} does not exist"):
        bake(mlp, edit)


def test_an_edit_elsewhere_is_an_error(mlp):
    with (
        pytest.raises(HookNameError, match=r"did you mean 'blocks.0.mlp.hook_post'"),
        intervene(mlp, Edit("blocks.0.mlp.hook_pst", CHOSEN, Zero())),
    ):
        pass


def sites_of(model: HookedMLP) -> list[str]:
    return [site.hook for site in model.neuron_sites()]


def test_baking_zero_gives_the_very_same_logits(any_mlp, pairs):
    for hook in sites_of(any_mlp):
        for neurons in ([4, 1], [0], list(range(6)), []):
            edit = Edit(hook, np.array(neurons, dtype=int), Zero())
            with intervene(any_mlp, edit):
                expected = any_mlp(pairs)
            baked = bake(any_mlp, edit)
            assert torch.equal(baked(pairs), expected), (hook, neurons)
            assert baked.config == any_mlp.config


def test_baking_equals_the_hook_and_leaves_the_original(any_mlp, pairs):
    before, precise = {k: v.clone() for k, v in any_mlp.state_dict().items()}, copy.deepcopy(any_mlp).double()
    for hook in sites_of(any_mlp):
        for kind in ("half", "negated", "patch", "mean"):
            edit = Edit(hook, CHOSEN, INTERVENTIONS[kind][0])
            with intervene(precise, edit):
                expected = precise(pairs)
            torch.testing.assert_close(bake(precise, edit)(pairs), expected, rtol=1e-12, atol=1e-12)
            baked = bake(any_mlp, edit)
            size = expected.abs().max().item()
            torch.testing.assert_close(baked(pairs).double(), expected, rtol=1e-5, atol=1e-6 * size)
            assert baked.config.bias == (any_mlp.config.bias or kind in ("patch", "mean"))
            assert not baked.training
    for name, value in any_mlp.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_baking_a_mean_gives_the_papers_network_a_bias(pairs):
    model = HookedMLP(MLPConfig(width=6), 5)
    acts = capture(model, pairs, POST)[POST]
    baked = bake(model, Edit(POST, CHOSEN, make_intervention("mean", acts[:, CHOSEN])))
    assert model.unembed.bias is None
    expected = acts[:, CHOSEN].double().mean(0) @ model.unembed.weight[CHOSEN].double()
    torch.testing.assert_close(baked.unembed.bias.double(), expected, rtol=1e-6, atol=1e-7)
    assert not baked.embed.b_E.any()


@pytest.mark.parametrize(
    "kinds", list(pairwise(["zero", "half", "patch", "negated", "mean", "half"])), ids="-".join
)
def test_baking_several_edits_keeps_their_order(mlp, pairs, kinds):
    edits = [
        Edit(POST_1, CHOSEN, INTERVENTIONS[kinds[0]][0]),
        Edit(POST, CHOSEN, INTERVENTIONS[kinds[0]][0]),
        Edit(POST_1, np.array([1, 5]), INTERVENTIONS[kinds[1]][0]),
        Edit(POST, np.array([1, 5]), INTERVENTIONS[kinds[1]][0]),
    ]
    with intervene(mlp, *edits):
        expected = mlp(pairs)
    torch.testing.assert_close(bake(mlp, *edits)(pairs), expected, rtol=1e-5, atol=1e-5)


def test_baking_nothing_is_a_copy(mlp, pairs):
    baked = bake(mlp)
    assert baked is not mlp
    assert torch.equal(baked(pairs), mlp(pairs))


@pytest.mark.parametrize(
    ("intervention", "name"),
    [(Resample(torch.zeros(4, 2)), "resample"), (Clamp(0, 1), "clamp"), (Patch(torch.zeros(25, 2)), "patch")],
)
def test_what_depends_on_the_input_cannot_be_baked(mlp, intervention, name):
    with pytest.raises(
        InterventionError,
        match=f"^{name} depends on the input or its position, so weights cannot express it; zero, scale",
    ):
        bake(mlp, Edit(POST, CHOSEN, intervention))


@pytest.mark.parametrize("values", [torch.zeros(1), torch.zeros(3), torch.zeros(())])
def test_a_patch_of_a_wrong_length_cannot_be_baked(mlp, values):
    with pytest.raises(InterventionError, match="shape"):
        bake(mlp, Edit(POST, CHOSEN, Patch(values)))


def test_only_neurons_can_be_baked(mlp):
    with pytest.raises(HookNameError, match=r"no neurons at 'blocks.0.mlp.hook_pre'"):
        bake(mlp, Edit("blocks.0.mlp.hook_pre", CHOSEN, Zero()))


@pytest.mark.parametrize("kind", ["zero", "patch"])
def test_a_baked_copy_has_no_hooks(mlp, pairs, kind):
    """What holds for a while must not become part of the copy for good."""
    edit = Edit(POST_1, CHOSEN, INTERVENTIONS[kind][0])
    expected = bake(mlp, edit)(pairs)
    with ablate(mlp, [0, 2]):
        baked = bake(mlp, edit)
    assert [name for name, module in baked.named_modules() if module._forward_hooks] == []
    assert torch.equal(baked(pairs), expected)


@pytest.mark.parametrize("kind", ["zero", "half", "patch"])
def test_baking_keeps_double_precision(mlp, pairs, kind):
    mlp.double()
    for value in mlp.parameters():
        value.data.add_(1e-9)  # no longer a single-precision number
    edit = Edit(POST, CHOSEN, INTERVENTIONS[kind][0])
    with intervene(mlp, edit):
        expected = mlp(pairs)
    torch.testing.assert_close(bake(mlp, edit)(pairs), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("frozen", [("embed",), ("embed", "blocks", "unembed"), ()], ids=str)
def test_frozen_weights_and_no_others_stay_frozen_in_a_baked_copy(mlp, frozen):
    for name in frozen:
        getattr(mlp, name).requires_grad_(False)
    for kind in ("zero", "patch"):
        for name, parameter in bake(mlp, Edit(POST_1, CHOSEN, INTERVENTIONS[kind][0])).named_parameters():
            if name in dict(mlp.named_parameters()):
                assert parameter.requires_grad != name.startswith(frozen), (kind, name)


def test_training_through_an_intervention_reaches_only_the_other_neurons(mlp, pairs):
    with ablate(mlp, CHOSEN):
        mlp(pairs).square().sum().backward()
    gradient = mlp.unembed.weight.grad
    assert not gradient[CHOSEN].any()
    assert gradient[0].any()
    assert neuron_site(mlp).readout.requires_grad
