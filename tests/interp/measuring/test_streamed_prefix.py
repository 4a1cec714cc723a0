"""A forward pass that is run again for the examples that are asked for: what it gives is what is held elsewhere."""

import pytest
import torch

from interp.data import ModularTask
from interp.measuring.logits import whole_of
from interp.measuring.streamed_prefix import StreamedPrefix, streamed_change
from interp.models import Prompt, SmallTransformer, TransformerConfig, analytic_mlp, prefix_at
from interp.modes import make_intervention

P = 7
TASK = ModularTask("add", P)
MODELS = {
    "blocks.0.mlp.hook_post": lambda: analytic_mlp("add", p=P, width=12),
    "blocks.0.mlp.hook_post@1": lambda: SmallTransformer(
        TransformerConfig(d_model=8, n_heads=2, d_head=4, d_mlp=6), P + 1, P, Prompt.parse("a b =", p=P)
    ),
    "blocks.0.attn.hook_z": lambda: SmallTransformer(
        TransformerConfig(d_model=8, n_heads=2, d_head=4, d_mlp=6, n_layers=2),
        P + 1,
        P,
        Prompt.parse("a b =", p=P),
    ),
}


@pytest.mark.parametrize("mode", ["zero", "mean", "resample", "scale=0.5"])
@pytest.mark.parametrize("hook", MODELS)
def test_activations_logits_and_changes_are_those_of_all_examples_at_once(hook: str, mode: str) -> None:
    model, inputs = MODELS[hook]().eval(), TASK.dataset.inputs
    with torch.no_grad():
        held = prefix_at(model, hook, inputs)
        change = (
            make_intervention(mode, held.activations, seed=3).start()(held.activations) - held.activations
        )
    streamed = StreamedPrefix(model, hook, inputs)
    rows = torch.tensor([5, 0, 48, 5])
    torch.testing.assert_close(whole_of(streamed.activations), held.activations)
    torch.testing.assert_close(streamed.logits(rows=rows), held.logits(rows=rows))
    assert streamed.has_positions == held.has_positions
    moved = streamed_change(mode, streamed.activations, seed=3)
    torch.testing.assert_close(whole_of(moved), change, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(moved[rows], change[rows], atol=1e-5, rtol=1e-5)
    some, shift = torch.tensor([0, 1]), change[rows][..., [0, 1]]
    torch.testing.assert_close(
        streamed.logits_shifted(some, shift, rows),
        held.logits_shifted(some, shift, rows),
        atol=1e-5,
        rtol=1e-5,
    )
    changed = held.activations[rows] + change[rows]
    torch.testing.assert_close(
        streamed.logits(changed, rows), held.logits(changed, rows), atol=1e-5, rtol=1e-5
    )
