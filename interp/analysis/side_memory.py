"""A side memory: edited weights of one layer that answer only where they were taught to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.analysis.value_layers import ValueLayer, changed_output, layer_inputs, value_layer
from interp.checkpoints.tensor_file import save_tensors, tensor_file
from interp.errors import CheckpointError, ConfigError, cut
from interp.files import write_whole
from interp.models import HookedModel

FORMAT = "grokscope side memory 1"
BY_SCORE, ALWAYS = "by score", "always"


@dataclass(frozen=True, eq=False, repr=False)
class SideMemory:
    """Further copies W' of a linear layer's weights, kept as differences W' - W, and the rule when they are read.

    Of several copies the one with the largest score ``||a (W' - W)||`` counts, where a is the layer's input. If it is
    above the threshold the layer gives ``a W' + b``; else it gives what it gave before. Every position decides for
    itself. Source: arXiv 2405.14768, where all positions of a text decide together.

    Attributes:
        hook: Hook name of the neurons that the layer reads.
        changes: W' - W of each copy, the neurons first.
        threshold: Of the score; inf: it is never read.
        learnt: For each edit, in their order: True if the network with the memory answered it when it was made.

    Example:
        >>> from interp.models import analytic_mlp
        >>> model, pairs = analytic_mlp("add", p=13), torch.tensor([[2, 3], [4, 4]])
        >>> memory = SideMemory("blocks.0.mlp.hook_post", torch.ones(1, 200, 13), threshold=np.inf)
        >>> with memory.attached(model):
        ...     model(pairs).argmax(1).tolist()
        [5, 8]
    """

    hook: str
    changes: Float[Tensor, "shard neuron output"]
    threshold: float
    learnt: tuple[bool, ...] = ()

    def __repr__(self) -> str:
        return (
            f"SideMemory({self.hook}, {len(self.learnt)} edits, {sum(self.learnt)} of them learnt, "
            f"copies {len(self.changes)}, threshold {self.threshold:.3g})"
        )

    @contextmanager
    def attached(
        self, model: HookedModel, route: str | Bool[np.ndarray, " example"] = BY_SCORE
    ) -> Iterator[HookedModel]:
        """Run the network with the memory inside the block; its weights are never changed.

        Args:
            route: ``"by score"``; ``"always"``; or for each example of the batch True if it reads the memory.

        Raises:
            HookNameError: The model has no such site. ConfigError: its layer has another shape, or `route` is none.
        """
        layer = self.layer_of(model)
        with attached(layer, self.changes, self.threshold, route):
            yield model

    def scores(
        self, model: HookedModel, inputs: Tensor, batch_size: int | None = None
    ) -> Float[np.ndarray, " example *position"]:
        """The score of every example and position, from 0; the memory is read where it is above the threshold."""
        layer = self.layer_of(model)
        activations = layer_inputs(model, layer, inputs, batch_size)
        return side_scores(activations, self.changes).double().cpu().numpy()

    def reads(
        self, model: HookedModel, inputs: Tensor, batch_size: int | None = None
    ) -> Bool[np.ndarray, " example"]:
        """True for examples that read the memory at any position."""
        above = self.scores(model, inputs, batch_size) > self.threshold
        return np.asarray(above.reshape(len(above), -1).any(1))

    def layer_of(self, model: HookedModel) -> ValueLayer:
        """The model's layer that this memory belongs to.

        Raises:
            HookNameError: The model has no such site. ConfigError: its layer has another shape.
        """
        layer = value_layer(model, self.hook)
        if self.changes.ndim != 3 or not len(self.changes) or layer.weight.shape != self.changes.shape[1:]:
            raise ConfigError(
                f"the side memory is {tuple(self.changes.shape)} and the layer that reads {self.hook!r} is "
                f"{tuple(layer.weight.shape)}; attach it to a network of the shape that it was made for"
            )
        return layer

    def save(self, path: Path | str) -> None:
        """Write a safetensors file of the changes, with everything else in its header."""
        header = {
            "format": FORMAT,
            "hook": self.hook,
            "threshold": repr(float(self.threshold)),
            "learnt": "".join("01"[one] for one in self.learnt),
        }
        tensors = {"changes": self.changes.detach().cpu().contiguous()}
        write_whole(Path(path), lambda partial: save_tensors(tensors, partial, header))

    @classmethod
    def load(cls, path: Path | str) -> SideMemory:
        """Read a file that `save` wrote.

        Raises:
            CheckpointError: It is no such file.
        """
        with tensor_file(path) as opened:
            header = opened.metadata
            if header.get("format") != FORMAT or list(opened.tensors) != ["changes"]:
                raise CheckpointError(
                    f"{cut(str(path))} is no side memory; expected a file that SideMemory.save wrote"
                )
            changes = opened.whole()["changes"]
        try:
            threshold = float(header["threshold"])
            hook, learnt = header["hook"], tuple({"0": False, "1": True}[one] for one in header["learnt"])
        except (KeyError, ValueError) as error:
            raise CheckpointError(f"the header of {cut(str(path))} is spoilt: {error!r}") from None
        if (
            changes.ndim != 3
            or not len(changes)
            or not changes.is_floating_point()
            or not bool(changes.isfinite().all())
            or np.isnan(threshold)
            or threshold < 0
        ):
            raise CheckpointError(
                f"{cut(str(path))} holds a tensor of shape {tuple(changes.shape)} and the threshold {threshold}; "
                "expected one or more matrices of finite real numbers, and a number from 0"
            )
        return cls(hook, changes, threshold, learnt)


def side_scores(
    activations: Float[Tensor, "example *position neuron"], changes: Float[Tensor, "shard neuron output"]
) -> Float[Tensor, " example *position"]:
    """The norm of what a change of weights adds to the layer's output; the largest of several."""
    each = [torch.linalg.vector_norm(activations @ change.to(activations), dim=-1) for change in changes]
    return torch.stack(each).amax(0)


@contextmanager
def attached(
    layer: ValueLayer,
    changes: Float[Tensor, "shard neuron output"],
    threshold: float,
    route: str | Bool[np.ndarray, " example"] = BY_SCORE,
) -> Iterator[None]:
    """The same as `SideMemory.attached`, for a layer."""
    if isinstance(route, str) and route not in (BY_SCORE, ALWAYS):
        raise ConfigError(f"route={cut(route)} is none; expected {BY_SCORE!r}, {ALWAYS!r} or a mask")

    def routed(activations: Tensor, output: Tensor) -> Tensor:
        each = torch.stack([activations @ change.to(activations) for change in changes])
        scores, shard = torch.linalg.vector_norm(each, dim=-1).max(0)
        added = each.take_along_dim(shard[None, ..., None], 0)[0]
        if isinstance(route, str):
            reads = scores > threshold if route == BY_SCORE else torch.ones_like(scores, dtype=torch.bool)
        else:
            if len(route) != len(added):
                raise ConfigError(f"route has {len(route)} entries for {len(added)} examples")
            reads = torch.as_tensor(route, device=added.device).reshape(-1, *[1] * (added.ndim - 2))
        return torch.where(reads[..., None], output + added, output)

    with changed_output(layer, routed):
        yield
