"""Edits one after another: are they answered, are their paraphrases, and is everything else answered as before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.analysis.direct_edits import tuned_in_turn
from interp.analysis.edit_fitting import STANDARD, EditSettings, answers
from interp.analysis.editing import check_edits, edits_in_turn
from interp.analysis.side_memory import ALWAYS, SideMemory, attached
from interp.analysis.value_layers import value_layer
from interp.drawing import Drawable
from interp.errors import ConfigError
from interp.hooks import device_of
from interp.markup import UNKNOWN, html_table, percentage
from interp.models import HookedModel
from interp.progress import Report, silent

COUNTS = (1, 5, 20)
METHODS = SIDE, ALWAYS_READ, TUNED = "side memory", "side memory, always read", "fine-tuning"
NO_PARAPHRASES = "Generality is not measured: no paraphrases were given."
PARTS = (0.4, 0.3)
"""Of unrelated examples, those that the margin is fitted to and those that the threshold is set by."""
HEADER = ("method", "edits", "reliability", "generality", "locality", "unrelated that read it")


@dataclass(frozen=True)
class EditQuality:
    """Answers after some edits, each a share in [0, 1].

    Attributes:
        reliability: Of the edits so far, those whose prompts are answered with their targets.
        generality: Of their paraphrases, those that are; None without any.
        locality: Of unrelated examples that nothing was fitted to, those answered as before.
        read: Of these, those that read the memory; None where there is none.
    """

    method: str
    edits: int
    reliability: float
    generality: float | None
    locality: float
    read: float | None = None


@dataclass(frozen=True, eq=False, repr=False)
class EditReport(Drawable):
    """Qualities of several methods after several numbers of edits.

    Attributes:
        rows: Method by method.
        memory: After all edits.
        measured: Unrelated examples that locality is measured on.
        notes: What could not be measured, in sentences.
    """

    figure = "plots.edits.edit_curves"
    rows: tuple[EditQuality, ...]
    memory: SideMemory
    measured: int
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        last = self.of(SIDE)[-1]
        general = "unknown" if last.generality is None else percentage(last.generality)
        return (
            f"EditReport({last.edits} edits: reliability {percentage(last.reliability)}, generality {general}, "
            f"locality {percentage(last.locality)})"
        )

    def of(self, method: str) -> list[EditQuality]:
        """The rows of one method, by its number of edits."""
        return [row for row in self.rows if row.method == method]

    def to_dict(self) -> dict[str, Any]:
        """The same without the memory, ready for JSON."""
        return {
            "rows": [asdict(row) for row in self.rows],
            "measured": self.measured,
            "threshold": self.memory.threshold if np.isfinite(self.memory.threshold) else None,
            "learnt": list(self.memory.learnt),
            "notes": list(self.notes),
        }

    def table(self) -> Iterator[tuple[str, ...]]:
        """Each row as shown, in the order of `HEADER`."""
        for row in self.rows:
            shares = (row.reliability, row.generality, row.locality, row.read)
            yield (
                row.method,
                str(row.edits),
                *(UNKNOWN if one is None else percentage(one) for one in shares),
            )

    def _repr_html_(self) -> str:
        return html_table("Edits of facts", HEADER, self.table(), inline=True)


def measure_edits(
    model: HookedModel,
    inputs: Float[Tensor, " edit *input"] | Int[Tensor, " edit *input"],
    targets: Int[Tensor, " edit"],
    unrelated: Float[Tensor, " example *input"] | Int[Tensor, " example *input"],
    *,
    paraphrases: Tensor | None = None,
    groups: Int[np.ndarray, " example"] | None = None,
    counts: Sequence[int] = COUNTS,
    site: str | None = None,
    settings: EditSettings = STANDARD,
    seed: int = 0,
    report: Report = silent,
) -> EditReport:
    """Edit facts one after another in a side memory and by fine-tuning the same layer, and measure what each answers.

    A memory that is never read leaves everything else as it was: locality means something beside reliability only.
    Unrelated examples are split at random: the margin is fitted to some, the threshold is set by others, and locality
    is measured on the rest.

    Args:
        inputs, targets, unrelated, site, settings, seed: As of `interp.edit_facts`. Fine-tuning has the same learning
            rate and steps, and may do better with others.
        paraphrases: Of each edit as many, ``(edit, paraphrase, …)``; without them generality is not measured.
        groups: Of unrelated examples, such as the fact that each states: those of a group stay together in the split.
        counts: Numbers of edits; those above what there are are left out, and all edits are measured.

    Raises:
        ConfigError: As of `interp.edit_facts`; paraphrases or counts do not fit, or there are too few groups.

    Example:
        >>> from interp.models import HookedMLP, MLPConfig
        >>> model = HookedMLP(MLPConfig(width=256, activation="relu"), vocab=13)
        >>> model.unembed.weight.data *= 30  # logits as large as those of trained networks
        >>> pairs = torch.cartesian_prod(torch.arange(13), torch.arange(13))
        >>> chosen = torch.tensor([3, 120])
        >>> rest = torch.ones(len(pairs), dtype=torch.bool).index_fill(0, chosen, False)
        >>> result = measure_edits(model, pairs[chosen], torch.tensor([7, 9]), pairs[rest], counts=(1, 2))
        >>> [row.edits for row in result.of("side memory")], result.notes
        ([1, 2], ('Generality is not measured: no paraphrases were given.',))
    """
    device = device_of(model)
    inputs, targets, unrelated = (one.to(device) for one in (inputs, targets, unrelated))
    check_edits(model, inputs, targets, unrelated)
    paraphrases = None if paraphrases is None else _checked(paraphrases.to(device), inputs, unrelated)
    layer, stops = value_layer(model, site), _stops(counts, len(inputs))
    fitted, held, measured = (unrelated[rows] for rows in _split(len(unrelated), groups, seed))
    examples = Examples(inputs, targets, paraphrases, measured, answers(model, measured))
    arguments: dict[str, Any] = {"site": site, "settings": settings}
    more = {"calibration": held, "seed": seed, "report": report, **arguments}
    memories = edits_in_turn(model, inputs, targets, fitted, **more)
    rows: list[EditQuality] = []
    for n, memory in enumerate(memories, 1):
        if n in stops:
            rows += _of_memory(model, memory, examples, n)
    for n, change in enumerate(tuned_in_turn(model, inputs, targets, **arguments), 1):
        if n in stops:
            rows.append(examples.quality(model, attached(layer, change[None], 0.0, ALWAYS), TUNED, n))
    rows.sort(key=lambda row: METHODS.index(row.method))
    return EditReport(tuple(rows), memory, len(measured), (NO_PARAPHRASES,) * (paraphrases is None))


def _stops(counts: Sequence[int], n: int) -> list[int]:
    """Numbers of edits that are measured; an error if one is no number of edits."""
    for one in counts:
        if one < 1:
            raise ConfigError(f"counts={list(counts)} has {one}; expected numbers of edits, 1 or more")
    return sorted({one for one in counts if one < n} | {n})


def _of_memory(model: HookedModel, memory: SideMemory, examples: Examples, n: int) -> list[EditQuality]:
    """Answers with a memory that is read by its score, and always."""
    read = float(memory.reads(model, examples.measured).mean())
    return [
        replace(examples.quality(model, memory.attached(model), SIDE, n), read=read),
        replace(examples.quality(model, memory.attached(model, ALWAYS), ALWAYS_READ, n), read=1.0),
    ]


@dataclass(frozen=True, eq=False)
class Examples:
    """Edits, their paraphrases, and unrelated examples with their answers before."""

    inputs: Tensor
    targets: Int[Tensor, " edit"]
    paraphrases: Tensor | None
    measured: Tensor
    before: Int[Tensor, " measured"]

    def quality(
        self, model: HookedModel, edited: AbstractContextManager[Any], method: str, edits: int
    ) -> EditQuality:
        """Answers after so many edits, inside a context in which the network is edited."""
        targets, generality = self.targets[:edits], None
        with edited:
            reliability = share_of(answers(model, self.inputs[:edits]), targets)
            if self.paraphrases is not None:
                asked = self.paraphrases[:edits]
                repeated = targets.repeat_interleave(asked.shape[1])
                generality = share_of(answers(model, asked.flatten(0, 1)), repeated)
            locality = share_of(answers(model, self.measured), self.before)
        return EditQuality(method, edits, reliability, generality, locality)


def share_of(given: Int[Tensor, " example"], expected: Int[Tensor, " example"]) -> float:
    """Share of answers that are the expected ones."""
    return float((given == expected).double().mean())


def _split(n: int, groups: Int[np.ndarray, " example"] | None, seed: int) -> list[Int[Tensor, " part"]]:
    """Rows of the three parts of unrelated examples."""
    group = np.arange(n) if groups is None else np.asarray(groups)
    if len(group) != n:
        raise ConfigError(f"groups has {len(group)} entries for {n} unrelated examples")
    names = np.random.default_rng(seed).permutation(np.unique(group))
    ends = np.round(np.cumsum(PARTS) * len(names)).astype(int)
    parts = np.split(names, ends)
    if not all(map(len, parts)):
        raise ConfigError(
            f"{len(names)} groups of unrelated examples cannot be split in three parts; give at least 3 groups"
        )
    return [torch.from_numpy(np.flatnonzero(np.isin(group, part))) for part in parts]


def _check_apart(paraphrases: Tensor, inputs: Tensor, unrelated: Tensor) -> None:
    """Refuse paraphrases that are prompts, or unrelated examples: something is fitted to each of these."""
    asked = {tuple(one) for one in paraphrases.flatten(0, 1).flatten(1).tolist()}
    for place, row in enumerate(inputs.flatten(1).tolist()):
        if tuple(row) in asked:
            raise ConfigError(f"the prompt of edit {place} is a paraphrase too; give other wordings only")
    for place, row in enumerate(unrelated.flatten(1).tolist()):
        if tuple(row) in asked:
            raise ConfigError(
                f"unrelated example {place} is a paraphrase of an edit; leave it out, as its answer shall change"
            )


def _checked(paraphrases: Tensor, inputs: Tensor, unrelated: Tensor) -> Tensor:
    if (
        paraphrases.ndim < 2
        or paraphrases.shape[0] != len(inputs)
        or paraphrases.shape[2:] != inputs.shape[1:]
    ):
        raise ConfigError(
            f"paraphrases have shape {tuple(paraphrases.shape)} for prompts of {tuple(inputs.shape)}; expected (edit, "
            "paraphrase, …) with the rest as of a prompt"
        )
    _check_apart(paraphrases, inputs, unrelated)
    return paraphrases
