"""A language model that is looked at: its sequences, run again after every change of its neurons."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from interp.errors import ConfigError, InterventionError
from interp.language.edits import gates_without, save_language_model
from interp.language.gates import gated
from interp.language.group_memory import FEWEST_CONTROLS
from interp.language.locating import locate
from interp.language.methods import METHODS
from interp.language.model import LanguageModel
from interp.language.removing import like_layers
from interp.language.sequences import Sequences, halves
from interp.language.sites import NEURONS
from interp.language.token_scores import TokenScores, token_scores

RANDOM, GRADIENT = "random", "gradient"
"""Random units of the same layers as those of the other are the control of every order."""
LOWEST, HIGHEST = 0.0, 2.0
"""Factors on the chosen units."""
LARGEST = 0.2
"""Share of all units that can be taken out at once."""
STEPS = 40
CACHED = 16
MOST_SAVED = 1000
MOST_PAGES = 64
ALTERNATIVES = 6


@dataclass(frozen=True)
class State:
    """All that the page's controls say.

    Attributes:
        group: One of `LanguageSession.groups`.
        row: The sequence that is shown.
        method: One of `LanguageSession.methods`.
        count: Units that are changed: the first of the method's order.
        factor: That their activations are multiplied by.
    """

    group: str
    row: int
    method: str
    count: int
    factor: float

    @property
    def changes_nothing(self) -> bool:
        return self.count == 0 or self.factor == 1


@dataclass(frozen=True, eq=False)
class Measured:
    """Sequences of one state.

    Attributes:
        scores: By row.
        seconds: That the run took.
    """

    scores: dict[int, TokenScores]
    seconds: float

    def accuracy(self, rows: Sequence[int]) -> float | None:
        """Of all continuation tokens of some sequences; None without any."""
        ranks = [self.scores[row].rank[0] for row in rows]
        return float((np.concatenate(ranks) == 0).mean()) if ranks else None

    def nll(self, rows: Sequence[int]) -> float | None:
        """Nats a token of the same."""
        losses = [self.scores[row].logprob[0] for row in rows]
        return float(-np.concatenate(losses).mean()) if losses else None


class LanguageSession:
    """A language model and sequences, with units ranked once for each group and method.

    Attributes:
        most: Sequences of a group, and as many unseen ones, that are run at every change.
        groups: Rows by the name of the group.
        controls: Rows that the model has not seen, `most` at most; they do not help to rank.
        ranking: Other such rows, by which methods that need controls rank.
        methods: Titles of the orders by name.
        counts: Numbers of units that the slider offers, from 0.
    """

    def __init__(
        self, model: LanguageModel, sequences: Sequences, *, kind: str = NEURONS, most: int = 8, seed: int = 0
    ) -> None:
        self.model, self.sequences, self.kind, self.most, self.seed = model, sequences, kind, most, seed
        self.groups = _groups(sequences)
        unseen = sequences.unseen if len(sequences.candidates) else sequences.unseen[:0]
        ranking, measured = halves(unseen, seed) if len(unseen) >= FEWEST_CONTROLS else (unseen[:0], unseen)
        self.ranking, self.controls = ranking[:most], tuple(measured[:most].tolist())
        self.methods = _methods(len(ranking) > 1)
        self.counts = _counts(len(model.units(kind)))
        self._lock, self._turn = Lock(), Lock()
        self._asked: dict[str, object] = {}
        self._ranked = lru_cache(CACHED)(self._rank)
        self._measured = lru_cache(CACHED)(self._measure)

    def state(self, group: Any, row: Any, method: Any, step: Any, factor: Any) -> State:
        """The state that the page's controls say; an `InterventionError` where they say none."""
        if not isinstance(group, str) or group not in self.groups:
            raise InterventionError(f"there is no group {str(group)[:40]!r}; reload the page")
        rows = (*self.groups[group], *self.controls)
        if type(row) is not int or row not in rows:
            row = rows[0]
        if not isinstance(method, str) or method not in self.methods:
            raise InterventionError(
                f"there is no method {str(method)[:40]!r}; expected one of {', '.join(self.methods)}"
            )
        if type(step) is not int or not 0 <= step < len(self.counts):
            raise InterventionError(
                f"the slider is at {str(step)[:40]!r}; expected 0 to {len(self.counts) - 1}"
            )
        if type(factor) not in (int, float) or not math.isfinite(factor) or not LOWEST <= factor <= HIGHEST:
            raise InterventionError(f"the factor is {str(factor)[:40]!r}; expected {LOWEST:g} to {HIGHEST:g}")
        return State(group, row, method, self.counts[step], float(factor))

    def halves(self, group: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Rows of a group that rank the units, and rows that do not: every other one of those that are run."""
        rows = self.groups[group][: self.most]
        return rows[::2], rows[1::2]

    def chosen(self, state: State) -> Int[np.ndarray, " unit"]:
        """The units that a state changes; random ones are of the layers that the gradient's would be of."""
        random = state.method == RANDOM
        top = self._ranked(state.group, GRADIENT if random else state.method)[0][: state.count]
        if not random:
            return top
        return like_layers(self.model.units(self.kind), top, np.random.default_rng(self.seed))

    def ranked_in(self, state: State) -> float:
        """Seconds that the order of units took."""
        return self._ranked(state.group, GRADIENT if state.method == RANDOM else state.method)[1]

    def _rank(self, group: str, method: str) -> tuple[np.ndarray, float]:
        settings: dict[str, Any] = {"methods": (method,), "kind": self.kind, "seed": self.seed}
        rows = np.array(self.halves(group)[0])
        controls = self.ranking if METHODS[method].controls else None
        with self._lock:
            start = perf_counter()
            scores = locate(self.model, self.sequences, rows, controls=controls, **settings)
            return scores.top(method, len(scores)), perf_counter() - start

    def ask(self, page: Any) -> Callable[[], bool]:
        """A question of a page that was opened: a function that tells if it has asked another one since."""
        name, asked = str(page)[:40], object()
        self._asked[name] = asked
        while len(self._asked) > MOST_PAGES:
            self._asked.pop(next(iter(self._asked)), None)
        return lambda: self._asked.get(name) is not asked

    def watch(self, page: Any) -> Callable[[], bool]:
        """A function that tells if a page has asked a question since now."""
        name = str(page)[:40]
        asked = self._asked.get(name)
        return lambda: self._asked.get(name) is not asked

    def measure(
        self, state: State, late: Callable[[], bool] = bool, *, alone: bool = False
    ) -> Measured | None:
        """Sequences in a state; None if `late` says that nobody waits for them.

        Args:
            alone: The shown sequence only, else also the group's and the unseen ones.
        """
        rows = () if alone else (*self.groups[state.group][: self.most], *self.controls)
        key = (state.group, state.method, state.count, state.factor)
        with self._turn:
            if late():
                return None
            return self._measured(
                tuple(dict.fromkeys((*rows, state.row))), None if state.changes_nothing else key
            )

    def unchanged(
        self, state: State, late: Callable[[], bool] = bool, *, alone: bool = False
    ) -> Measured | None:
        """The same with nothing changed."""
        return self.measure(replace(state, count=0), late, alone=alone)

    def _measure(self, rows: tuple[int, ...], change: tuple[str, str, int, float] | None) -> Measured:
        gates: dict[str, Any] = {}
        if change is not None:
            group, method, count, factor = change
            gates = self._gates(State(group, rows[0], method, count, factor))
        with self._lock, gated(self.model, gates):
            start = perf_counter()
            scores = token_scores(self.model, self.sequences.take(list(rows)), whole=False)
            seconds = perf_counter() - start
        names = ("logprob", "rank", "choice")
        by_row = {
            row: TokenScores(*((getattr(scores, name)[place],) for name in names))
            for place, row in enumerate(rows)
        }
        return Measured(by_row, seconds)

    def _gates(self, state: State) -> dict[str, torch.Tensor]:
        if state.changes_nothing:
            return {}
        return gates_without(self.model, self.chosen(state).tolist(), kind=self.kind, factor=state.factor)

    def pieces(self, row: int) -> tuple[str, list[str]]:
        """A sequence as text: its prompt, and each token of its continuation (untrusted)."""
        ids, prompt = self.sequences.ids[row], int(self.sequences.prompt[row])
        return self.text(ids[:prompt].tolist()), [self.text([token]) for token in ids[prompt:].tolist()]

    def text(self, ids: list[int]) -> str:
        """Tokens as text; their numbers where there is no tokenizer."""
        tokenizer = self.model.tokenizer
        return "".join(f"{token} " for token in ids) if tokenizer is None else str(tokenizer.decode(ids))

    @torch.no_grad()
    def alternatives(self, state: State, place: int) -> list[tuple[str, bool, float, float]]:
        """The likeliest tokens at a place of the shown continuation: text, whether it is the true one, and its
        probability before and after the change, in the order of the latter.
        """
        row, prompt = state.row, int(self.sequences.prompt[state.row])
        ids = torch.from_numpy(self.sequences.ids[row][: prompt + place])[None].to(self.model.device)
        before, after = (self._probabilities(ids, gates) for gates in ({}, self._gates(state)))
        true = int(self.sequences.ids[row][prompt + place])
        listed = {
            true,
            *np.argsort(-before)[:ALTERNATIVES].tolist(),
            *np.argsort(-after)[:ALTERNATIVES].tolist(),
        }
        tokens = sorted(listed, key=lambda token: (-after[token], token))
        return [(self.text([t]), t == true, float(before[t]), float(after[t])) for t in tokens]

    def _probabilities(
        self, ids: torch.Tensor, gates: dict[str, torch.Tensor]
    ) -> Float[np.ndarray, " token"]:
        with self._lock, gated(self.model, gates):
            hidden = self.model.hidden(ids, torch.ones_like(ids, dtype=torch.bool))
            return self.model.logits(hidden[0, -1]).double().softmax(0).cpu().numpy()

    def save(self, state: State, folder: Path) -> Path:
        """Write the model with the change in its weights under a new name in a folder, as `transformers` loads it."""
        stem = Path(self.model.name).stem if Path(self.model.name).exists() else "model"
        names = (folder / f"{stem}-{i}-edited" for i in range(1, MOST_SAVED))
        target = next((path for path in names if not path.exists()), None)
        if target is None:
            raise ConfigError(f"{str(folder)!r} holds {MOST_SAVED - 1} edited models of {stem} already")
        gates = self._gates(state)
        with self._lock:
            return save_language_model(self.model, target, gates)


def _groups(sequences: Sequences) -> dict[str, tuple[int, ...]]:
    """Rows that may be memorised by their group, and those without one together."""
    rows = sequences.candidates.tolist() or list(range(len(sequences)))
    groups: dict[str, list[int]] = {}
    for row in rows:
        groups.setdefault(sequences.group[row] or "no group", []).append(row)
    return {name: tuple(rows) for name, rows in groups.items()}


def _methods(controls: bool) -> dict[str, str]:
    """Orders by name with their titles: the methods of locating, and random units."""
    slow = {True: " (may take minutes, once)", False: ""}
    known = {
        name: f"{method.title}{slow[method.slow]}"
        for name, method in METHODS.items()
        if controls or not method.controls
    }
    return {**known, RANDOM: "random, of the same layers"}


def _counts(total: int) -> tuple[int, ...]:
    """Numbers of units from none to `LARGEST` of all, evenly spaced as logarithms."""
    most = max(1, round(LARGEST * total))
    return (0, *np.unique(np.geomspace(1, most, STEPS).round().astype(int)).tolist())
