"""Readings of weights that already have our names, as perceptrons and transformers: one for each thing left open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from interp.checkpoints.dialect import Fact, ForeignFile, Reading, combinations
from interp.checkpoints.table_prompts import check_operands, stated_prompt
from interp.data.operations import is_prime
from interp.errors import CheckpointError, ConfigError
from interp.models import HookedMLP, MLPConfig, Prompt, SmallTransformer, TransformerConfig
from interp.models.bridge_names import from_bridge_names, is_bias, to_bridge_names

MOST = 12  # readings of a file that are tried; each costs a network and a forward pass over all pairs


def mlp_readings(
    file: ForeignFile,
    weights: Mapping[str, Tensor],
    *,
    p: int,
    activation: Fact[str],
    note: str = "",
    **settings: Any,
) -> list[Reading]:
    """Readings as a `HookedMLP`, one for each activation.

    Args:
        weights: Under the names of a `HookedMLP`; biases that are missing are 0.
        p: The modulus that the shapes show: as many values of an operand, and as many outputs.
        note: Added to the description of the network.
        settings: Other fields of `MLPConfig`.

    Raises:
        ConfigError: The user gave another modulus.
    """
    check_operands(file.options)
    modulus, operation = file.modulus_of_shape(p), file.operation()
    settings["width"] = weights["embed.W_E"].shape[2]
    settings["bias"] = any(name.rsplit(".", 1)[-1].startswith("b_") for name in weights)
    readings = []
    for chosen, assumed in combinations(activation=activation, operation=operation):
        config = MLPConfig(activation=chosen["activation"], **settings)
        norm = "" if config.norm == "none" else f", {config.norm} norm"
        description = f"{file.dialect}: {config.activation} MLP of {config.depth} layers{norm}{note}"
        build = partial(_build_mlp, config, p, weights)
        notes = (*activation.notes, *operation.notes, *modulus.notes)
        readings.append(Reading(file.dialect, p, chosen["operation"], description, assumed, build, notes))
    return readings


def _build_mlp(config: MLPConfig, p: int, weights: Mapping[str, Tensor]) -> HookedMLP:
    model = HookedMLP(config, vocab=p)
    biases = {name: tensor for name, tensor in model.state_dict().items() if is_bias(name)}
    model.load_state_dict(biases | dict(weights))
    return model.eval()


@dataclass(frozen=True)
class Tokens:
    """A prompt as in `Prompt.parse`, with fixed tokens as numbers, and the number of values of an operand."""

    text: str
    p: int

    def __str__(self) -> str:
        return repr(self.text)


def tokens_of(
    file: ForeignFile,
    weights: Mapping[str, Tensor],
    *,
    shifted: tuple[bool, ...] = (False,),
    equals_last: bool = True,
    unsigned: bool = False,
) -> Fact[Tokens]:
    """The ways in which operands can become tokens, given the tokens, positions and outputs of a transformer.

    Two positions are ``a b``, three ``a b =``, four ``a ∘ b =``.

    Args:
        shifted: True where the second operand has tokens of its own, ``b+p``; the more plausible first.
        equals_last: Let ``=`` be the last token, if that is not the first one free.
        unsigned: Let all tokens be operands although there is a position left for ``=``.

    Raises:
        ConfigError: The user gave a modulus that the network cannot have.
    """
    vocab, n_ctx = len(weights["embed.W_E"]), len(weights["pos_embed.W_pos"])
    n_outputs = weights["unembed.W_U"].shape[1]

    def fitting(p: int | None) -> tuple[Tokens, ...]:
        every = (
            Tokens(text, modulus)
            for shift in shifted
            for modulus in _moduli(p, vocab, n_ctx, n_outputs, shift=shift, unsigned=unsigned)
            for text in _prompts(modulus, vocab, n_ctx, shift=shift, equals_last=equals_last)
            if modulus <= n_outputs
        )
        return tuple(dict.fromkeys(every))

    given, stored = file.options.p, file.stored_modulus()
    modulus = (
        given or stored or (n_outputs if file.options.table else _moduli(None, vocab, n_ctx, n_outputs)[0])
    )
    if (text := stated_prompt(file.options, n_ctx, modulus)) is not None:
        return Fact((Tokens(text, n_outputs if file.options.table else modulus),))
    tokens = () if given is None and stored is None else fitting(stored if given is None else given)
    note = f"the file's settings say p={stored}, which their shapes do not allow"
    noted = not tokens
    if given is None and tokens and (others := _without(fitting(None), stored)) is not None:
        both = (*tokens, *others)
        note = f"the file's settings say p={stored}, and its shapes rather {others[0].p}: each is measured"
        return Fact(both, known=len(tokens) == 1, notes=(note,))
    if given is not None:
        if not tokens:
            raise ConfigError(
                f"p={given} was given, but the network in {str(file.stored.path)!r} has {vocab} tokens, {n_ctx} "
                f"positions and {n_outputs} outputs"
            )
        note = f"p={given} was given; the file's settings say {stored}"
        noted = stored != given
    tokens = tokens or fitting(None)
    return Fact(tokens, known=len(tokens) == 1, notes=(note,) if noted and stored is not None else ())


def _without(natural: tuple[Tokens, ...], p: int | None) -> tuple[Tokens, ...] | None:
    """The prompts that a network's shapes alone give it, if none of them has the modulus p."""
    return natural if natural and all(tokens.p != p for tokens in natural) else None


def _moduli(
    p: int | None, vocab: int, n_ctx: int, n_outputs: int, *, shift: bool = False, unsigned: bool = False
) -> list[int]:
    """Moduli that a network can have: the one that is known, or what its tokens and outputs leave; primes first."""
    if p is not None:
        return [p]
    if n_outputs < vocab:
        return [n_outputs]
    free = vocab - max(0, min(n_ctx, 4) - 2)  # without the tokens for = and the operation
    if shift:
        return [free // 2] if free % 2 == 0 else []
    moduli = [free, vocab] if unsigned else [free]
    return sorted(dict.fromkeys(moduli), key=lambda m: not is_prime(m))


def _prompts(p: int, vocab: int, n_ctx: int, *, shift: bool, equals_last: bool) -> Iterator[str]:
    """Prompts whose tokens the network has, the most plausible first."""
    free = 2 * p if shift else p
    second = f"b+{p}" if shift else "b"
    if p < 1 or free > vocab or n_ctx < 2:
        return
    if n_ctx == 2 or vocab == free:
        yield f"a {second}"
    elif n_ctx == 4 and vocab >= free + 2:
        yield f"a {free} {second} {free + 1}"
        yield f"a {free + 1} {second} {free}"
    else:
        yield f"a {second} {free}"
        if equals_last and vocab - 1 > free:
            yield f"a {second} {vocab - 1}"


def transformer_readings(
    file: ForeignFile,
    weights: Mapping[str, Tensor],
    *,
    tokens: Fact[Tokens],
    activation: Fact[str],
    causal: Fact[bool],
    attn_coeff: Fact[float],
    norm: Fact[str] | None = None,
    n_heads: Fact[int] | None = None,
) -> list[Reading]:
    """Readings as a transformer, for every combination of what nothing states: the `MOST` most plausible.

    Args:
        weights: Under the names and in the layout of a `SmallTransformer`.
        n_heads: Heads that share a matrix, if the shapes do not say it; `weights` are then those of a single one.
    """
    facts: dict[str, Fact[Any]] = {
        "tokens": tokens,
        "activation": activation,
        "norm": norm or Fact(("none",)),
        "causal": causal,
        "attn_coeff": attn_coeff,
        "operation": file.operation(),
        "n_heads": n_heads or Fact((0,)),
    }
    notes = tuple(note for fact in facts.values() for note in fact.notes)
    by_heads = {0: weights}
    if n_heads is not None:
        by_heads = {n: from_bridge_names(to_bridge_names(weights), n) for n in n_heads.values}

    def reading_of(
        chosen: Mapping[str, Any], assumed: tuple[str, ...], coefficient: float | None = None
    ) -> Reading:
        p, grouped = chosen["tokens"].p, by_heads[chosen["n_heads"]]
        config = _config(grouped, chosen if coefficient is None else {**chosen, "attn_coeff": coefficient})
        prompt = Prompt.parse(chosen["tokens"].text, p=p)
        described = _described(config, prompt) + ("" if n_heads is None else f", {config.n_heads} heads")
        build = partial(build_transformer, config, prompt, p, grouped)
        return Reading(
            file.dialect,
            p,
            chosen["operation"],
            f"{file.dialect}: {described}",
            assumed,
            build,
            notes,
            n_outputs=weights["unembed.W_U"].shape[1],
            mixed=None if attn_coeff.known else partial(reading_of, chosen, assumed),
        )

    # A coefficient that nothing states is measured, not assumed.
    measured = facts | {"attn_coeff": replace(attn_coeff, known=True)}
    readings = [reading_of(*combination) for combination in combinations(**measured)]
    return readings if len(readings) <= MOST else _most_plausible(readings)


def _most_plausible(readings: list[Reading]) -> list[Reading]:
    note = (
        f"{len(readings) - MOST} less plausible readings were not tried; saying more of the network (its activation, "
        "its modulus) leaves fewer"
    )
    return [replace(reading, notes=(*reading.notes, note)) for reading in readings[:MOST]]


def _config(weights: Mapping[str, Tensor], chosen: Mapping[str, Any]) -> TransformerConfig:
    n_heads, d_model, d_head = weights["blocks.0.attn.W_Q"].shape
    return TransformerConfig(
        d_model=d_model,
        n_heads=n_heads,
        d_head=d_head,
        d_mlp=weights["blocks.0.mlp.W_in"].shape[1],
        n_layers=sum(name.endswith("attn.W_Q") for name in weights),
        activation=chosen["activation"],
        norm=chosen["norm"],
        causal=chosen["causal"],
        attn_coeff=chosen["attn_coeff"],
        bias=any(is_bias(name) and bool(tensor.any()) for name, tensor in weights.items()),
    )


def _described(config: TransformerConfig, prompt: Prompt) -> str:
    """The difference from other transformers of the same weights."""
    parts = [config.activation, f"tokens {str(prompt)!r}", "causal" if config.causal else "not causal"]
    if config.attn_coeff != 1:
        parts.append(f"attn_coeff {config.attn_coeff:.4g}")
    if config.norm != "none":
        parts.append("layer norm" if config.norm == "layer" else "layer norm without weights")
    return ", ".join(parts)


@torch.no_grad()
def build_transformer(
    config: TransformerConfig, prompt: Prompt, p: int, weights: Mapping[str, Tensor]
) -> SmallTransformer:
    """The network in evaluation mode, with as many positions as the prompt has and one output for each value.

    Raises:
        CheckpointError: A tensor other than a bias is missing, one has another shape or does not belong.
    """
    given = {name: tensor for name, tensor in weights.items() if config.bias or not is_bias(name)}
    given["pos_embed.W_pos"] = given["pos_embed.W_pos"][: len(prompt)]
    given["unembed.W_U"] = given["unembed.W_U"][:, :p]
    if "unembed.b_U" in given:
        given["unembed.b_U"] = given["unembed.b_U"][:p]
    model = SmallTransformer(config, len(weights["embed.W_E"]), p, prompt)
    wanted: dict[str, Tensor] = model.state_dict()
    filled = {name: tensor for name, tensor in wanted.items() if is_bias(name)} | given
    for name in wanted.keys() | filled.keys():
        if name not in filled or name not in wanted:
            problem = "missing" if name in wanted else "no tensor of this network"
            raise CheckpointError(f"{name!r} is {problem}; it has {', '.join(wanted)}")
        if filled[name].shape != wanted[name].shape:
            raise CheckpointError(
                f"{name!r} has shape {tuple(filled[name].shape)}; expected {tuple(wanted[name].shape)}"
            )
    model.load_state_dict(filled)
    return model.eval()
