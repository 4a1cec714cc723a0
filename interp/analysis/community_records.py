"""Records of communities of neurons: of one network, and of several checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from interp.drawing import Drawable
from interp.markup import UNKNOWN, number
from interp.output import plain
from probes.communities import Agreement

HEADER = ("step", "test", "linked", "groups", "Q", "dealt", "p", "ARI", "shuffled", "p")


@dataclass(frozen=True, eq=False)
class NeuronCommunities:
    """Communities of one network's neurons.

    Attributes:
        community: Number of each neuron's community, by falling size; -1 for a silent or isolated neuron.
        affinity: Of the linked pairs, 0 of others; see `probes.communities.affinity_of`.
        threshold: The smallest affinity of a linked pair; inf if none is linked.
        modularity: Q of the communities; None if no pair is linked.
        dealt: Q of the best communities of each draw in which the same affinities are dealt to other pairs.
        frequency: Of each generalizing neuron; -1 of others.
        agreement: With these frequencies, of generalizing neurons alone; None if not testable.
        reason: Of the latter, in words; empty if it was tested.
        step: Of the checkpoint, None if nothing says it.
        accuracy: On held-out examples, in [0, 1]; None if there are none.
        examples: That the affinity was computed on.
        site: Hook name of the neurons.
        drawn: Whether the examples were drawn at random from more.
    """

    community: Int[np.ndarray, " neuron"]
    affinity: Float[np.ndarray, "neuron neuron"] = field(repr=False)
    threshold: float
    modularity: float | None
    dealt: Float[np.ndarray, " draw"]
    frequency: Int[np.ndarray, " neuron"]
    agreement: Agreement | None
    reason: str
    step: int | None
    accuracy: float | None
    examples: int
    site: str
    drawn: bool = False

    @property
    def count(self) -> int:
        """Number of communities, isolated neurons not counted."""
        return int(self.community.max(initial=-1)) + 1

    @property
    def connected(self) -> int:
        """Neurons that are in a community."""
        return int((self.community >= 0).sum())

    @property
    def p_value(self) -> float | None:
        """Of the modularity against `dealt`: the share of draws, and the network itself, that are as modular."""
        if self.modularity is None or not len(self.dealt):
            return None
        return float((1 + (self.dealt >= self.modularity).sum()) / (1 + len(self.dealt)))

    def row(self) -> tuple[str, ...]:
        """The numbers as shown, in the order of `HEADER`."""
        dealt = float(self.dealt.mean()) if len(self.dealt) else None
        test: tuple[float | None, ...] = self.agreement or (None, None, None)
        numbers = (self.modularity, dealt, self.p_value, *test)
        step = UNKNOWN if self.step is None else str(self.step)
        accuracy = UNKNOWN if self.accuracy is None else f"{self.accuracy:.1%}"
        return step, accuracy, str(self.connected), str(self.count), *(number(one, 3) for one in numbers)

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON, without the affinities."""
        test = None if self.agreement is None else self.agreement._asdict()
        names = ("step", "site", "accuracy", "examples", "threshold", "modularity", "reason")
        return {name: plain(getattr(self, name)) for name in names} | {
            "dealt": plain(self.dealt),
            "p_value": self.p_value,
            "agreement": test,
            "communities": self.count,
            "community": self.community.tolist(),
        }


@dataclass(frozen=True, eq=False, repr=False)
class Communities(Drawable):
    """Communities over the checkpoints of a run, or of one network; made by `communities`.

    Attributes:
        networks: One a checkpoint, first to last.
        final: Agreement of each checkpoint's communities with the frequencies of the last one's generalizing neurons.
        kind: Of the affinity, one of `probes.communities.AFFINITIES`.
    """

    networks: tuple[NeuronCommunities, ...]
    final: tuple[Agreement | None, ...]
    kind: str
    figure = "plots.communities.communities_figure"

    def __repr__(self) -> str:
        last = self.last
        return (
            f"Communities({len(self.networks)} networks; at the last one {last.count} communities of "
            f"{last.connected} of {len(last.community)} neurons)"
        )

    @property
    def last(self) -> NeuronCommunities:
        """Of the last checkpoint, or of the only network."""
        return self.networks[-1]

    @property
    def community(self) -> Int[np.ndarray, " neuron"]:
        """Number of each neuron's community at the last checkpoint; -1 for a silent or isolated neuron."""
        return self.last.community

    @property
    def modularity(self) -> float | None:
        """Q at the last checkpoint; None if no pair of neurons is linked."""
        return self.last.modularity

    def table(self) -> tuple[Sequence[str], Iterator[Sequence[str]]]:
        """Header and one row a checkpoint, as shown."""
        return HEADER, (one.row() for one in self.networks)

    def notes(self) -> list[str]:
        """Sentences that say what was left out or could not be tested."""
        last, lines = self.last, []
        if last.reason:
            lines.append(f"Agreement with frequencies is not testable at the end: {last.reason}.")
        silent = int((last.community < 0).sum())
        if silent:
            lines.append(
                f"{silent} of {len(last.community)} neurons are silent or isolated and in no community."
            )
        if last.drawn:
            lines.append(f"Affinities are of {last.examples} examples drawn at random.")
        if last.connected and len(self.networks) == 1:
            lines.append(
                "Linked neurons respond alike, be it only because inputs resemble each other: behind an embedding of "
                "few dimensions those of an untrained network do too. Compare with one, or give the folder of the run."
            )
        return lines

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON; affinities are left out."""
        final = [None if one is None else one._asdict() for one in self.final]
        return {
            "affinity": self.kind,
            "networks": [one.to_dict() for one in self.networks],
            "agreement_with_final_frequency": final,
            "notes": self.notes(),
        }
