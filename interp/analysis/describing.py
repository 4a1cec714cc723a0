"""A description of every neuron: the predicate that holds of the inputs by which it is most active."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int

from interp.analysis.predicates import as_classes, joined, operand_values, own_predicates, task_predicates
from interp.data import Dataset, Task
from interp.drawing import Drawable
from interp.edits import neuron_indices
from interp.errors import ConfigError, cut
from interp.files import write_json
from interp.frames import Tabular
from interp.markup import UNKNOWN, html_table, number, percentage
from interp.measuring.cached_pass import CachedPass
from interp.measuring.logits import chosen_columns
from interp.output import framed, plain, write_columns
from interp.subject import Network, Subject, subject_of
from probes.descriptions import Predicates, choose, exemplars, information, shares

NOT_DESCRIBED = "not described"
FEWEST = 10
"""Exemplars of each half of the inputs, at least."""
DIGITS = 6
"""Activations that agree to so many digits of the neuron's largest one count as equal: more is rounding of float32."""
IN_NOTEBOOKS = 10
HEADER = ("neuron", "description", "agreement", "base rate", "PMI", "q-value", "exemplars")


@dataclass(frozen=True, eq=False, repr=False)
class Descriptions(Drawable, Tabular):
    """One row a neuron: its description, and how far that holds on inputs that did not choose it.

    Attributes:
        site_name: Hook name of the neurons.
        columns: By name, ``(neuron,)`` each: ``neuron`` (indices), ``description`` (`NOT_DESCRIBED` where no predicate
            is significant), ``agreement`` (share of the held-out exemplars of which it holds, in [0, 1]; nan
            if there are none), ``base_rate``
            (of all held-out inputs), ``pmi`` (pointwise mutual information on held-out exemplars, in nats; minus
            infinity if it holds of none), ``p_value`` and ``q_value`` (see `probes.descriptions.Choice`), and
            ``exemplars`` (that chose it).
        predicates: How many were compared.
        inputs: How many inputs chose the descriptions; as many, or one more, were held out.
        level: The false-discovery rate of the neurons that are described.
        notes: Sentences on how the inputs were taken.
    """

    figure: ClassVar[str] = "plots.descriptions.descriptions"
    site_name: str
    columns: Mapping[str, np.ndarray]
    predicates: int
    inputs: int
    level: float
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.neuron)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.columns:
            raise KeyError(f"no column {name!r}; there are {', '.join(self.columns)}")
        return self.columns[name]

    @property
    def neuron(self) -> Int[np.ndarray, " neuron"]:
        """Indices of the neurons."""
        return self.columns["neuron"]

    @property
    def described(self) -> np.ndarray:
        """Mask of the neurons that have a description."""
        mask: np.ndarray = self.columns["description"] != NOT_DESCRIBED
        return mask

    def neurons_described_as(self, *descriptions: str) -> Int[np.ndarray, " described"]:
        """Indices of the neurons with one of these descriptions, to be removed or changed."""
        chosen: np.ndarray = self.neuron[np.isin(self.columns["description"], descriptions)]
        return chosen

    def counts(self) -> dict[str, int]:
        """Numbers of neurons by description, the commonest first; those without one are left out."""
        return dict(Counter(self.columns["description"][self.described].tolist()).most_common())

    def texts(self) -> list[str]:
        """Each neuron's description in words, with its agreement."""
        words = []
        for row, text in enumerate(self.columns["description"].tolist()):
            if self.described[row] and np.isnan(self.columns["agreement"][row]):
                text += " (no held-out exemplars)"
            elif self.described[row]:
                agreement, base = (
                    percentage(float(self.columns[name][row])) for name in ("agreement", "base_rate")
                )
                text += f" (of {agreement} of its held-out exemplars, of {base} of all inputs)"
            words.append(text)
        return words

    def sentence(self) -> str:
        """The result in words."""
        common = ", ".join(f"{count} by {name!r}" for name, count in [*self.counts().items()][:5])
        agreements = self.columns["agreement"][self.described]
        known = agreements[~np.isnan(agreements)]
        unknown = len(agreements) - len(known)
        held_out = f" Held-out agreement: {percentage(known.mean())} on average." if len(known) else ""
        if unknown:
            held_out += f" {unknown} of them are active in no held-out input, so that nothing tests these."
        return (
            f"{int(self.described.sum())} of {len(self)} neurons are described by one of {self.predicates:,} "
            f"predicates at a false-discovery rate of {self.level:g}{f': {common}' if common else ''}.{held_out}"
        )

    def rows(self, most: int | None = None) -> Iterator[tuple[str, ...]]:
        """Neurons as people read them, in the order of `HEADER`: those that agree best with their description first."""
        agreement = np.nan_to_num(self.columns["agreement"])
        order = np.argsort(-np.where(self.described, agreement, -1.0), kind="stable")
        for row in order[:most]:
            values = {name: column[row] for name, column in self.columns.items()}
            known = bool(self.described[row])
            yield (
                str(values["neuron"]),
                str(values["description"]),
                percentage(values["agreement"]) if known else UNKNOWN,
                percentage(values["base_rate"]) if known else UNKNOWN,
                number(values["pmi"]) if known else UNKNOWN,
                number(values["q_value"]),
                str(values["exemplars"]),
            )

    def frame_metadata(self) -> dict[str, Any]:
        """The site and the false-discovery rate."""
        return {"site": self.site_name, "level": self.level}

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return plain(vars(self) | {"counts": self.counts()})

    def save(self, path: Path | str) -> Path:
        """Write all columns to a ``.parquet``, ``.csv`` or ``.json`` file, whole or not at all.

        Raises:
            ConfigError: The suffix is another, or the place cannot be written to.
        """
        if Path(path).suffix == ".json":
            return write_json(path, framed("descriptions", self.to_dict()))
        return write_columns(path, self.columns, self.frame_metadata())

    def __repr__(self) -> str:
        return f"Descriptions({self.site_name}: {self.sentence()})"

    def _repr_html_(self) -> str:
        caption = f"{min(IN_NOTEBOOKS, len(self))} of {len(self)} neurons at {self.site_name}"
        return html_table(caption, HEADER, self.rows(IN_NOTEBOOKS), inline=True)


def describe(
    network: Network,
    task: Task | None = None,
    predicates: Mapping[str, Any] | None = None,
    *,
    neurons: Any = None,
    own: bool = True,
    site: str | None = None,
    quantile: float = 0.99,
    weight: float = 0.2,
    level: float = 0.05,
    seed: int | None = None,
) -> Descriptions:
    """Describe every neuron by the predicate that its most activating inputs have in common.

    After MILAN (arXiv 2201.11114), with a closed set of predicates in place of free text. On a random half of the
    inputs the description is chosen: the significant predicate with the highest log p(d | E) - weight * log p(d), where
    E are the inputs with a neuron's highest activations. The other half says how far it holds. A neuron that no
    predicate describes better than chance is not described. Assumes independent inputs; see `probes.descriptions`.

    Args:
        network: A hooked model, a checkpoint, or a `Subject`; left unchanged.
        task: A checkpoint's own if None. Any other inputs will do, such as some with a suspected cue at random.
        predicates: More candidates by name, one value for each of the task's examples, in their order: booleans, or
            texts and numbers, see `interp.analysis.predicates.own_predicates`. One that a single operand decides is
            tested as a class of its values, see `probes.descriptions.class_p_values`.
        neurons: Which, see `interp.interventions.neuron_indices`; all if None.
        own: Whether the task's own predicates are candidates too.
        site: Hook name of the neurons; the model's last site if None.
        quantile: Of the activations, in [0, 1); inputs above are exemplars, at least `FEWEST`.
        weight: Of log p(d), in [0, 1]. At 1 the score is pointwise mutual information, which prefers predicates that
            hold of few inputs.
        level: False-discovery rate among the neurons that are described, in (0, 1).
        seed: Of the halves.

    Raises:
        ConfigError: A number is out of range, there are too few inputs, or a predicate cannot be used.

    Example:
        >>> import torch
        >>> from interp.data import ModularTask
        >>> from interp.models import HookedMLP, MLPConfig
        >>> model = HookedMLP(MLPConfig(width=2), vocab=29)
        >>> with torch.no_grad():
        ...     _ = model.embed.W_E.zero_()
        ...     model.embed.W_E[0, :, 0] = (torch.arange(29) % 3 == 1).float()
        >>> describe(model, ModularTask("add", p=29))["description"].tolist()
        ['a mod 3 = 1', 'not described']
    """
    if not 0 <= quantile < 1 or not 0 <= weight <= 1 or not 0 < level < 1:
        raise ConfigError(
            f"quantile={quantile}, weight={weight}, level={level}; expected a quantile in [0, 1), a weight in [0, 1] "
            "and a level in (0, 1)"
        )
    if predicates is not None and not isinstance(predicates, Mapping):
        raise ConfigError(f"predicates={cut(predicates)}; expected a mapping of names to values")
    subject = subject_of(network, task, site=site, seed=seed)
    rows = np.arange(subject.width) if neurons is None else neuron_indices(neurons, subject.width)
    settings = {"quantile": quantile, "weight": weight, "level": level}
    return _describe(subject, rows, *_candidates(subject, predicates, own), settings)


def _describe(
    subject: Subject,
    neurons: Int[np.ndarray, " neuron"],
    candidates: Predicates,
    notes: tuple[str, ...],
    given: tuple[str, ...],
    settings: dict[str, float],
) -> Descriptions:
    """Choose on one half of the inputs, and measure on the other; `given` are names of predicates to account for."""
    cached = subject.cached.sampled
    chosen_by, held_out, repeats = _halves(cached.data, np.random.default_rng(subject.seed))
    compared = candidates.varying(chosen_by)
    if not len(compared):
        raise ConfigError("there is no predicate that holds of some inputs and not of all; give predicates")
    left_out = [name for name in given if name in set(candidates.names) - set(compared.names)]
    if left_out:
        notes += (
            f"{cut(', '.join(left_out))} of the given predicates are left out: on the inputs that choose, each holds "
            "of none, of all, or of the same ones as a predicate before it",
        )
    activations, quantile = _activations(cached, neurons), settings["quantile"]
    choice = choose(activations[chosen_by], compared.at(chosen_by), fewest=FEWEST, **settings)
    columns = {
        "neuron": neurons,
        "description": np.array([*compared.names, NOT_DESCRIBED], object)[choice.predicate],
        **_held_out(activations[held_out], compared.at(held_out), choice.predicate, quantile),
        "p_value": choice.p_value,
        "q_value": choice.q_value,
        "exemplars": choice.exemplars,
    }
    if round((1 - quantile) * len(chosen_by)) < FEWEST:
        notes += (
            f"The share {1 - quantile:.3g} of {len(chosen_by)} inputs is fewer than {FEWEST}; each neuron's {FEWEST} "
            "highest are exemplars",
        )
    if repeats:
        notes += (f"{repeats:,} inputs repeat others; p-values take all inputs as independent",)
    notes += subject.cached.sample.notes
    return Descriptions(subject.hook, columns, len(compared), len(chosen_by), settings["level"], notes)


def _halves(
    data: Dataset, generator: np.random.Generator
) -> tuple[Int[np.ndarray, " chosen"], Int[np.ndarray, " held"], int]:
    """Two random halves of the inputs, equal inputs in the same one, and the number of inputs that repeat others."""
    flat = data.inputs.detach().cpu().numpy().reshape(len(data), -1)
    kinds, kind = np.unique(flat, axis=0, return_inverse=True)
    if len(kinds) < 2 * (FEWEST + 1):
        raise ConfigError(
            f"{len(kinds)} different inputs are too few to describe neurons by; expected {2 * (FEWEST + 1)} or more"
        )
    first = generator.permutation(len(kinds))[: len(kinds) // 2]
    inside = np.isin(kind.ravel(), first)
    return np.flatnonzero(inside), np.flatnonzero(~inside), len(data) - len(kinds)


def _candidates(
    subject: Subject, predicates: Mapping[str, Any] | None, own: bool
) -> tuple[Predicates, tuple[str, ...], tuple[str, ...]]:
    """Predicates of the inputs that the cached pass holds; notes, and the names of those that were given."""
    rows = subject.cached.sample.rows
    kept = np.arange(len(subject.data)) if rows is None else rows.cpu().numpy()
    data = subject.cached.sampled.data
    given = own_predicates(predicates or {}, len(subject.data)).at(kept)
    given, classes = as_classes(given, operand_values(subject.task, data))
    notes = tuple(
        f"Each value of {cut(name)} has {cut(', '.join(names))} throughout or not at all: tested by values, not inputs"
        for name, names in classes.items()
    )
    if not own:
        return given, notes, given.names
    from_task, more = task_predicates(subject.task, data)
    return joined(from_task, given), more + notes, given.names


def _activations(
    cached: CachedPass, neurons: Int[np.ndarray, " neuron"]
) -> Float[np.ndarray, "example neuron"]:
    """Of these neurons, to so many digits that equal ones are equal."""
    values = (
        chosen_columns(cached.activations, torch.as_tensor(neurons, device=cached.logits.device))
        .detach()
        .cpu()
        .double()
        .numpy()
    )
    largest = np.abs(values).max(0, initial=0.0)
    return np.round(values / np.where(largest > 0, largest, 1.0), DIGITS)


def _held_out(
    activations: Float[np.ndarray, "example neuron"],
    predicates: Predicates,
    chosen: Int[np.ndarray, " neuron"],
    quantile: float,
) -> dict[str, np.ndarray]:
    """Agreement, base rate and information of the chosen predicates on the inputs that did not choose them."""
    inside, neurons = exemplars(activations, quantile, FEWEST), np.arange(len(chosen))
    known = (chosen >= 0) & inside.any(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = {
            "agreement": shares(inside, predicates.holds)[neurons, chosen],
            "base_rate": predicates.holds.mean(1)[chosen],
            "pmi": information(inside, predicates.holds)[neurons, chosen],
        }
    return {name: np.where(known, column, np.nan) for name, column in values.items()}
