"""A network's forward pass, cached at one site, with what an intervention would change there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.data import Dataset, Task
from interp.errors import ConfigError
from interp.hooks import device_of, evaluation_mode
from interp.interventions import Edit, intervene
from interp.measuring.arrays import scored_activations
from interp.measuring.evaluation import as_dataset, check_shape, streamed
from interp.measuring.in_loop import intervention_in_loop, limited_change
from interp.measuring.logits import (
    BLOCK,
    Activations,
    Logits,
    Rows,
    Streamed,
    whole_of,
)
from interp.measuring.passed import Passed, both_margins
from interp.measuring.streamed_prefix import AnyPrefix, StreamedPrefix, streamed_change
from interp.models import HookedModel, NeuronSite, Prefix, neuron_site, prefix_at
from interp.modes import make_intervention
from interp.time_scope import TimeScope

CHUNK_ELEMENTS = 30_000_000
CACHED_ELEMENTS, LEAST_ROWS = 1_000_000, 64
FEW = 8
RECENT = 8


@dataclass(frozen=True, eq=False)
class CachedPass(Passed):
    """Everything needed to change neurons at one site without running the layers before it again."""

    @cached_property
    def _all_changed(self) -> Float[Tensor, "example output"]:
        """Logits with every neuron changed, where all that follows them is linear."""
        assert self.readout is not None
        return torch.addmm(whole_of(self.logits), whole_of(self.change), self.readout)

    @cached_property
    def sampled(self) -> CachedPass:
        """The pass of the `sample`, held in memory; itself where these are all examples."""
        return self if self.sample.rows is None else self.part(self.sample.rows)

    def part(self, rows: Rows) -> CachedPass:
        """The pass of some of the examples, held in memory."""
        assert isinstance(self.prefix, StreamedPrefix)
        prefix, place = self.prefix.of(rows), neuron_site(self.model, self.hook)
        with torch.no_grad():
            part = replace(
                self,
                data=self.data.at(rows),
                activations=scored_activations(prefix, place),
                change=self.change[rows],
                logits=prefix.logits(),
                prefix=prefix,
            )
        part.__dict__["tolerance"] = self.tolerance
        return part

    def parts(self) -> Iterator[tuple[int, CachedPass]]:
        """Held passes of some examples after others, with the number of the first; itself where it is held."""
        if not isinstance(self.prefix, StreamedPrefix):
            yield 0, self
            return
        one = torch.Size(self.prefix.activations.shape[1:]).numel() + self.logits.shape[1]
        step = max(1, PART // one)
        for start in range(0, len(self.data), step):
            yield start, self.part(slice(start, start + step))

    @cached_property
    def _recent(self) -> dict[bytes, Tensor]:
        """Margins of the last sets of neurons that were changed."""
        return {}

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
        if isinstance(self.logits, Streamed):
            return replace(self.logits, compute=partial(self._rows_after, neurons))
        assert isinstance(self.change, Tensor)
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

    def _rows_after(self, neurons: Int[Tensor, " chosen"], rows: Rows) -> Float[Tensor, "row output"]:
        """Logits of some examples with these neurons changed, from the activations that then are left."""
        if self.in_loop:
            return whole_of(self.part(rows).logits_after(neurons))
        activations = self.prefix.activations[rows].clone()
        activations[..., neurons] += self.change[rows][..., neurons]
        return self.prefix.logits(activations, rows)

    def changed_logits(
        self, neurons: Int[Tensor, " chosen"]
    ) -> Iterator[tuple[Int[Tensor, " row"], Float[Tensor, "row output"]]]:
        """Logits with these neurons changed, for the examples that this reaches, some examples at a time."""
        prefix, reached = self.held_prefix, self.affected[neurons].any(0).nonzero()[:, 0]
        at_once = rows_at_once(prefix, self.logits.shape[1])
        chosen = prefix.activations.new_zeros(self.width).index_fill_(0, neurons, 1)
        with evaluation_mode(self.model):
            for rows in reached.split(at_once) if len(reached) else ():
                if self.in_loop:
                    yield rows, self.logits_in_loop(neurons, rows)
                elif len(neurons) <= FEW:
                    yield rows, prefix.logits_shifted(neurons, self.change[rows][..., neurons], rows)
                else:  # from the activations, so that taking all out leaves no rounding behind
                    some = slice(int(rows[0]), int(rows[-1]) + 1)
                    some = some if some.stop - some.start == len(rows) else rows
                    activations = torch.addcmul(prefix.activations[some], self.change[some], chosen)
                    yield rows, prefix.logits(activations, some)

    def logits_in_loop(
        self, neurons: Int[Tensor, " chosen"], rows: Rows, share: Tensor | float | None = None
    ) -> Float[Tensor, "row output"]:
        """Logits of some examples with these neurons changed inside the loop that the site is in.

        Args:
            share: How much of the intervention, see `interp.measuring.in_loop.Partial`; the pass's own if None.
        """
        after = (self.held_prefix.activations[rows] + self.change[rows])[..., neurons]
        own = self.share if share is None else share
        own = own[..., neurons] if isinstance(own, Tensor) and own.ndim else own
        intervention = intervention_in_loop(self.mode, after, own)
        edit = Edit(self.hook, neurons.cpu().numpy(), intervention, self.during)
        with intervene(self.model, edit):
            return self.model(self.data.inputs[rows])


PART = 8 * BLOCK
"""Logits and activations of a part of the examples."""


def cached_pass(
    model: HookedModel,
    task: Task | Dataset,
    *,
    site: str | None = None,
    mode: str = "zero",
    seed: int = 0,
    during: Any = None,
) -> CachedPass:
    """Run the network once and keep what sweeps need.

    Args:
        site: Hook name of the neurons; the model's last site if None. With ``@N`` at its end they are changed at
            position N only, else at every position.
        mode: One of `interp.modes.MODES`; means and resamples are over all examples.
        during: Steps that the intervention is limited to, see `interp.Edit`; all if None.

    Raises:
        HookNameError: There are no neurons at the site.
        InterventionError: The mode is unknown, or the site has no such steps.
        ConfigError: The network's answers are not finite, or it is for another task.
    """
    place, device = neuron_site(model, site), device_of(model)
    data = as_dataset(task)
    data = data.to(device)
    with evaluation_mode(model):
        few = prefix_at(model, place.hook, data.inputs[:2]).activations
        if streamed(data, few[:1].numel()):
            arrays = _streamed_arrays(model, place, data, mode, seed)
        else:
            arrays = _held_arrays(model, place, data, mode, seed)
    scope = None if during is None else TimeScope.of(during)
    if scope is not None:
        arrays = (arrays[0], limited_change(arrays[1], scope, place, model, data.inputs), *arrays[2:])
    readout = None if place.readout is None else place.readout.detach()
    cached = CachedPass(model, place.hook, mode, data, *arrays[:3], readout, arrays[3], scope)
    logits = cached.logits
    finite = np.isfinite(cached.rivals.largest) if isinstance(logits, Streamed) else logits.isfinite().all()
    if not finite:
        raise ConfigError(
            "the network's logits hold NaN or infinity: its weights are damaged or its training diverged"
        )
    return cached


Arrays = tuple[Float[Tensor, "example neuron"] | Streamed, Activations, Logits, AnyPrefix]


def _held_arrays(model: HookedModel, place: NeuronSite, data: Dataset, mode: str, seed: int) -> Arrays:
    """Activations, change, logits and prefix in memory."""
    prefix = prefix_at(model, place.hook, data.inputs)
    full, classes = prefix.activations, data.n_classes
    chunks = torch.arange(len(data), device=data.inputs.device).split(rows_at_once(prefix, classes))
    logits = prefix.logits() if len(chunks) < 2 else torch.cat([prefix.logits(rows=some) for some in chunks])
    check_shape(logits, len(data), classes)
    change = make_intervention(mode, full, seed=seed).start()(full) - full
    return scored_activations(prefix, place), change, logits, prefix


def _streamed_arrays(model: HookedModel, place: NeuronSite, data: Dataset, mode: str, seed: int) -> Arrays:
    """The same, computed by blocks of examples."""
    prefix, classes = StreamedPrefix(model, place.hook, data.inputs), data.n_classes
    few = prefix.logits(rows=slice(1))
    check_shape(few, 1, classes)
    logits = Streamed(
        (len(data), classes), few.device, lambda rows: prefix.logits(rows=rows), few.dtype, prefix.needs
    )
    scored = replace(
        prefix.activations,
        shape=(len(data), place.width),
        compute=lambda rows: scored_activations(prefix.of(rows), place),
    )
    return scored, streamed_change(mode, prefix.activations, seed), logits, prefix


def rows_at_once(prefix: Prefix, n_outputs: int) -> int:
    """Examples whose rest of the network is run together: on a CPU as many as stay in its cache."""
    stream = prefix.stream
    per_example = max(1, stream[0].numel() + n_outputs if len(stream) else 1)
    cached = (
        max(LEAST_ROWS, CACHED_ELEMENTS // per_example) if stream.device.type == "cpu" else CHUNK_ELEMENTS
    )
    return max(1, min(cached, CHUNK_ELEMENTS // per_example))
