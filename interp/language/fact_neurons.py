"""The neurons that each fact was stored in: how much of its jump they carry, beside other facts' and random ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from interp.errors import ConfigError
from interp.language.edits import gates_without
from interp.language.gates import gated
from interp.language.model import LanguageModel
from interp.language.removing import like_layers
from interp.language.sequences import Sequences
from interp.language.sites import NEURONS
from interp.language.stored_facts import transplant_effects, transplanted

SHARE = 0.05
"""Of all units in a fact's set."""
VERIFIED = 20
"""Units whose effect is computed exactly beside first order."""


@dataclass(frozen=True, eq=False)
class FactNeurons:
    """Sets of units, one for each fact, and the share of the facts' jump that they carry.

    Attributes:
        sets: Units of each fact, those of the largest effect first, numbered over all layers.
        jump: By kind of probe, mean rise of the log probability from the model before to the one after, in nats.
        carried: By kind of probe, shares of the jump, None where there is none: ``recovered_all`` by the outputs of all
            units, transplanted into the model before; ``recovered_``, ``undone_`` (the outputs before, put back into
            the model after) and ``silenced_`` (units at 0 in the model after) for ``own`` sets on the fact that chose
            them, for those of ``others`` and for ``random`` units of the same layers; ``recovered_crossed`` and
            ``undone_crossed`` by one set of as many units, chosen on half of the facts and measured on the rest.
        overlap: Mean share of a fact's units that another fact has too.
        top, first_order, exact: Units of the largest mean effect, and that effect by either computation, in nats.
    """

    sets: tuple[Int[np.ndarray, " chosen"], ...]
    jump: Mapping[str, float]
    carried: Mapping[str, Mapping[str, float | None]]
    overlap: float
    top: Int[np.ndarray, " unit"]
    first_order: Float[np.ndarray, " unit"]
    exact: Float[np.ndarray, " unit"]

    @property
    def agreement(self) -> float | None:
        """Rank correlation of first-order and exact effects of the top units; None if it is not known."""
        if len(set(self.exact.tolist())) < 2:
            return None
        return float(stats.spearmanr(self.first_order, self.exact)[0])

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "sets": [one.tolist() for one in self.sets],
            "jump": dict(self.jump),
            "carried": {name: dict(shares) for name, shares in self.carried.items()},
            "overlap": self.overlap,
            "top": {
                name: getattr(self, key).tolist()
                for name, key in (("unit", "top"), ("first_order", "first_order"), ("exact", "exact"))
            },
        }


def fact_neurons(
    before: LanguageModel,
    after: LanguageModel,
    probes: Mapping[str, Sequences],
    generator: np.random.Generator,
    *,
    share: float = SHARE,
    kind: str = NEURONS,
) -> FactNeurons:
    """Choose the units that carry each fact by its first probe, and measure them on every probe.

    Units are chosen by the first-order gain of their transplanted outputs; everything that is reported is measured
    exactly. On the probe that chose them their share is biased upwards; on another wording it is not.

    Args:
        before, after: Checkpoints of one network before and after the facts were learnt.
        probes: Sequences by kind of probe, one a fact and in the same order; the first kind chooses.
        generator: Of random units and halves.
        share: Of all units in each set.
        kind: One of `interp.language.sites.KINDS`.

    Raises:
        ConfigError: There are fewer than two facts, numbers differ between probes, or the share is not in (0, 1].

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.sequences import token_sequences
        >>> from interp.language.small import small_language_model
        >>> one, two = (open_language_model(small_language_model(d_mlp=8, seed=seed)) for seed in (0, 1))
        >>> probes = {"verbatim": token_sequences([[1, 2, 3, 4], [9, 8, 7]])}
        >>> result = fact_neurons(one, two, probes, np.random.default_rng(0), share=0.25)
        >>> [len(chosen) for chosen in result.sets], sorted(result.carried)
        ([4, 4], ['verbatim'])
    """
    n = len(next(iter(probes.values())))
    if n < 2 or any(len(one) != n for one in probes.values()):
        raise ConfigError(
            f"probes have {[len(one) for one in probes.values()]} facts; expected as many of each, 2 or more"
        )
    if not 0 < share <= 1:
        raise ConfigError(f"share={share} is not in (0, 1]")
    effects = transplant_effects(before, after, next(iter(probes.values())), kind=kind)
    size = max(1, round(share * effects.shape[1]))
    sets = [order[:size] for order in np.argsort(-effects, axis=1, kind="stable")]
    units = before.units(kind)
    random = [like_layers(units, chosen, generator) for chosen in sets]
    halves = np.array_split(generator.permutation(n), 2)
    crossed = [np.argsort(-effects[part].mean(0), kind="stable")[:size] for part in halves]
    work = _Work(before, after, kind)
    jump, carried = {}, {}
    for name, sequences in probes.items():
        jump[name], carried[name] = work.carried(sequences, sets, random, crossed, halves)
    mean = effects.mean(0, dtype=np.float64)
    top = np.argsort(-np.abs(mean), kind="stable")[:VERIFIED]
    first = next(iter(probes.values()))
    plain, *exact = transplanted(before, after, first, [[], *([unit] for unit in top.tolist())], kind=kind)
    gains = (np.stack(exact) - plain).mean(1)
    return FactNeurons(tuple(sets), jump, carried, _overlap(sets), top, mean[top], gains)


@dataclass(frozen=True, eq=False)
class _Work:
    """Measurements on one pair of models."""

    before: LanguageModel
    after: LanguageModel
    kind: str

    def carried(
        self,
        sequences: Sequences,
        sets: Sequence[np.ndarray],
        random: Sequence[np.ndarray],
        crossed: Sequence[np.ndarray],
        halves: Sequence[np.ndarray],
    ) -> tuple[float, dict[str, float | None]]:
        """The mean jump of one kind of probe, and the shares of it."""
        low, high = (self._moved(model, model, sequences, [[]])[0] for model in (self.before, self.after))
        jump = float((high - low).mean())
        whole = self._moved(self.before, self.after, sequences, [range(len(self.before.units(self.kind)))])
        shares = {"recovered_all": whole[0] - low}
        for name, chosen in (("own", sets), ("random", random)):
            measured = {
                "recovered": self._moved(self.before, self.after, sequences, chosen) - low,
                "undone": high - self._moved(self.after, self.before, sequences, chosen),
                "silenced": high - self._silenced(sequences, chosen),
            }
            for kind, values in measured.items():
                shares[f"{kind}_{name}"] = values.diagonal()
                if name == "own":
                    shares[f"{kind}_others"] = values[~np.eye(len(values), dtype=bool)]
        moved = self._moved(self.before, self.after, sequences, crossed) - low
        undone = high - self._moved(self.after, self.before, sequences, crossed)
        for kind, values in (("recovered", moved), ("undone", undone)):
            shares[f"{kind}_crossed"] = np.concatenate([values[0][halves[1]], values[1][halves[0]]])
        return jump, {
            name: float(values.mean()) / jump if jump > 0 else None for name, values in shares.items()
        }

    def _moved(
        self, receiver: LanguageModel, donor: LanguageModel, sequences: Sequences, sets: Any
    ) -> np.ndarray:
        return transplanted(receiver, donor, sequences, sets, kind=self.kind)

    def _silenced(self, sequences: Sequences, sets: Sequence[np.ndarray]) -> np.ndarray:
        """Log probabilities in the model after, without the units of each set."""
        values = []
        for chosen in sets:
            with gated(self.after, gates_without(self.after, chosen.tolist(), kind=self.kind)):
                values.append(self._moved(self.after, self.after, sequences, [[]])[0])
        return np.stack(values)


def _overlap(sets: Sequence[np.ndarray]) -> float:
    pairs = [(one, other) for i, one in enumerate(sets) for j, other in enumerate(sets) if i != j]
    return float(np.mean([np.isin(one, other).mean() for one, other in pairs]))
