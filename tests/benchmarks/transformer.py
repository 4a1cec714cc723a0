"""What an audit measures of 512-neuron transformers with p=113, beside other people's ways."""

from __future__ import annotations

import numpy as np
from peers import SITE, curve_peers, effect_peers, forward_of
from timing import Contest, Line, Peer

from interp.data import ModularTask
from interp.measuring.cached_pass import cached_pass
from interp.measuring.curves import measure_curve
from interp.measuring.effects import single_effects
from interp.models import Prompt, SmallTransformer, TransformerConfig

TASK = ModularTask("add", 113, train_fraction=0.3, corrupt_fraction=0.1, corrupt="wrong")
WIDTH, SOME = 512, 4
SHAPES = {
    "one-layer": {},
    "one-layer, with norms": {"norm": "layer", "bias": True},
    "two-layer": {"n_layers": 2},
    "two-layer, with norms": {"n_layers": 2, "norm": "layer", "bias": True},
}


def network(shape: str) -> SmallTransformer:
    config = TransformerConfig(causal=True, **SHAPES[shape])
    return SmallTransformer(config, 114, 113, Prompt.parse("a b =", p=113)).eval()


def effects(shape: str, least: float) -> Contest:
    """Effects of the first layer's neurons on accuracies and margins of every split; peers measure one accuracy."""
    model = network(shape)
    state = cached_pass(model, TASK, site=SITE)
    own = {"forward passes": Peer(lambda: forward_of(model, TASK))}
    return Contest(lambda: single_effects(state), {**own, **effect_peers(model, TASK, SOME, WIDTH, least)})


def curve(shape: str, least: float) -> Contest:
    """All cumulative removals, on every split; peers measure one accuracy."""
    model = network(shape)
    state, order = cached_pass(model, TASK, site=SITE), np.arange(WIDTH)
    own = {"forward passes": Peer(lambda: forward_of(model, TASK))}
    peers = {**own, **curve_peers(model, TASK, SOME, WIDTH, least)}
    return Contest(lambda: measure_curve(state, order, n_random=0), peers)


ONE, TWO = "one-layer transformer, p=113", "first of two layers, p=113"
LINES = {
    "effects-transformer": Line(f"effects of {WIDTH} neurons, {ONE}", lambda: effects("one-layer", 50)),
    "curve-transformer": Line(f"curve of {WIDTH + 1} steps, {ONE}", lambda: curve("one-layer", 100)),
    "effects-norms": Line(
        f"effects of {WIDTH} neurons, {ONE}, with norms", lambda: effects("one-layer, with norms", 10)
    ),
    "effects-two-layer": Line(f"effects of {WIDTH} neurons, {TWO}", lambda: effects("two-layer", 10)),
    "effects-two-layer-norms": Line(
        f"effects of {WIDTH} neurons, {TWO}, with norms", lambda: effects("two-layer, with norms", 10)
    ),
    "curve-two-layer": Line(f"curve of {WIDTH + 1} steps, {TWO}", lambda: curve("two-layer", 10)),
}
