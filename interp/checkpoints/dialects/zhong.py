"""Checkpoints of Zhong et al. (arXiv 2306.17844): transformers with an attention mixture, and linear models."""

from __future__ import annotations

from interp.checkpoints.dialect import (
    Dialect,
    Fact,
    Hints,
    Reading,
    activation_fact,
    coefficient_fact,
    fitting,
    setting,
    unfit,
)
from interp.checkpoints.dialects.nanda import OUTPUT_FIRST, ours
from interp.checkpoints.dialects.zhong_linear import LAYOUTS, linear_readings
from interp.checkpoints.networks import tokens_fact, transformer_readings
from interp.checkpoints.unwrap import StoredWeights

NAME = "zhong"


def readings(stored: StoredWeights, hints: Hints) -> list[Reading]:
    """Every way to read a file as one of these networks."""
    layout, sizes, problem = fitting(stored, OUTPUT_FIRST, *LAYOUTS.values())
    if layout is None:
        return unfit(stored, hints, NAME, problem)
    if layout is not OUTPUT_FIRST:
        model = next(name for name, known in LAYOUTS.items() if known is layout)
        return linear_readings(stored, hints, NAME, model, sizes["p"])
    signed = setting(stored, "eqn_sign")
    if sizes["T"] not in (2, 3) or (signed is not None and sizes["T"] != 2 + bool(signed)):
        expected = "2 or 3" if signed is None else 2 + bool(signed)
        problem = f"pos_embed.W_pos has {sizes['T']} positions; expected {expected}"
        return unfit(stored, hints, NAME, problem)
    weights = ours(stored.tensors)
    shifted = setting(stored, "diff_vocab")
    return transformer_readings(
        stored,
        hints,
        NAME,
        weights,
        tokens=tokens_fact(
            stored, hints, weights, shifted=(False, True) if shifted is None else (bool(shifted),)
        ),
        activation=activation_fact(stored, hints, ("relu", "gelu")),
        causal=Fact((False,)),  # the code behind arXiv 2306.17844 stores masks and never applies them
        attn_coeff=coefficient_fact(stored, hints, said=False),
    )


ZHONG = Dialect(
    NAME,
    "transformer over 'a b' or 'a b =' with an attention mixture, or linear model with one or two hidden layers",
    "arXiv 2306.17844",
    (OUTPUT_FIRST, *LAYOUTS.values()),
    readings,
)
