"""A network's forward pass, cached at one site, with what an intervention would change there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.data import GROUPS, Dataset, Task
from interp.errors import ConfigError
from interp.hooks import device_of, evaluation_mode
from interp.measuring.arrays import scored_activations
from interp.measuring.evaluation import as_dataset, check_pass, margins, streamed
from interp.measuring.leakage import Leakage
from interp.measuring.logits import Logits, Rows, StreamedLogits, by_rows, whole_of
from interp.models import HookedModel, NeuronSite, Prefix, neuron_site, prefix_at
from interp.modes import make_intervention

CHUNK_ELEMENTS = 30_000_000
CACHED_ELEMENTS, LEAST_ROWS = 1_000_000, 64
FEW = 8
RECENT = 8
LOGITS, ACTIVATIONS = 6, 4
"""Arrays of them all that are held at once, measured at the peak of scoring."""


@dataclass(frozen=True, eq=False)
class CachedPass:
    """Everything needed to change neurons at one site without running the layers before it again.

    Attributes:
        model: The network, unchanged.
        hook: Hook name of the site.
        mode: The intervention, for example ``"zero"``.
        data: The examples, on the model's device.
        activations: Of the neurons on every example: one number each, at the site's position, or the mean over its
            positions.
        change: What the intervention adds to each activation, at every position.
        logits: Of the unchanged network; streamed where they are many and nothing but a matrix follows the neurons.
        readout: ``(neuron, output)`` if all that follows the neurons is linear, else None.
        prefix: The forward pass up to the site.
    """

    model: HookedModel
    hook: str
    mode: str
    data: Dataset
    activations: Float[Tensor, "example neuron"]
    change: Float[Tensor, "example *axes neuron"]
    logits: Logits
    readout: Float[Tensor, "neuron output"] | None
    prefix: Prefix

    @property
    def width(self) -> int:
        """Number of neurons at the site."""
        return self.activations.shape[1]

    @cached_property
    def tolerance(self) -> float:
        """Margins up to this are rounding left over from subtracting neurons from float32 logits, not answers."""
        largest = lambda block: block.abs().amax(1)  # noqa: E731
        return 0.0 if self.readout is None else 1e-5 * float(by_rows(largest, self.logits).max())

    @cached_property
    def group(self) -> Int[Tensor, " example"]:
        """Each example's index in `GROUPS`."""
        return self.data.corrupted.long() + 2 * self.data.test.long()

    @cached_property
    def margins(self) -> Float[Tensor, "two example"]:
        """Margins of the unchanged network: of the label as trained on, and of the true one."""
        return both_margins(self.logits, self.data.labels, self.data.true_labels)

    @cached_property
    def affected(self) -> Tensor:
        """Mask of the examples that changing each neuron reaches, ``(neuron, example)``: a quiet ReLU reaches none."""
        changed = self.change != 0
        return (changed if changed.ndim == 2 else changed.flatten(1, -2).any(1)).T.contiguous()

    @cached_property
    def _all_changed(self) -> Float[Tensor, "example output"]:
        """Logits with every neuron changed, where all that follows them is linear."""
        assert self.readout is not None
        return torch.addmm(whole_of(self.logits), self.change, self.readout)

    @cached_property
    def leakage(self) -> Leakage:
        """The held-out examples that the network has in effect been trained on."""
        return Leakage(self.data, self.logits)

    @cached_property
    def _recent(self) -> dict[bytes, Tensor]:
        """Margins of the last sets of neurons that were changed."""
        return {}

    def by_group(self, values: Tensor) -> np.ndarray:
        """Sums of ``(two, example)`` values, as labelled and by the true label, ``(group, two)``, in float64."""
        return group_sums(values.double(), self.group).T.cpu().numpy()

    def margins_after(self, neurons: np.ndarray) -> Float[Tensor, "two example"]:
        """Margins with these neurons changed, as in `margins`; those of a set that was asked for lately are kept."""
        if not len(neurons):
            return self.margins
        key = np.unique(neurons).astype(np.int64).tobytes()
        if key not in self._recent:
            logits = self.logits_after(torch.as_tensor(neurons, dtype=torch.long, device=self.logits.device))
            margins = both_margins(logits, self.data.labels, self.data.true_labels)
            while len(self._recent) >= RECENT:
                del self._recent[next(iter(self._recent))]
            self._recent[key] = margins
        return self._recent[key]

    def logits_after(self, neurons: Int[Tensor, " chosen"]) -> Logits:
        """Logits with these neurons changed: by one matrix product where linear, else from the cached prefix."""
        if isinstance(self.logits, StreamedLogits):

            def compute(rows: Rows) -> Tensor:
                activations = self.prefix.activations[rows].clone()
                activations[:, neurons] += self.change[rows][:, neurons]
                return self.prefix.logits(activations, rows)

            return replace(self.logits, compute=compute)
        if self.readout is not None and 2 * len(neurons) <= self.width:
            return torch.addmm(self.logits, self.change[:, neurons], self.readout[neurons])
        if self.readout is not None:  # the few that stay are put back
            kept = torch.ones(self.width, dtype=torch.bool, device=self.logits.device)
            kept[neurons] = False
            return torch.addmm(self._all_changed, self.change[:, kept], self.readout[kept], alpha=-1)
        logits = self.logits.clone()
        for some, changed in self.changed_logits(neurons):
            logits[some] = changed
        return logits

    def changed_logits(
        self, neurons: Int[Tensor, " chosen"]
    ) -> Iterator[tuple[Int[Tensor, " row"], Float[Tensor, "row output"]]]:
        """Logits with these neurons changed, for the examples that this reaches, some examples at a time."""
        prefix, reached = self.prefix, self.affected[neurons].any(0).nonzero()[:, 0]
        at_once, chosen = rows_at_once(prefix, self.logits.shape[1]), self.change.new_zeros(self.width)
        chosen[neurons] = 1
        with evaluation_mode(self.model):
            for rows in reached.split(at_once) if len(reached) else ():
                if len(neurons) <= FEW:
                    yield rows, prefix.logits_shifted(neurons, self.change[rows][..., neurons], rows)
                else:  # from the activations, so that taking all out leaves no rounding behind
                    some = slice(int(rows[0]), int(rows[-1]) + 1)
                    some = some if some.stop - some.start == len(rows) else rows
                    activations = torch.addcmul(prefix.activations[some], self.change[some], chosen)
                    yield rows, prefix.logits(activations, some)


def cached_pass(
    model: HookedModel, task: Task | Dataset, *, site: str | None = None, mode: str = "zero", seed: int = 0
) -> CachedPass:
    """Run the network once and keep what sweeps need.

    Args:
        site: Hook name of the neurons; the model's last site if None. With ``@N`` at its end they are changed at
            position N only, else at every position.
        mode: One of `interp.modes.MODES`; means and resamples are over all examples.

    Raises:
        HookNameError: There are no neurons at the site. InterventionError: the mode is unknown.
        ConfigError: The network's answers are not finite, or it is for another task.
    """
    place, device = neuron_site(model, site), device_of(model)
    data = as_dataset(task)
    check_pass(model, data, logits=LOGITS, activations=ACTIVATIONS, site=place)
    data = data.to(device)
    with evaluation_mode(model):
        _check_memory(model, place, data)
        prefix = prefix_at(model, place.hook, data.inputs)
        logits = _logits_of(prefix, place, data)
        full = prefix.activations
        change = make_intervention(mode, full, seed=seed).start()(full) - full
    if not by_rows(lambda block: block.isfinite().all(1), logits).all():
        raise ConfigError(
            "the network's logits hold NaN or infinity: its weights are damaged or its training diverged"
        )
    readout = None if place.readout is None else place.readout.detach()
    one_each = scored_activations(prefix, place)
    return CachedPass(model, place.hook, mode, data, one_each, change, logits, readout, prefix)


def _logits_of(prefix: Prefix, place: NeuronSite, data: Dataset) -> Logits:
    """All logits; streamed where they are too many to be held."""
    n, classes = len(data), data.n_classes
    if streamed(place, data):
        check_shape(prefix.logits(prefix.activations[:1], slice(1)), 1, classes)
        return StreamedLogits(
            (n, classes), data.inputs.device, lambda rows: prefix.logits(prefix.activations[rows], rows)
        )
    chunks = torch.arange(n, device=data.inputs.device).split(rows_at_once(prefix, classes))
    logits = prefix.logits() if len(chunks) < 2 else torch.cat([prefix.logits(rows=some) for some in chunks])
    check_shape(logits, n, classes)
    return logits


def _check_memory(model: HookedModel, place: NeuronSite, data: Dataset) -> None:
    """Refuse, before it is run on all of them, a network whose activations on all examples are beyond the budget."""
    if place.axis != -1 or place.position is not None or place.layout:  # a number at each position or pixel
        numbers = prefix_at(model, place.hook, data.inputs[:2]).activations[0].numel()
        check_pass(model, data, logits=LOGITS, activations=ACTIVATIONS, measured=numbers, site=place)


def rows_at_once(prefix: Prefix, n_outputs: int) -> int:
    """Examples whose rest of the network is run together: on a CPU as many as stay in its cache."""
    stream = prefix.stream
    per_example = max(1, stream[0].numel() + n_outputs if len(stream) else 1)
    cached = (
        max(LEAST_ROWS, CACHED_ELEMENTS // per_example) if stream.device.type == "cpu" else CHUNK_ELEMENTS
    )
    return max(1, min(cached, CHUNK_ELEMENTS // per_example))


def check_shape(logits: Tensor, examples: int, classes: int) -> None:
    """Raise a `ConfigError` unless there is one row an example and one logit a class."""
    if logits.shape != (examples, classes):
        raise ConfigError(
            f"the logits have shape {tuple(logits.shape)}; the task has {examples} examples of {classes} classes. "
            "Is this network for another task?"
        )


def group_sums(values: Tensor, group: Tensor) -> Tensor:
    """Sums of ``(…, example)`` values over the examples of each group, ``(…, group)``."""
    sums = values.new_zeros(*values.shape[:-1], len(GROUPS), dtype=torch.float64)
    return sums.index_add_(-1, group, values.double())


def both_margins(
    logits: Logits, labels: Int[Tensor, " row"], true_labels: Int[Tensor, " row"]
) -> Float[Tensor, "two row"]:
    """Margins of the label as trained on, and of the true one."""
    if not isinstance(logits, Tensor):
        return by_rows(both_margins, logits, labels, true_labels)
    true = margins(logits, true_labels)
    rows = (labels != true_labels).nonzero()[:, 0]
    if not len(rows):
        return true.expand(2, -1)
    return torch.stack([true.index_copy(0, rows, margins(logits[rows], labels[rows])), true])
