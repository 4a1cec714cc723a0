"""A report on a small language model with random weights, each of its numbers measured as an audit measures it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from interp.language.edits import gates_without
from interp.language.gates import gated
from interp.language.model import LanguageModel
from interp.language.opening import open_language_model
from interp.language.records import (
    CHOSEN,
    CONTROLS,
    MEMORISED,
    NOT_MEMORISED,
    OTHERS,
    SAME_GROUP,
    GroupMemory,
    LanguageReport,
    MemoryTable,
    RemovalPoint,
    TokenStep,
    UnitScores,
)
from interp.language.sequences import Sequences, token_sequences
from interp.language.small import small_language_model
from interp.language.token_scores import TokenScores, token_scores
from interp.measuring.band import Band

HOSTILE = "<script>alert(1)</script>&[red]"
SHARES = (0.05, 0.2)


class Words:
    """A tokenizer whose tokens are words; one of them is hostile."""

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [3 + ord(letter) % 50 for letter in text]}

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(HOSTILE if i == 7 else f" w{i}" for i in ids)

    def save_pretrained(self, folder: Any) -> None:
        """Nothing to save."""


def small_model(layers: int = 3) -> LanguageModel:
    """Three layers of 16 neurons with large weights, so that neurons matter."""
    network = small_language_model(layers=layers, d_mlp=16)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.mul_(8 if "mlp" in name else 20 if "embed" in name else 1)
    return open_language_model(network, Words())


def small_sequences(model: LanguageModel) -> Sequences:
    """Six sequences in two groups that the model continues, all but every fifth token, and four that it does not."""
    generator = np.random.default_rng(0)
    ids = [generator.integers(0, 64, size) for size in (12, 9, 14, 12, 10, 8, 12, 9, 11, 12)]
    for one in ids[:6]:
        for place in range(len(one) // 3, len(one)):
            if place % 5:
                one[place] = _choice(model, one[:place])
    ids[0][5] = 7
    text = tuple(Words().decode(one.tolist()) for one in ids)
    group = [HOSTILE] * 4 + ["b"] * 2 + [None] * 4
    split = ["trained"] * 6 + ["held-out"] * 2 + ["control"] * 2
    return token_sequences(ids, group=group, split=split, text=text)


@torch.no_grad()
def _choice(model: LanguageModel, ids: np.ndarray) -> int:
    tokens = torch.from_numpy(ids.copy())[None]
    return int(model.logits(model.hidden(tokens, torch.ones_like(tokens, dtype=torch.bool)))[0, -1].argmax())


def scored(
    model: LanguageModel, sequences: Sequences, chosen: Iterable[int] = (), factor: float = 0.0
) -> TokenScores:
    """Continuations with some neurons rescaled."""
    with gated(model, gates_without(model, chosen, factor=factor)):
        return token_scores(model, sequences).continuations(sequences)


PARTS_ROWS = {CHOSEN: (0, 2), SAME_GROUP: (1, 3), OTHERS: (4, 5), CONTROLS: (6, 7, 8, 9)}


def point(
    model: LanguageModel, sequences: Sequences, chosen: Any, factor: float = 0.0, draws: int = 3
) -> RemovalPoint:
    """A removal measured on every part, with random neurons beside it."""
    generator = np.random.default_rng(len(chosen))
    total = len(model.units())
    measured = _by_part(scored(model, sequences, chosen, factor))
    random = [
        _by_part(scored(model, sequences, generator.permutation(total)[: len(chosen)].tolist(), factor))
        for _ in range(draws if len(chosen) else 0)
    ]
    bands = [
        {part: Band.of([draw[i][part] for draw in random]) for part in PARTS_ROWS} if random else {}
        for i in (0, 1)
    ]
    return RemovalPoint(len(chosen) / total, len(chosen), factor, *measured, *bands)


def _by_part(scores: TokenScores) -> tuple[dict[str, float], dict[str, float]]:
    rank = {
        part: float((np.concatenate([scores.rank[i] for i in rows]) == 0).mean())
        for part, rows in PARTS_ROWS.items()
    }
    nll = {
        part: float(-np.concatenate([scores.logprob[i] for i in rows]).mean())
        for part, rows in PARTS_ROWS.items()
    }
    return rank, nll


def group_memory(model: LanguageModel, sequences: Sequences) -> GroupMemory:
    """Where the first group's memory would be, by two methods with made-up scores."""
    units, generator = model.units(), np.random.default_rng(1)
    scores = UnitScores(
        units.layer,
        units.unit,
        {"gradient": generator.normal(size=len(units)), "zero-out": generator.normal(size=len(units))},
        {"zero-out": generator.random(len(units)) < 0.5},
        {"gradient": 0.5, "zero-out": 4.0},
        p_value=generator.random(len(units)),
        q_value=generator.random(len(units)),
        label=np.where(generator.random(len(units)) < 0.1, "memorizing", ""),
        notes=("Half of the neurons were screened out.",),
    )
    total = len(units)
    curves = {
        method: [
            point(model, sequences, scores.top(method, round(share * total)).tolist()) for share in SHARES
        ]
        for method in scores.scores
    }
    steps = []
    for one in curves["gradient"]:
        tokens = scored(model, sequences, scores.top("gradient", one.n).tolist())
        steps.append(TokenStep(one.n, one.share, tokens.logprob, tokens.rank))
    removed = scores.top("gradient", curves["gradient"][0].n)
    without = scored(model, sequences, removed.tolist())
    return GroupMemory(
        group=HOSTILE,
        rows=np.arange(4),
        scores=scores,
        before=point(model, sequences, []),
        curves=curves,
        doses=[point(model, sequences, removed.tolist(), factor) for factor in (0.0, 0.5, 1.5)],
        best="gradient",
        crossfitted=True,
        removed=removed,
        best_share=curves["gradient"][0].share,
        without=without.logprob,
        rank_without=without.rank,
        relearning={"level": 0.5, "removed": 2, "unseen": None, "rate": 0.001,
                    "accuracy": {"removed": [0.2, 0.4, 0.6], "unseen": [0.0, 0.0, 0.1, 0.1]}},
        verdict=("The memory is spread over many neurons.",),
        steps=tuple(steps),
    )  # fmt: skip


def language_report(model: LanguageModel | None = None) -> LanguageReport:
    """A report with one located group, six sequences that count as memorised, and four controls."""
    model = model or small_model()
    sequences = small_sequences(model)
    scores = scored(model, sequences)
    n = len(sequences)
    accuracy = np.array([float((rank == 0).mean()) for rank in scores.rank])
    nll = np.array([float(-one.mean()) for one in scores.logprob])
    memory = MemoryTable(
        {
            "sequence": np.arange(n),
            "group": np.array([name or "" for name in sequences.group]),
            "split": np.array([name or "" for name in sequences.split]),
            "verdict": np.array([MEMORISED] * 6 + [NOT_MEMORISED] * 4),
            "tokens": sequences.continuation,
            "prompt": sequences.prompt,
            "accuracy": accuracy,
            "nll": nll,
            "perplexity": np.exp(nll),
            "guessed": np.full(n, 0.25),
            "recalled": accuracy,
            "exposure": np.full(n, np.nan),
        }
    )
    tokens = [ids[prompt:] for ids, prompt in zip(sequences.ids, sequences.prompt, strict=True)]
    return LanguageReport(
        checkpoint=HOSTILE,
        model={"kind": "LlamaForCausalLM", "layers": 3, "neurons": 48, "heads": 6, "vocab": 64, "parameters": 1000,
               "via": "TransformerBridge"},
        sequences=sequences,
        memory=memory,
        logprob=scores.logprob,
        rank=scores.rank,
        guessed=tuple(np.arange(len(one)) % 4 == 0 for one in tokens),
        pieces=tuple(tuple(Words().decode([i]) for i in one.tolist()) for one in tokens),
        groups=(group_memory(model, sequences),),
        settings={"seed": 0, "shares": SHARES},
        notes=("Texts were read as they are.",),
        verdict=("6 of 10 sequences are memorised.",),
        warnings=("Beware of 50 % <b>.",),
        seconds={"memory": 1.5},
    )  # fmt: skip
