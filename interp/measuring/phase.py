"""The phases of arXiv 2310.13061: whether a network generalises, memorises, or both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interp.measuring.evaluation import SplitValues


@dataclass(frozen=True)
class Ending:
    """One of the phases.

    Attributes:
        meaning: What the paper means by it, in a few words.
        colour: Of its cells in a diagram.
    """

    meaning: str
    colour: str


# Okabe and Ito's palette: blue and green where the network generalises.
PHASES: dict[str, Ending] = {
    "generalisation": Ending("at least 90 % of held-out examples, no corrupted label", "#56B4E9"),
    "coexistence": Ending("at least 90 % of held-out examples, and corrupted labels memorised", "#0072B2"),
    "partial inversion": Ending(
        "at least 90 % of held-out examples, and part of the corrupted labels given up", "#009E73"
    ),
    "full inversion": Ending(
        "at least 90 % of held-out examples, and corrupted ones answered by the rule against their labels",
        "#F0E442",
    ),
    "memorisation": Ending("at least 90 % of training examples, fewer of held-out ones", "#D55E00"),
    "forgetting": Ending(
        "below 90 % of training and of held-out examples, after at least 90 % of the latter earlier in training",
        "#CC79A7",
    ),
    "confusion": Ending("below 90 % of training and of held-out examples", "#999999"),
}
"""All of them by name; ``generalisation`` is coexistence where no label is corrupted."""
GOOD = 0.9
"""Accuracy from which a split counts as learnt (arXiv 2310.13061, App. C)."""


@dataclass(frozen=True)
class Phase:
    """The phase of arXiv 2310.13061 that a network is in.

    Attributes:
        by_table: By the paper's table, from train and test accuracy and the corrupted fraction.
        by_corrupted: By the accuracy on the corrupted examples as labelled and as true, where they are known.
    """

    by_table: str | None
    by_corrupted: str | None

    @property
    def name(self) -> str | None:
        """The phase to report: by the corrupted examples where they are known, else by the table."""
        return self.by_corrupted or self.by_table


def phase_of(
    measured: SplitValues,
    corrupt_fraction: float,
    *,
    generalised_before: bool = False,
    above_base_rate: bool = True,
) -> Phase:
    """The phase of a network.

    The paper's table breaks at small corrupted fractions: at up to .10 it calls full inversion coexistence. So the
    corrupted examples themselves decide where they are known.

    Args:
        measured: Accuracies.
        corrupt_fraction: Corrupted share of the training set.
        generalised_before: Whether an earlier checkpoint had a test accuracy of at least .9.
        above_base_rate: Whether the test accuracy is above the share of the commonest label; if not, it is no
            generalisation, however high.

    Returns:
        None by either way where the splits it needs have no examples.

    Example:
        >>> from interp.measuring.evaluation import SplitValues
        >>> phase_of(SplitValues(0.98, 1.0, 0.94, 0.06, 0.98, 0.83), 0.35)
        Phase(by_table='coexistence', by_corrupted='coexistence')
    """
    train, test = measured.train, measured.test
    if train is None or test is None:
        return Phase(None, None)
    if test < GOOD or not above_base_rate:
        name = "memorisation" if train >= GOOD else "forgetting" if generalised_before else "confusion"
        return Phase(name, None if measured.corrupted_as_labelled is None else name)
    inverted = train < round(min(GOOD, 1.05 - corrupt_fraction), 9)
    by_table = "coexistence" if train >= GOOD else "full inversion" if inverted else "partial inversion"
    labelled, true = measured.corrupted_as_labelled, measured.corrupted_as_true
    if labelled is None or true is None:
        return Phase(by_table if corrupt_fraction else "generalisation", None)
    if labelled >= GOOD:
        return Phase(by_table, "coexistence")
    return Phase(by_table, "full inversion" if true >= GOOD else "partial inversion")
