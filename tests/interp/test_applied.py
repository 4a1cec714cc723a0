"""Hooks and `with` blocks of one result give identical logits, and neither leaves anything behind."""

import numpy as np
import pytest
import torch
from torch import nn

from interp.errors import HookNameError, InterventionError
from interp.interventions import Edit, ablate, intervene, rescale
from interp.models import HookedMLP, MLPConfig, SmallTransformer, TransformerConfig, adopt
from interp.models.prompt import Prompt
from interp.modes import MODES, ActivityGain, Clamp, Patch, Resample, Scale, Zero

PAIRS = torch.cartesian_prod(torch.arange(5), torch.arange(5))
CHOSEN = np.array([4, 1])


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.cell, self.read = nn.Embedding(5, 6), nn.GRU(6, 8, batch_first=True), nn.Linear(8, 5)

    def forward(self, tokens):
        return self.read(self.cell(self.embed(tokens))[0][:, -1])


def _networks():
    torch.manual_seed(0)
    rnn = Recurrent().eval()
    convolution = nn.Sequential(
        nn.Embedding(5, 6), nn.Conv1d(2, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 5)
    )
    return {
        "mlp": (HookedMLP(MLPConfig(width=8, depth=2), vocab=5).eval(), "blocks.0.mlp.hook_post"),
        "transformer": (
            SmallTransformer(
                TransformerConfig(d_model=8, n_heads=2, d_mlp=8), 6, 5, Prompt.parse("a b =", p=5)
            ).eval(),
            "blocks.0.mlp.hook_post",
        ),
        "channels first": (adopt(convolution.eval(), ["1:output"]), "1:output"),
        "loop": (adopt(rnn, ["cell:hidden[0]"], example=PAIRS[:3]), "cell:hidden[0]"),
    }


NETWORKS = _networks()


def _states(model):
    """Everything that a hook could have been left in."""
    return [len(one._forward_hooks) + len(one._forward_pre_hooks) for one in model.modules()]


@pytest.mark.parametrize(
    "mode", [name + (f"={0.3}" if mode.argument else "") for name, mode in MODES.items()]
)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_mode_gives_the_logits_of_the_block(name, mode):
    model, hook = NETWORKS[name]
    result = ablate(model, CHOSEN, mode, site=hook, reference=PAIRS, seed=3)
    hooks_before, plain = _states(model), model(PAIRS)
    with result:
        inside = model(PAIRS)
    by_hooks = model.run_with_hooks(PAIRS, fwd_hooks=result.fwd_hooks())
    assert torch.equal(by_hooks, inside)
    assert not torch.equal(inside, plain)
    with model.hooks(fwd_hooks=result.fwd_hooks()) as hooked:
        assert torch.equal(hooked(PAIRS), inside)
    assert _states(model) == hooks_before
    assert torch.equal(model(PAIRS), plain)


INTERVENTIONS = {
    "clamp": Clamp(-0.1, 0.1),
    "state over steps": ActivityGain(2.0, decay=0.5),
    "patch by row": Patch(torch.linspace(-1, 1, 50).reshape(25, 2)),
}


@pytest.mark.parametrize("kind", INTERVENTIONS)
def test_interventions_without_a_name_do_so_too(kind):
    model, hook = NETWORKS["mlp"]
    result = intervene(model, Edit(hook, CHOSEN, INTERVENTIONS[kind]), Edit(hook, np.array([0]), Zero()))
    with result:
        inside = model(PAIRS)
    assert torch.equal(model.run_with_hooks(PAIRS, fwd_hooks=result.fwd_hooks()), inside)
    assert len(result.fwd_hooks()) == 1, "edits of one hook are one function, in their order"


@pytest.mark.parametrize("during", [None, "1-", "0"])
def test_state_and_steps_in_a_loop(during):
    model, hook = NETWORKS["loop"]
    result = intervene(model, Edit(hook, CHOSEN, ActivityGain(2.0, decay=0.5), during))
    with result:
        inside = [model(PAIRS), model(PAIRS)]
    with model.hooks(fwd_hooks=result.fwd_hooks()):
        assert all(torch.equal(model(PAIRS), one) for one in inside)
    assert not torch.equal(model(PAIRS), inside[0])


def test_draws_go_on_within_one_list_and_begin_anew_with_another():
    model, hook = NETWORKS["mlp"]
    reference = torch.arange(14.0).reshape(7, 2)
    result = intervene(model, Edit(hook, CHOSEN, Resample(reference, seed=3)))
    with result:
        first, second = model(PAIRS), model(PAIRS)
    hooks = result.fwd_hooks()
    again = [model.run_with_hooks(PAIRS, fwd_hooks=hooks) for _ in range(2)]
    assert torch.equal(again[0], first)
    assert torch.equal(again[1], second)
    assert not torch.equal(first, second)
    assert torch.equal(model.run_with_hooks(PAIRS, fwd_hooks=result.fwd_hooks()), first)


def test_one_position_only():
    model, hook = NETWORKS["transformer"]
    result = intervene(model, Edit(f"{hook}@0", CHOSEN, Scale(5.0)))
    with result:
        inside = model(PAIRS)
    assert [name for name, _ in result.fwd_hooks()] == [hook]
    assert torch.equal(model.run_with_hooks(PAIRS, fwd_hooks=result.fwd_hooks()), inside)
    with rescale(model, CHOSEN, 5.0, site=hook):
        assert not torch.equal(model(PAIRS), inside)


def test_an_error_in_the_forward_pass_leaves_no_hooks():
    model, hook = NETWORKS["mlp"]
    result = intervene(model, Edit(hook, CHOSEN, Patch(torch.zeros(3, 3))))
    before = _states(model)
    with pytest.raises(InterventionError, match="the patch has shape"):
        model.run_with_hooks(PAIRS, fwd_hooks=result.fwd_hooks())
    with pytest.raises(InterventionError, match="the patch has shape"), result:
        model(PAIRS)
    assert _states(model) == before


def test_blocks_of_one_result_nest_and_undo():
    model, hook = NETWORKS["mlp"]
    plain, result = model(PAIRS), rescale(model, CHOSEN, 0.5, site=hook)
    with result:
        once = model(PAIRS)
        with result:
            twice = model(PAIRS)
        assert torch.equal(model(PAIRS), once)
    assert torch.equal(model(PAIRS), plain)
    with rescale(model, CHOSEN, 0.25, site=hook):
        torch.testing.assert_close(model(PAIRS), twice)


def test_mistakes_are_errors_before_any_pass():
    model, hook = NETWORKS["mlp"]
    with pytest.raises(HookNameError, match="no hook 'other'"):
        intervene(model, Edit("other", CHOSEN, Zero())).fwd_hooks()
    with pytest.raises(InterventionError, match="leave out during"):
        intervene(model, Edit(hook, CHOSEN, Zero(), "1-")).fwd_hooks()
