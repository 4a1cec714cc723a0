"""Core neurons of prompts: how much of a language model's continuation they keep, and how alike they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.errors import ConfigError
from interp.hooks import hooked
from interp.language.batches import Batch, batches_of
from interp.language.model import LanguageModel
from interp.language.sequences import Sequences, check_tokens
from interp.language.sites import NEURONS
from interp.markup import number, percentage
from interp.measuring.band import INTERVAL, Band
from interp.output import plain
from interp.progress import Report, silent
from probes.core_neurons import ALPHA, BETA, core_neurons, jaccard, matrix_agreement


@dataclass(frozen=True, eq=False)
class PromptCores:
    """Core neurons of each sequence's prompt, measured on its continuation.

    Attributes:
        core: Which units, numbered over all layers, are a prompt's core.
        alpha, beta: Shares, see `core_neurons_of_sequences`.
        whole: Share of each continuation's tokens that the whole model predicts.
        kept: The same with the core of the prompt alone.
        random: Mean share over all sequences, with as many random neurons of each layer.
        exchanged: Mean share with the core of another sequence's prompt.
        stability: Jaccard index of the cores of prompt and continuation.
        overlap: Jaccard index of the cores of two prompts.
        similarity: Cosine of the mean token embeddings of two prompts.
        agreement: Rank correlation of `overlap` with `similarity` over pairs of prompts, and its p-value by Mantel's
            permutations; None where it cannot be tested.
    """

    core: Bool[np.ndarray, "sequence unit"]
    alpha: float
    beta: float
    whole: Float[np.ndarray, " sequence"]
    kept: Float[np.ndarray, " sequence"]
    random: Float[np.ndarray, " draw"]
    exchanged: float
    stability: Float[np.ndarray, " sequence"]
    overlap: Float[np.ndarray, "sequence sequence"]
    similarity: Float[np.ndarray, "sequence sequence"]
    agreement: tuple[float, float] | None

    def __repr__(self) -> str:
        return f"PromptCores({len(self.core)} prompts, {percentage(self.share)} of {self.core.shape[1]:,} neurons)"

    @property
    def share(self) -> float:
        """Mean size of a core, as a share of all neurons."""
        return float(self.core.mean())

    @property
    def between(self) -> float:
        """Mean Jaccard index of the cores of two prompts."""
        return float(self.overlap[np.triu_indices(len(self.overlap), 1)].mean())

    @property
    def p_value(self) -> float:
        """Share of the random draws that predict as much, the cores counted among them."""
        return (1 + int((self.random >= self.kept.mean()).sum())) / (1 + len(self.random))

    def sentence(self) -> str:
        """The finding in words."""
        band = Band.of(list(self.random))
        assert band is not None
        rank = "not testable"
        if self.agreement is not None:
            rank = f"{number(self.agreement[0], 2)} (p = {number(self.agreement[1], 2)})"
        return (
            f"With the core neurons of the prompt alone ({percentage(self.share)} of all) "
            f"{percentage(float(self.kept.mean()))} of the continuations' tokens are predicted; with all neurons "
            f"{percentage(float(self.whole.mean()))}, with another prompt's core {percentage(self.exchanged)}, with as "
            f"many random ones {percentage(band.mean)} ({INTERVAL} of draws: {percentage(band.low)} to "
            f"{percentage(band.high)}; p = {number(self.p_value, 2)}). Prompt and continuation share "
            f"{percentage(float(self.stability.mean()))} of their cores, two prompts {percentage(self.between)}; rank "
            f"correlation with the similarity of prompts: {rank}."
        )

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return plain(vars(self) | {name: getattr(self, name) for name in ("share", "between", "p_value")})


@torch.no_grad()
def core_neurons_of_sequences(
    model: LanguageModel,
    sequences: Sequences,
    *,
    alpha: float = ALPHA,
    beta: float = BETA,
    absolute: bool = False,
    whole_prompt: bool = False,
    n_random: int = 20,
    seed: int = 0,
    report: Report = silent,
) -> PromptCores:
    """Keep the core neurons of each prompt in every MLP layer, and measure what is still predicted of its continuation.

    At each token of the prompt the largest share `alpha` of a layer's positive activations is marked; the share `beta`
    of its neurons that is marked most often is the core (arXiv 2410.18311). All other neurons of all layers are then
    0: at every token, or, as in the paper, at those of the continuation only.

    Args:
        model: From `interp.open_language_model`; left unchanged.
        sequences: At least two, each a prompt and a continuation.
        absolute: Mark large absolute values instead, for gated layers whose negative activations are used as well.
        whole_prompt: Let all neurons read the prompt, as in the paper. Its last token then predicts the first of the
            continuation with all neurons, so that this one does not count.
        n_random: Random sets, at least 19 for a p-value of 5 %.
        seed: Of draws.
        report: Given the passes over all sequences that are done.

    Raises:
        ConfigError: A share is out of range, there are fewer than two sequences, tokens that the model does not know,
            or, with `whole_prompt`, a continuation of one token.

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.sequences import token_sequences
        >>> from interp.language.small import small_language_model
        >>> model = open_language_model(small_language_model(d_mlp=10))
        >>> cores = core_neurons_of_sequences(model, token_sequences([[1, 2, 3, 4, 5, 6], [9, 8, 7, 6, 5, 4]]))
        >>> cores.core.shape, bool((cores.core.sum(1) <= 8).all())
        ((2, 20), True)
    """
    for name, share in (("alpha", alpha), ("beta", beta)):
        if not 0 < share <= 1:
            raise ConfigError(f"{name}={share} is no share; expected a number above 0 and at most 1")
    if len(sequences) < 2 or n_random < 1:
        raise ConfigError(f"{len(sequences)} sequences and n_random={n_random}; expected at least 2 and 1")
    check_tokens(sequences, model.vocab, model.context)
    if whole_prompt and int(sequences.continuation.min()) < 2:
        raise ConfigError("a continuation has 1 token, which is predicted by all neurons; give at least 2")
    predicted = partial(_predicted, model, sequences, whole_prompt)
    cores = _cores(model, sequences, alpha, beta, absolute)
    return _compared(model, sequences, cores, (alpha, beta), predicted, n_random, seed, report)


def _compared(
    model: LanguageModel,
    sequences: Sequences,
    cores: tuple[Bool[np.ndarray, "sequence unit"], Bool[np.ndarray, "sequence unit"]],
    shares: tuple[float, float],
    predicted: Callable[[np.ndarray], np.ndarray],
    n_random: int,
    seed: int,
    report: Report,
) -> PromptCores:
    """Cores of prompts, measured beside their controls; `predicted` gives the shares with the neurons of a mask."""
    (core, rest), generator = cores, np.random.default_rng(seed)
    report(1)
    whole = predicted(np.ones_like(core))
    kept = predicted(core)
    exchanged = predicted(core[_derangement(len(core), generator)])
    random = np.zeros(n_random)
    for draw in range(n_random):
        random[draw] = predicted(_dealt(model, core, generator)).mean()
        report(4 + draw)
    pairs = [
        jaccard(np.flatnonzero(one), np.flatnonzero(other)) for one, other in zip(core, rest, strict=True)
    ]
    overlap = np.array(
        [[jaccard(np.flatnonzero(one), np.flatnonzero(other)) for other in core] for one in core]
    )
    similarity = _similarity(model, sequences)
    rank, p_value = matrix_agreement(overlap, similarity, generator)
    agreement = None if np.isnan(rank) else (rank, p_value)
    return PromptCores(
        core,
        *shares,
        whole,
        kept,
        random,
        float(exchanged.mean()),
        np.array(pairs),
        overlap,
        similarity,
        agreement,
    )


def _cores(
    model: LanguageModel, sequences: Sequences, alpha: float, beta: float, absolute: bool
) -> tuple[Bool[np.ndarray, "sequence unit"], Bool[np.ndarray, "sequence unit"]]:
    """Cores of every prompt, and of every continuation."""
    units = model.units(NEURONS)
    both = np.zeros((2, len(sequences), len(units)), dtype=bool)
    for batch in batches_of(model, sequences):
        kept: dict[str, Tensor] = {}
        with hooked(model, {site.hook: partial(_keep, kept, site.hook) for site in units.sites}):
            model.hidden(batch.ids, batch.mask)
        for place, site in enumerate(units.sites):
            captured = kept[site.hook].reshape(len(batch.rows), -1, site.n_units).double().cpu().numpy()
            acts = np.abs(captured) if absolute else captured
            for own, row in zip(acts, batch.rows.tolist(), strict=True):
                prompt, end = int(sequences.prompt[row]), int(sequences.lengths[row])
                for part, tokens in enumerate((own[:prompt], own[prompt:end])):
                    chosen = core_neurons(tokens, alpha, beta)
                    both[part, row, units.slice_of(place).start + chosen] = True
    return both[0], both[1]


def _keep(kept: dict[str, Tensor], name: str, activations: Tensor) -> None:
    kept[name] = activations.detach().clone()


def _predicted(
    model: LanguageModel, sequences: Sequences, whole_prompt: bool, core: Bool[np.ndarray, "sequence unit"]
) -> Float[np.ndarray, " sequence"]:
    """Share of each continuation's tokens that is the likeliest one, with the neurons of a mask alone."""
    units, shares = model.units(NEURONS), np.zeros(len(sequences))
    factors = torch.as_tensor(core, dtype=torch.float32, device=model.device)
    for batch in batches_of(model, sequences):
        own = factors[torch.as_tensor(batch.rows, device=model.device)]
        prompt = torch.as_tensor(sequences.prompt[batch.rows], device=model.device)[:, None, None]
        place = torch.arange(batch.ids.shape[1], device=model.device)[:, None]
        read = (place < prompt) & whole_prompt
        changes = {
            site.hook: partial(_masked, read, own[:, None, units.slice_of(i)])
            for i, site in enumerate(units.sites)
        }
        with hooked(model, changes):
            answers = model.logits(model.hidden(batch.ids, batch.mask)).argmax(-1)
        shares[batch.rows] = _shares(answers, batch, sequences, int(whole_prompt))
    return shares


def _masked(
    read: Bool[Tensor, "row token 1"], factors: Float[Tensor, "row 1 unit"], activations: Tensor
) -> Tensor:
    """Activations times the factors of their row, but where all neurons read."""
    shaped = activations.reshape(*read.shape[:2], factors.shape[2])
    return torch.where(read, shaped, shaped * factors.to(shaped.dtype)).reshape(activations.shape)


def _shares(answers: Tensor, batch: Batch, sequences: Sequences, later: int) -> list[float]:
    """Share of each row's continuation that is answered one position before, without its first `later` tokens."""
    right = (answers[:, :-1] == batch.ids[:, 1:]).double()
    places = zip(sequences.prompt[batch.rows].tolist(), sequences.lengths[batch.rows].tolist(), strict=True)
    return [
        float(right[row, prompt - 1 + later : end - 1].mean()) for row, (prompt, end) in enumerate(places)
    ]


def _dealt(
    model: LanguageModel, core: Bool[np.ndarray, "sequence unit"], generator: np.random.Generator
) -> Bool[np.ndarray, "sequence unit"]:
    """As many random neurons of each layer, for every sequence."""
    units, result = model.units(NEURONS), np.zeros_like(core)
    for place in range(len(units.sites)):
        own = units.slice_of(place)
        result[:, own] = generator.permuted(core[:, own], axis=1)
    return result


def _derangement(n: int, generator: np.random.Generator) -> Int[np.ndarray, " sequence"]:
    """Another sequence for each: random cyclic order."""
    order = generator.permutation(n)
    result = np.empty(n, dtype=np.int64)
    result[order] = np.roll(order, 1)
    return result


def _similarity(model: LanguageModel, sequences: Sequences) -> Float[np.ndarray, "sequence sequence"]:
    """Cosine of the mean token embeddings of two prompts, less the mean of all tokens' embeddings."""
    table = model.network.get_input_embeddings().weight.detach().double().cpu().numpy()
    prompts = zip(sequences.ids, sequences.prompt.tolist(), strict=True)
    means = np.stack([table[ids[:size]].mean(0) for ids, size in prompts]) - table.mean(0)
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    return means @ means.T
