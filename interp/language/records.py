"""Records of a language model's memory, which reports, the explorer and jobs read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int

from interp.drawing import present
from interp.frames import Tabular
from interp.language.columns import MEMORY_COLUMNS
from interp.language.sequences import Sequences
from interp.language.sites import NEURONS
from interp.measuring.band import Band
from interp.output import framed, leaves, plain, versions
from probes.labels import MEMORIZING

MEMORISED, ABOVE_CONTROLS, NOT_MEMORISED, UNDECIDED = (
    "memorised",
    "above controls",
    "not memorised",
    "inconclusive",
)
VERDICTS = (MEMORISED, ABOVE_CONTROLS, NOT_MEMORISED, UNDECIDED)

CHOSEN, SAME_GROUP, OTHERS, CONTROLS = "chosen", "same group", "other memorised", "controls"
PARTS = (CHOSEN, SAME_GROUP, OTHERS, CONTROLS)
"""Sequences that a removal is measured on: those that chose the units; the other half of their group; memorised ones of
other groups; held-out ones and controls."""


LISTED = 1000
"""Units of every method whose scores JSON lists."""


@dataclass(frozen=True, eq=False)
class MemoryTable(Tabular):
    """One row a sequence; its columns are those of `interp.language.columns.MEMORY_COLUMNS`.

    Example:
        >>> table = MemoryTable({"accuracy": np.array([0.9, 0.2]), "verdict": np.array(["memorised", "not memorised"])})
        >>> len(table), table.count("memorised")
        (2, 1)
    """

    columns: Mapping[str, np.ndarray]

    categories: ClassVar[Mapping[str, Any]] = {"verdict": VERDICTS}

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def count(self, verdict: str) -> int:
        """Number of sequences with that verdict, one of `VERDICTS`."""
        return int((self.columns["verdict"] == verdict).sum())

    def to_dict(self) -> list[dict[str, Any]]:
        """One object a sequence, ready for JSON."""
        known = [name for name in MEMORY_COLUMNS if name in self.columns]
        return [{name: plain(self.columns[name][row]) for name in known} for row in range(len(self))]


@dataclass(frozen=True, eq=False)
class UnitScores:
    """Neurons or heads of all layers, scored by how much of a memory they hold.

    Attributes:
        layer, unit: Of each, numbered as `interp.language.sites.Units` numbers them.
        scores: By method, larger for more of the memory; see `interp.language.locating.METHODS`.
        exact: By method, where the score was computed exactly; other units rank below by a first-order value.
        p_value, q_value: Evidence that a unit serves the sequences more than it serves controls; None without controls.
        label: ``"memorizing"``, ``"not decided"`` or ``""``; None without evidence.
        seconds: By method, what it took.
        notes: In sentences.
    """

    layer: Int[np.ndarray, " unit"]
    unit: Int[np.ndarray, " unit"]
    scores: Mapping[str, Float[np.ndarray, " unit"]]
    exact: Mapping[str, Bool[np.ndarray, " unit"]]
    seconds: Mapping[str, float]
    kind: str = NEURONS
    p_value: Float[np.ndarray, " unit"] | None = None
    q_value: Float[np.ndarray, " unit"] | None = None
    label: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.layer)

    def top(self, method: str, count: int) -> Int[np.ndarray, " chosen"]:
        """The units with the highest scores by a method, the highest first; NaN counts as lowest.

        Example:
            >>> place = np.arange(3)
            >>> UnitScores(place * 0, place, {"activation": np.array([1.0, 9.0, 5.0])}, {}, {}).top("activation", 2)
            array([1, 2])
        """
        values = np.nan_to_num(self.scores[method], nan=-np.inf)
        return np.argsort(-values, kind="stable")[:count]

    def telling(self, count: int = LISTED) -> Int[np.ndarray, " chosen"]:
        """Labelled units and the highest of every method, ascending."""
        labelled = np.flatnonzero(self.label == MEMORIZING) if self.label is not None else np.array([], int)
        return np.unique(np.concatenate([labelled, *(self.top(method, count) for method in self.scores)]))

    def to_dict(self, chosen: Int[np.ndarray, " chosen"]) -> dict[str, Any]:
        """Columns of some units, ready for JSON, with how many there are in all."""
        columns = {"layer": self.layer, "unit": self.unit, "p_value": self.p_value, "q_value": self.q_value}
        columns["label"] = self.label
        known = {name: column[chosen] for name, column in columns.items() if column is not None}
        parts = {
            name: {key: column[chosen] for key, column in getattr(self, name).items()}
            for name in ("scores", "exact")
        }
        listed = {"kind": self.kind, "total": len(self), "seconds": self.seconds, "notes": self.notes}
        return plain({**listed, **known, **parts})


@dataclass(frozen=True, eq=False)
class RemovalPoint:
    """Accuracy, log loss and perplexity with some units removed or rescaled, beside random units of the same layers.

    Attributes:
        share: Of all units.
        n: Units changed.
        factor: That their activations are multiplied by; 0: removed.
        accuracy, nll: Of continuations, teacher-forced, by part (one of `PARTS`); nats a token. A part without
            sequences is left out. Perplexity is ``exp(nll)``.
        random_accuracy, random_nll: The same of random units; None where none were drawn.
    """

    share: float
    n: int
    factor: float
    accuracy: Mapping[str, float]
    nll: Mapping[str, float]
    random_accuracy: Mapping[str, Band]
    random_nll: Mapping[str, Band]

    def to_dict(self) -> dict[str, Any]:
        """Everything by name, ready for JSON."""
        return plain(vars(self))


@dataclass(frozen=True, eq=False)
class TokenStep:
    """Every token without some number of the best method's units.

    Attributes:
        n, share: Units removed.
        without: Log probability of each continuation token without them, by row of all sequences.
        rank_without: Rank of each true token without them.
    """

    n: int
    share: float
    without: tuple[Float[np.ndarray, " _token"], ...]
    rank_without: tuple[Int[np.ndarray, " _token"], ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything by name, ready for JSON."""
        return plain(vars(self))


@dataclass(frozen=True, eq=False)
class GroupMemory:
    """Where a group's memory is, and what is left without it.

    Attributes:
        group: Its name; None: all memorised sequences together.
        rows: Its memorised sequences.
        scores: Units scored by these sequences.
        before: Accuracy and log loss by part with nothing removed, as the point with no units.
        curves: By method, a point for each share that was removed.
        doses: The best method's units at its best share, at several factors.
        best: The method whose removal takes most of the other half's memory for the least harm to controls; None
            where none beats random units.
        crossfitted: Whether units were chosen on one half of the sequences and measured on the other.
        removed: The units that the best method removes at `best_share`; what tokens are coloured by.
        best_share: Share of all units.
        without: Log probability of each continuation token without them, by row of all sequences.
        rank_without: Rank of each true token without them.
        relearning: Steps until the memory is back, beside sequences never seen; None unless asked for.
        verdict: Sentences.
        steps: Tokens at several shares, for a page's slider; empty if they were not measured.
    """

    group: str | None
    rows: Int[np.ndarray, " sequence"]
    scores: UnitScores
    before: RemovalPoint
    curves: Mapping[str, Sequence[RemovalPoint]]
    doses: Sequence[RemovalPoint]
    best: str | None
    crossfitted: bool
    removed: Int[np.ndarray, " unit"]
    best_share: float
    without: tuple[Float[np.ndarray, " _token"], ...]
    rank_without: tuple[Int[np.ndarray, " _token"], ...]
    relearning: Mapping[str, Any] | None
    verdict: tuple[str, ...]
    steps: tuple[TokenStep, ...] = ()

    @property
    def title(self) -> str:
        """Its name, or words for all sequences together."""
        return "all sequences" if self.group is None else self.group

    @property
    def best_point(self) -> RemovalPoint | None:
        """Measured without `removed`; None where no method is best."""
        points = self.curves.get(self.best or "", ())
        return next((point for point in points if point.share == self.best_share), None)

    def to_dict(self) -> dict[str, Any]:
        """Everything by name, ready for JSON; scores of those units alone that `UnitScores.telling` gives."""
        known = {name: value for name, value in vars(self).items() if name != "scores"}
        units = self.scores.to_dict(np.union1d(self.removed, self.scores.telling()))
        return {**plain(known), "without_best": plain(self.best_point), "units": units}


@dataclass(frozen=True, eq=False, repr=False)
class LanguageReport:
    """An audit of a language model's memory; `save` writes it as JSON, Markdown or HTML.

    Attributes:
        checkpoint: Where it came from.
        model: ``kind, layers, neurons, heads, vocab, parameters, via``.
        sequences: What was measured.
        memory: One row a sequence.
        logprob: Log probability of each continuation token, by sequence.
        rank: Rank of each true token among all tokens; 0 is the model's choice.
        guessed: Whether a reference guesses the token, so that it is no sign of memory.
        pieces: Each continuation token as text (untrusted).
        groups: One for each group that holds memory and was located.
        settings: Of the audit.
        notes: How model and sequences were read.
        verdict, warnings: Sentences.
        command: As typed; None from Python.
        seconds: By stage.
    """

    checkpoint: str
    model: Mapping[str, Any]
    sequences: Sequences
    memory: MemoryTable
    logprob: tuple[Float[np.ndarray, " _token"], ...]
    rank: tuple[Int[np.ndarray, " _token"], ...]
    guessed: tuple[Bool[np.ndarray, " _token"], ...]
    pieces: tuple[tuple[str, ...], ...]
    groups: tuple[GroupMemory, ...]
    settings: Mapping[str, Any]
    notes: tuple[str, ...]
    verdict: tuple[str, ...]
    warnings: tuple[str, ...]
    command: str | None = None
    seconds: Mapping[str, float] | None = None

    def __repr__(self) -> str:
        warnings = [f"Warning: {warning}" for warning in self.warnings]
        return "\n".join((f"LanguageReport of {self.checkpoint}", *self.verdict, *warnings))

    def to_dict(self) -> dict[str, Any]:
        """The JSON contract: fractions in [0, 1], log probabilities in nats, null where not known."""
        values = {
            "checkpoint": self.checkpoint,
            "model": plain(self.model),
            "settings": plain(self.settings),
            "sequences": {"total": len(self.memory), **{name: self.memory.count(name) for name in VERDICTS}},
            "memory": self.memory.to_dict(),
            "tokens": [self._tokens(row) for row in range(len(self.memory))],
            "groups": [group.to_dict() for group in self.groups],
            "reading": list(self.notes),
            "seconds": plain(self.seconds),
            "verdict": list(self.verdict),
            "warnings": list(self.warnings),
            "made_by": {"command": self.command, "versions": versions()},
        }
        return framed("memory", values)

    def _tokens(self, row: int) -> dict[str, Any]:
        columns = {name: getattr(self, name)[row] for name in ("pieces", "logprob", "rank", "guessed")}
        return {"sequence": row, **plain(columns)}

    def flat(self) -> dict[str, float | str | bool | None]:
        """The JSON's single values by dotted name, as `--fail-if` reads them; groups by their names.

        Example:
            ``report.flat()["sequences.memorised"]``
        """
        by_name = {group.title: group.to_dict() for group in self.groups}
        return dict(leaves({**self.to_dict(), "groups": by_name}))

    def _repr_html_(self) -> str:
        """Verdict, counts, sequences and warnings, for notebooks."""
        return str(present("report.html.summary_html", self))

    def save(self, path: Path | str) -> Path:
        """Write the report; the suffix decides: ``.json``, ``.md`` or ``.html``.

        Raises:
            ConfigError: The suffix is none of these, or the place cannot be written to.
        """
        return Path(present("report.saving.save", self, path))
