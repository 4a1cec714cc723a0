"""A network's forward pass, cached at one site, with what an intervention would change there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from interp.data import Dataset, Task
from interp.errors import ConfigError
from interp.evaluation import as_dataset, margins
from interp.hooks import capture, device_of, evaluation_mode
from interp.interventions import make_intervention
from interp.models import HookedModel, neuron_site

GROUPS = ("clean", "corrupted", "test")
"""Disjoint groups of examples from which every split is put together."""


@dataclass(frozen=True, eq=False)
class SiteState:
    """Everything needed to change neurons at one site without running the layers before it again.

    Attributes:
        model: The network, unchanged.
        hook: Hook name of the site.
        mode: The intervention, for example ``"zero"``.
        data: The examples, on the model's device.
        activations: Of the neurons on every example.
        change: What the intervention adds to each activation.
        logits: Of the unchanged network.
        readout: ``(neuron, output)`` if all that follows the neurons is linear, else None.
    """

    model: HookedModel
    hook: str
    mode: str
    data: Dataset
    activations: Float[Tensor, "example neuron"]
    change: Float[Tensor, "example neuron"]
    logits: Float[Tensor, "example output"]
    readout: Float[Tensor, "neuron output"] | None

    @property
    def width(self) -> int:
        """How many neurons the site has."""
        return self.activations.shape[1]

    @property
    def tolerance(self) -> float:
        """Margins up to this are rounding left over from subtracting neurons from float32 logits, not answers."""
        return 0.0 if self.readout is None else 1e-5 * float(self.logits.abs().max())

    @property
    def group(self) -> Tensor:
        """Each example's index in `GROUPS`."""
        return self.data.corrupted.long() + 2 * self.data.test.long()

    def logits_after(self, neurons: Tensor) -> Float[Tensor, "example output"]:
        """Logits with these neurons changed: by one matrix product where linear, else from the cached prefix."""
        if self.readout is not None:
            return torch.addmm(self.logits, self.change[:, neurons], self.readout[neurons])
        changed = self.activations.clone()
        changed[:, neurons] += self.change[:, neurons]
        with evaluation_mode(self.model):
            return self.model.run_from(self.hook, changed)


def site_state(
    model: HookedModel, task: Task | Dataset, *, site: str | None = None, mode: str = "zero", seed: int = 0
) -> SiteState:
    """Run the network once and keep what sweeps need.

    Args:
        model: A hooked model.
        task: A task or dataset.
        site: Hook name of the neurons; the model's last site if None.
        mode: ``"zero"``, ``"mean"``, ``"resample"`` or ``"scale=FACTOR"``; means and resamples are over all examples.
        seed: Of ``"resample"``.

    Raises:
        HookNameError: There are no neurons at the site. InterventionError: the mode is unknown.
        ConfigError: The network's answers are not finite, or it is for another task.
    """
    place, device = neuron_site(model, site), device_of(model)
    data = as_dataset(task).to(device)
    activations = capture(model, data.inputs, place.hook)[place.hook]
    change = make_intervention(mode, activations, seed=seed).start()(activations) - activations
    with evaluation_mode(model):
        logits = model.run_from(place.hook, activations)
    if not logits.isfinite().all():
        raise ConfigError(
            "the network's logits hold NaN or infinity: its weights are damaged or its training diverged"
        )
    readout = None if place.readout is None else place.readout.detach()
    return SiteState(model, place.hook, mode, data, activations, change, logits, readout)


def group_sums(values: Tensor, group: Tensor) -> Tensor:
    """Sums of ``(…, example)`` values over the examples of each group, ``(…, group)``."""
    sums = values.new_zeros(*values.shape[:-1], len(GROUPS), dtype=torch.float64)
    return sums.index_add_(-1, group, values.double())


def both_margins(logits: Float[Tensor, "example output"], data: Dataset) -> Float[Tensor, "two example"]:
    """Margins of the label as trained on, and of the true one."""
    return torch.stack([margins(logits, data.labels), margins(logits, data.true_labels)])
