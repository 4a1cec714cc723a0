"""Importance of each neuron by gradients of a factor on its activation, and its drift between two checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.errors import ConfigError
from interp.hooks import device_of, evaluation_mode
from interp.measuring.cached_pass import CachedPass, rows_at_once
from interp.measuring.evaluation import losses
from interp.measuring.logits import blocks_of
from interp.measuring.memory_orders import masked_logits
from interp.measuring.streamed_prefix import StreamedPrefix
from interp.models import HookedModel

Value = Callable[[Tensor, Tensor], Tensor]
"""One number for all of some examples, from their logits and their indices."""
UNDIFFERENTIABLE = (RuntimeError, NotImplementedError, ConfigError)
"""Errors of networks that are no function PyTorch can differentiate: run without gradients, or through NumPy."""


def importance(cached: CachedPass, loss: str = "cross_entropy") -> dict[str, Float[np.ndarray, " neuron"]]:
    """Importance of each neuron for the loss (Fisher information), and for the network's outputs without labels.

    Both are of a factor g on the neuron's activation, the same at all positions and steps, at g = 1. ``fisher`` is the
    mean of ``(∂ loss / ∂ g)²`` over the training examples with their labels as trained on, the empirical Fisher
    information (arXiv 1612.00796, there of weights); over all examples where the split is not known. ``mas`` is the
    mean of ``|∂ ‖logits‖² / ∂ g|`` over all examples, memory aware synapses (arXiv 1711.09601, there of weights).

    Both say how strongly a neuron acts, not for what. On networks of arXiv 2310.13061 (p = 97, 500 neurons, 35 % of the
    labels redrawn, 300 and 1,000 steps, three seeds) their area under the ROC curve for neurons that serve the rule, by
    their own removal, is .85 to .96 like that of the neurons' plain strength (.91 to .96), and decidedly below that of
    the IPR (.96 to .99) in five of six; on planted networks, whose memorizing neurons are the stronger ones, it is at
    most .1, and the IPR's 1. Where training examples are fitted the gradients of the loss vanish, so that ``fisher``
    compares neurons of one network, not networks.

    Where logits are streamed, they are means over the pass's `sample`, each kind of example in its proportion.

    Args:
        cached: A pass that is cached in mode ``"zero"``.
        loss: ``"cross_entropy"`` or ``"mse"``, as the network was trained.

    Returns:
        Columns ``fisher`` and ``mas``, both at least 0; NaN where nothing was trained on, or PyTorch cannot
        differentiate what follows the neurons.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.measuring.cached_pass import cached_pass
        >>> from interp.models import planted_mlp
        >>> task = ModularTask("add", p=11, corrupt_fraction=0.3)
        >>> model = planted_mlp(task, generalizing=20, memorizing=5, dead=1).model
        >>> columns = importance(cached_pass(model, task))
        >>> [(name, len(column), float(column.min()), bool(column.max() > 0)) for name, column in columns.items()]
        [('fisher', 26, 0.0, True), ('mas', 26, 0.0, True)]
    """
    weights = torch.as_tensor(cached.sample.weights, device=cached.data.labels.device)
    sums, totals = torch.zeros(2, cached.width + 1, dtype=torch.float64, device=weights.device).split(
        [cached.width, 1], dim=1
    )
    try:
        for part in _held(cached):
            weight = weights[part.group]
            trained = part.data.train if part.data.split_known else torch.ones_like(part.data.train)
            for rows, (of_loss, of_size) in _factor_gradients(part, [_loss_of(part, loss), _size_of]):
                sums[0] += (weight * trained)[rows] @ of_loss.double().square_()
                sums[1] += weight[rows] @ of_size.double().abs_()
            totals += torch.stack([weight[trained].sum(), weight.sum()])[:, None]
    except torch.OutOfMemoryError:  # says nothing of the network
        raise
    except UNDIFFERENTIABLE:
        sums.fill_(torch.nan)
    fisher, mas = (sums / totals).cpu().numpy()
    return {"fisher": fisher, "mas": mas}


def _held(cached: CachedPass) -> Iterator[CachedPass]:
    """The sample, or all examples, in passes that are held."""
    if cached.sample.rows is None:
        yield from (part for _, part in cached.parts())
    else:
        yield cached.sampled


def _loss_of(part: CachedPass, loss: str) -> Value:
    return lambda logits, rows: losses(logits, part.data.labels[rows], loss=loss).sum()


def _size_of(logits: Tensor, _: Tensor) -> Tensor:
    return logits.square().sum()


def _factor_gradients(
    part: CachedPass, values: Sequence[Value]
) -> Iterator[tuple[Int[Tensor, " row"], list[Float[Tensor, "row neuron"]]]]:
    """Gradients of some values in a factor on each neuron of each example, up to their sign; from blocks of examples.

    Where a matrix follows the neurons it is applied to the gradients of the logits; elsewhere one pass is
    differentiated for all values.
    """
    at_once = rows_at_once(part.held_prefix, part.logits.shape[1])
    for rows in torch.arange(len(part.data), device=part.data.labels.device).split(at_once):
        own_kernels = torch.backends.cudnn.flags(
            enabled=False
        )  # cuDNN's recurrent layers refuse it in evaluation
        with evaluation_mode(part.model), torch.enable_grad(), own_kernels:
            if part.readout is not None:
                logits = part.logits[rows].detach().requires_grad_()
                slopes = [torch.autograd.grad(value(logits, rows), logits)[0] for value in values]
                gradients = [(slope @ part.readout.T).mul_(part.change[rows]) for slope in slopes]
            else:
                share = torch.zeros(len(rows), part.width, dtype=part.activations.dtype, device=rows.device)
                logits = masked_logits(part, rows, share.requires_grad_())
                asked = [value(logits, rows) for value in values]
                gradients = [torch.autograd.grad(one, share, retain_graph=True)[0] for one in asked]
        yield rows, gradients


def drift(cached: CachedPass, earlier: HookedModel) -> Float[np.ndarray, " neuron"]:
    """Root mean square change of each neuron's activation since an earlier checkpoint, in that of both activations.

    Over all examples and positions: 0 for a neuron that is as it was; 1 for one that was silent, or whose activations
    now and then have nothing to do with each other and are 0 on average; at most √2. Activations of one sign have a
    mean in common: without more, a ReLU's on normal input have 0.83. Activations rather than weights are compared, as
    every site has them; so a neuron also drifts when only the layers before it do. The mean
    change of parameters by module is another measure (arXiv 2304.04158).

    Args:
        cached: The network's pass.
        earlier: The network as it was, of the same shape; it is moved to the same device.

    Raises:
        ConfigError: The networks differ in shape. HookNameError: the earlier one has no such site.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.measuring.cached_pass import cached_pass
        >>> from interp.models import HookedMLP, MLPConfig
        >>> task, (model, other) = ModularTask("add", p=7), (HookedMLP(MLPConfig(width=4), 7, seed=s) for s in (0, 1))
        >>> drift(cached_pass(model, task), model).tolist()
        [0.0, 0.0, 0.0, 0.0]
        >>> bool((drift(cached_pass(model, task), other) > 0.5).all())
        True
    """
    _check_alike(cached.model, earlier)
    before = StreamedPrefix(earlier.to(device_of(cached.model)), cached.hook, cached.data.inputs).activations
    now = cached.prefix.activations
    if before.shape != now.shape:
        raise ConfigError(
            f"{cached.hook!r} has activations {tuple(now.shape)} and had {tuple(before.shape)} at the earlier "
            "checkpoint; name one of the same training, opened in the same way"
        )
    changed, both = torch.zeros(2, cached.width, dtype=torch.float64, device=before.device)
    for rows in blocks_of(before):
        new, old = (array[rows].double().flatten(0, -2) for array in (now, before))
        changed += (new - old).square().sum(0)
        both += new.square().sum(0) + old.square().sum(0)
    return torch.where(both > 0, changed / both, 0.0).sqrt().cpu().numpy()


def _check_alike(model: HookedModel, earlier: HookedModel) -> None:
    """Refuse two networks that are no checkpoints of the same one."""
    shapes, others = ([tuple(one.shape) for one in network.parameters()] for network in (model, earlier))
    if shapes == others:
        return
    named = f"{len(shapes)} parameters, the earlier one {len(others)}"
    if len(shapes) == len(others):
        own, other = next(pair for pair in zip(shapes, others, strict=True) if pair[0] != pair[1])
        named = f"a parameter of shape {own}, the earlier one of {other}"
    raise ConfigError(
        f"the network has {named}; drift is measured between checkpoints of one training (--since FILE, since=…)"
    )
