"""Training several networks of one shape as one computation: each learns exactly what it would learn alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from itertools import groupby
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from interp.errors import ConfigError
from interp.held import held
from interp.models import HookedMLP
from interp.models.layers import ACTIVATIONS
from interp.progress import Report, silent
from interp.safeguards import deferred_interrupt, flushed_denormals, kept_memory
from interp.training.single import TrainResult, result_of
from interp.training.state import TrainingRun, optimizer_for

MAY_DIFFER = ("seed", "weight_decay")  # settings in which networks trained together may differ


class MLPStack:
    """Networks of one shape whose weights are slices of common tensors, so that all are computed at once.

    They are on one device and keep their own names, hooks and state; changes of the common tensors change them too.

    Example:
        >>> from interp.models import MLPConfig
        >>> models = [HookedMLP(MLPConfig(width=6), vocab=5, seed=seed) for seed in range(3)]
        >>> MLPStack(models)(torch.tensor([[[1, 2]]]).expand(3, 1, 2)).shape
        torch.Size([3, 1, 5])
    """

    def __init__(self, models: Sequence[HookedMLP]) -> None:
        self.models = list(models)
        self.parameters = {
            name: _joined([model.get_parameter(name) for model in models]).requires_grad_()
            for name, _ in models[0].named_parameters()
        }
        self.buffers = {
            name: _joined([model.get_buffer(name) for model in models])
            for name, _ in models[0].named_buffers()
            if name.endswith(("running_mean", "running_var"))
        }
        config = models[0].config
        self.activation, self.norm, self.depth = ACTIVATIONS[config.activation], config.norm, config.depth

    def release(self) -> None:
        """Give every network tensors of its own again."""
        for model in self.models:
            for tensor in (*model.parameters(), *model.buffers()):
                tensor.data = tensor.data.clone()

    def __call__(
        self, inputs: Int[Tensor, "network example token"]
    ) -> Float[Tensor, "network example output"]:
        """Logits in training mode, each network's of its own examples."""
        x = self._embedded(inputs)
        for layer in range(self.depth - 1):
            if layer:
                x = self._linear(x, f"blocks.{layer}.linear", "in")
            x = self._normed(self.activation(self._dropped(x, layer)), layer)
        return self._linear(x, "unembed", "U")

    def _embedded(self, inputs: Tensor) -> Tensor:
        tables = self.parameters["embed.W_E"]
        stack, n_tables, vocab, width = tables.shape
        first = torch.arange(stack, device=inputs.device)[:, None, None] * (n_tables * vocab)
        rows = inputs + self.models[0].embed.offsets + first
        x = F.embedding_bag(rows.flatten(0, 1), tables.view(-1, width), mode="sum").view(stack, -1, width)
        bias = self.parameters.get("embed.b_E")
        return x if bias is None else x + bias[:, None]

    def _linear(self, x: Tensor, place: str, suffix: str) -> Tensor:
        weight, bias = (self.parameters.get(f"{place}.{kind}_{suffix}") for kind in ("W", "b"))
        assert weight is not None
        return torch.bmm(x, weight) if bias is None else torch.baddbmm(bias[:, None], x, weight)

    def _dropped(self, x: Tensor, layer: int) -> Tensor:
        dropouts = [model.layers[layer].mlp.dropout for model in self.models]
        if not dropouts[0].rate:
            return x
        return torch.stack([dropout(own) for dropout, own in zip(dropouts, x, strict=True)])

    def _normed(self, x: Tensor, layer: int) -> Tensor:
        if self.norm == "none":
            return x
        place = f"blocks.{layer}.mlp.norm"
        weight, bias = self.parameters[f"{place}.weight"], self.parameters[f"{place}.bias"]
        if self.norm == "layer":
            return F.layer_norm(x, x.shape[-1:]) * weight[:, None] + bias[:, None]
        means, variances = (self.buffers[f"{place}.running_{name}"] for name in ("mean", "var"))
        stack, n, width = x.shape
        for model in self.models:
            model.layers[layer].mlp.norm.num_batches_tracked.add_(1)  # type: ignore[union-attr, operator]
        flat = x.transpose(0, 1).reshape(n, stack * width)  # every neuron of every network is a channel
        running, affine = (means.view(-1), variances.view(-1)), (weight.flatten(), bias.flatten())
        return F.batch_norm(flat, *running, *affine, training=True).view(n, stack, width).transpose(0, 1)


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    """One tensor with a leading axis, of which each of `tensors` becomes a slice."""
    joint = torch.stack([tensor.detach() for tensor in tensors])
    for tensor, own in zip(tensors, joint, strict=True):
        tensor.data = own
    return joint


def train_together(runs: Iterable[TrainingRun], report: Report = silent) -> list[TrainResult]:
    """Train networks of one shape as one computation, from where each run stands until it ends.

    Every network has its own task, seed, weight decay and series; each is stored, ends and can be resumed, here or
    alone, as if it were trained alone. The numbers differ from those by rounding only. Ctrl-C ends all after the
    current step. The report is of the sum of all steps done.

    Args:
        runs: From `interp.training.prepare`: multi-layer perceptrons of one shape with as many training examples each,
            whose settings differ in `MAY_DIFFER` only.

    Raises:
        ConfigError: The runs cannot be trained together, or one diverges.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import MLPConfig
        >>> from interp.training import TrainConfig, prepare
        >>> tasks = [ModularTask("add", p=7, train_fraction=0.8, seed=seed) for seed in (0, 1)]
        >>> runs = [prepare(task, MLPConfig(width=16), TrainConfig(steps=2, seed=task.seed)) for task in tasks]
        >>> [result.step for result in train_together(runs)]
        [2, 2]
    """
    runs = list(runs)
    _check_alike(runs)
    with ExitStack() as stack, flushed_denormals(), kept_memory(), deferred_interrupt() as interrupted:
        for run in runs:
            stack.enter_context(held(run.folder))
        tell = lambda step=0, note="": report(sum(run.step for run in runs), note)  # noqa: E731
        for run in runs:
            run.begin(tell)
        waiting = sorted((run for run in runs if not run.ended), key=lambda run: run.step)
        for _, same in groupby(waiting, lambda run: run.step):
            left = list(same)
            while left and not interrupted():
                _Stack(left).advance(tell, interrupted)
                left = [run for run in left if not run.ended]
    return [result_of(run) for run in runs]


def _check_alike(runs: Sequence[TrainingRun]) -> None:
    alike: dict[str, Any] = {}
    for run in runs:
        if not isinstance(run.model, HookedMLP) or run.model.config.activation == "custom":
            raise ConfigError(f"a {type(run.model).__name__} cannot be trained together with others")
        own = {**run.settings["model"], **run.settings["training"], "training examples": run.batches.n}
        alike = alike or {name: value for name, value in own.items() if name not in MAY_DIFFER}
        for name, value in alike.items():
            if own[name] != value:
                raise ConfigError(
                    f"networks that are trained together must be alike, but {name} is {value!r} in one and "
                    f"{own[name]!r} in another"
                )


class _Stack:
    """Runs at the same step, and the optimiser of their common tensors."""

    def __init__(self, runs: Sequence[TrainingRun]) -> None:
        self.runs, self.config, self.step = runs, runs[0].config, runs[0].step
        self.network = MLPStack([run.model for run in runs])  # type: ignore[misc]
        self.parameters = list(self.network.parameters.values())
        decay = torch.tensor([run.config.weight_decay for run in runs], device=self.parameters[0].device)
        self.decay = [decay.view(-1, *(1,) * (p.ndim - 1)) for p in self.parameters]
        self.decays = bool(decay.any())
        self.optimizer = optimizer_for(self.parameters, self.config, 0.0)
        self._take_state()
        self.whole = None if runs[0].batches.size else self._batch()

    def advance(self, report: Report, interrupted: Any) -> None:
        """Train until one of the runs ends, and give each its own state back."""
        while not any(run.ended for run in self.runs) and not interrupted():
            self._update()
            if self.runs[0].due() or interrupted():
                stopping = interrupted()
                self._give_state()
                for run in self.runs:
                    run.measure_and_save(report, interrupted=stopping)
        self._give_state()
        self.network.release()

    def _update(self) -> None:
        lr = self.config.lr_at(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        for run in self.runs:
            run.seed_dropout()
            run.model.train()
        inputs, labels, targets = self.whole or self._batch()
        logits = self.network(inputs)
        if targets is not None:
            loss = F.mse_loss(logits, targets, reduction="sum") / targets[0].numel()
        else:
            loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum") / labels.shape[1]
        self.optimizer.zero_grad()
        loss.backward()
        if self.decays:
            self._decay(lr)
        self.optimizer.step()
        self.step += 1
        for run in self.runs:
            run.step = self.step

    @torch.no_grad()
    def _decay(self, lr: float) -> None:
        """Weight decay of each network's own strength, as its optimiser alone would apply it."""
        for parameter, decay in zip(self.parameters, self.decay, strict=True):
            if self.config.optimizer == "sgd":
                parameter.grad.addcmul_(parameter, decay)  # type: ignore[union-attr]
            else:
                parameter.mul_(1 - lr * decay)

    def _batch(self) -> tuple[Tensor, Tensor, Tensor | None]:
        inputs, labels, targets = zip(*(run.batches.at(self.step) for run in self.runs), strict=True)
        joined = None if targets[0] is None else torch.stack(targets)
        return torch.stack(inputs), torch.stack(labels), joined

    def _take_state(self) -> None:
        """The optimiser's state from those of the runs, if they have any yet."""
        for i, parameter in enumerate(self.parameters):
            states = [
                run.optimizer.state.get(run.optimizer.param_groups[0]["params"][i]) for run in self.runs
            ]
            if states[0]:
                self.optimizer.state[parameter] = {
                    key: value.clone() if value.ndim == 0 else torch.stack([state[key] for state in states])  # type: ignore[index]
                    for key, value in states[0].items()
                }

    def _give_state(self) -> None:
        for i, parameter in enumerate(self.parameters):
            state = self.optimizer.state.get(parameter, {})
            for place, run in enumerate(self.runs):
                run.optimizer.state[run.optimizer.param_groups[0]["params"][i]] = {
                    key: value.clone() if value.ndim == 0 else value[place].clone()
                    for key, value in state.items()
                }
