"""Direct effects of neurons on the outputs, from the weights that follow them, and a test by clamping."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.edits import Edit, neuron_indices
from interp.errors import ConfigError
from interp.hooks import capture, device_of, evaluation_mode
from interp.interventions import intervene
from interp.measuring.arrays import as_array, scored_activations
from interp.models import HookedModel, NeuronSite, SmallTransformer, neuron_site, prefix_at, split_position
from interp.modes import Clamp


@dataclass(frozen=True, eq=False, repr=False)
class DirectEffect:
    """Logits that one unit of each neuron adds through the matrices that follow it.

    Attributes:
        effect: In logits for each unit of activation, ``(neuron, output)``.
        exact: Whether the logits are these times the activations plus a constant. Else it is an approximation.
        how: What lies between the neurons and the logits, in words.
        writes: Where the unembedding reads a stream: each neuron's direction in it, ``(neuron, stream)``.
        reads: What one unit of the stream adds to each logit, ``(stream, output)``.
    """

    hook: str
    effect: Float[np.ndarray, "neuron output"]
    exact: bool
    how: str
    writes: Float[np.ndarray, "neuron stream"] | None = None
    reads: Float[np.ndarray, "stream output"] | None = None

    def __repr__(self) -> str:
        kind = "exact" if self.exact else "approximate"
        neurons, outputs = self.effect.shape
        return f"DirectEffect({neurons} neurons of {self.hook} on {outputs} outputs, {kind}: {self.how})"

    def centred(self) -> Float[np.ndarray, "neuron output"]:
        """The effects above each neuron's mean, which moves all logits alike and so no answer."""
        return self.effect - self.effect.mean(1, keepdims=True)


def direct_effect(
    model: HookedModel, site: str | None = None, *, examples: Tensor | None = None, whole: bool = False
) -> DirectEffect:
    """Direct effect of each neuron on the logits (arXiv 2501.02688), from weights alone where these suffice.

    Exact where all that follows the neurons is linear. In a `SmallTransformer` it is otherwise the path along the
    residual stream to the unembedding: later layers are passed over, and the final norm keeps the scale that it has on
    the examples (without any, 1: then effects are known up to one factor). Elsewhere it is the mean Jacobian on the
    examples, of neurons at many places as if all of them rose together.

    Args:
        model: A hooked model.
        site: Hook name of the neurons; the model's last site if None.
        examples: Inputs ``(example, …)``, for what is not linear.
        whole: Take the mean Jacobian through everything that follows, also where there is a direct path.

    Raises:
        HookNameError: There are no neurons at the site.
        ConfigError: The weights alone do not tell, and there are no examples; or the site holds attention heads, of
            which each writes into a space and not one direction.

    Example:
        >>> from interp.models import analytic_mlp
        >>> direct_effect(analytic_mlp("add", p=13, width=20))
        DirectEffect(20 neurons of blocks.0.mlp.hook_post on 13 outputs, exact: one matrix)
    """
    place = neuron_site(model, site)
    name, position = split_position(place.hook)
    if examples is not None and not len(examples):
        raise ConfigError("there are no examples; give one or more inputs, or leave them out")
    transformer = model if isinstance(model, SmallTransformer) else None
    if transformer is not None and name.endswith("hook_z"):
        raise ConfigError(
            f"{name!r} holds attention heads: each writes into a space, not along one direction"
        )
    direct = transformer is not None and position in (None, transformer.readout)
    if transformer is not None and direct and not (whole and place.readout is None):
        return _along_the_stream(transformer, place, name, examples)
    if place.readout is not None:
        return DirectEffect(place.hook, _exact(place.readout), True, "one matrix")
    if examples is None:
        raise ConfigError(
            f"what follows the neurons at {place.hook!r} is not linear, so their weights do not tell what they write; "
            "give examples=…, over which the derivative is averaged"
        )
    how = f"the mean derivative over {len(examples)} examples"
    return DirectEffect(place.hook, _mean_jacobian(model, place, examples), False, how)


def in_double(model: HookedModel) -> HookedModel | None:
    """A copy in double precision, in which rounding hides nothing; None where it cannot be copied."""
    try:
        return copy.deepcopy(model).to(torch.float64)
    except (RuntimeError, TypeError):
        return None


def _exact(weights: Tensor) -> np.ndarray:
    return as_array(weights).astype(np.float64)


def _along_the_stream(
    model: SmallTransformer, place: NeuronSite, name: str, examples: Tensor | None
) -> DirectEffect:
    """From a layer's neurons to the residual stream, through the final norm with a fixed scale, to the logits."""
    layer = int(name.split(".")[1])
    writes, reads, how = _exact(model.layers[layer].mlp.W_out), _exact(model.unembed.weight), []
    if model.config.norm != "none":
        stream, last = len(writes.T), f"blocks.{len(model.layers) - 1}.hook_resid_post"
        factor = 1.0
        if examples is not None:
            final = capture(model, examples, last)[last][:, -1 if model.readout_only else model.readout]
            factor = float((final.double().var(-1, unbiased=False) + model.ln_final.eps).rsqrt().mean())  # type: ignore[operator]
        weight = np.ones(stream) if model.ln_final.w is None else _exact(model.ln_final.w)  # type: ignore[arg-type]
        scaled = factor * weight[:, None] * reads
        reads = scaled - scaled.mean(0)  # the norm takes the stream's mean away
        how.append(f"the final norm's scale {'on the examples' if examples is not None else 'taken as 1'}")
    how += ["later layers passed over"] if layer < len(model.layers) - 1 else []
    words = ", ".join(["the residual stream", *how])
    return DirectEffect(place.hook, writes @ reads, place.readout is not None, words, writes, reads)


def _mean_jacobian(model: HookedModel, place: NeuronSite, examples: Tensor) -> np.ndarray:
    """Mean over examples of the logits' derivatives; of neurons at several places, as if all rose together."""
    with evaluation_mode(model):
        prefix = prefix_at(model, place.hook, examples.to(device_of(model)))
        with torch.enable_grad():
            activations = prefix.activations.detach().clone().requires_grad_()
            logits = prefix.logits(activations)
            rows = [
                torch.autograd.grad(logits[:, q].sum(), activations, retain_graph=True)[0]
                for q in range(logits.shape[1])
            ]
    columns = []
    for row in rows:
        if prefix.has_positions and place.position is not None:
            row = row[:, place.position]
        columns.append(_exact(row.double().flatten(1, -2).sum(1) if row.ndim > 2 else row).mean(0))
    return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False, repr=False)
class Promise:
    """Changes of the logits against the promised ones while neurons were clamped, one at a time.

    Attributes:
        moved, error: Largest change of a logit that was measured, and largest difference from the promised one.
        explained: Share of the squared changes (above their mean over classes) that the promise explains; 1 is all of
            it, and it may be negative; nan for a neuron that moves nothing.
    """

    moved: Float[np.ndarray, " clamped"]
    error: Float[np.ndarray, " clamped"]
    explained: Float[np.ndarray, " clamped"]
    scale: float  # the largest absolute logit of the network as it is


def clamp_and_compare(
    model: HookedModel,
    inputs: Tensor,
    effect: DirectEffect,
    neurons: Int[np.ndarray, " _"],
    values: Float[np.ndarray, " _"],
) -> Promise:
    """Clamp each neuron to its value, at the answer's position: do the logits change by (value - activation) * effect?

    Example:
        >>> from interp.models import analytic_mlp
        >>> model, pairs = analytic_mlp("add", p=13, width=20), torch.tensor([[2, 3], [4, 12]])
        >>> promise = clamp_and_compare(model, pairs, direct_effect(model), np.array([4]), np.array([0.5]))
        >>> bool(promise.error.max() < 1e-6 < promise.moved.min())
        True
    """
    place = neuron_site(model, effect.hook)
    neurons = neuron_indices(neurons, place.width)
    if len(values) != len(neurons) or not len(values):
        raise ConfigError(
            f"{len(values)} values for {len(neurons)} neurons; expected one each, of one or more"
        )
    inputs = inputs.to(device_of(model))
    hook = place.hook if place.position is None else f"{place.hook}@{place.position}"
    with evaluation_mode(model):
        base = _exact(model(inputs))
        activations = _exact(scored_activations(prefix_at(model, place.hook, inputs), place))
    rows = []
    for neuron, value in zip(neurons, values.tolist(), strict=True):
        with evaluation_mode(model), intervene(model, Edit(hook, np.array([neuron]), Clamp(value, value))):
            change = _exact(model(inputs)) - base
        error = change - np.outer(value - activations[:, neuron], effect.effect[neuron])
        squares = [np.square(x - x.mean(1, keepdims=True)).sum() for x in (error, change)]
        share = 1 - squares[0] / squares[1] if squares[1] > 0 else np.nan
        rows.append((np.abs(change).max(), np.abs(error).max(), share))
    moved, error, explained = np.array(rows).T
    return Promise(moved, error, explained, float(np.abs(base).max()))
