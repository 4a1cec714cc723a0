"""Memory that a training run takes, worked out from its settings before any of it is taken."""

from __future__ import annotations

from interp.data import ModularTask
from interp.memory import check_need
from interp.models import MLPConfig, Prompt, TransformerConfig
from interp.training.settings import TrainConfig

COPIES = 3
"""Arrays of logits and of activations that are held at once, measured at the peak of a run."""
STATES = 4
"""Numbers held for each weight: itself, its gradient, and two averages of that."""


def vocabulary(prompt: Prompt, p: int) -> int:
    """The number of tokens that a transformer with a prompt has on a task modulo p.

    Example:
        >>> vocabulary(Prompt.parse("a b =", p=7), 7)
        8
    """
    return 1 + max(n if column is None else p - 1 + n for column, n in prompt.slots)


def memory_of(
    task: ModularTask,
    shape: MLPConfig | TransformerConfig,
    config: TrainConfig,
    *,
    tokens: str | None = None,
) -> int:
    """Bytes at the peak of a run: of measuring all examples, or of an update, beside the weights.

    Args:
        task: What to train on; its examples are not made.
        shape: The network.
        config: How to train.
        tokens: A transformer's prompt; ``a b`` if None.

    Example:
        >>> memory_of(ModularTask(p=97), MLPConfig(), TrainConfig()) // 2**20
        68
    """
    p, examples = task.p, task.p**2
    trained = max(1, round(task.train_fraction * examples))
    batch = min(config.batch_size, trained) or trained
    weights, activations = _sizes(task, shape, tokens)
    targets = trained * p * (config.loss == "mse")
    measuring = COPIES * examples * (p + activations) + targets
    updating = COPIES * (batch * (p + activations) + targets)
    return 4 * (STATES * weights + max(measuring, updating))


def check_memory(
    task: ModularTask,
    shape: MLPConfig | TransformerConfig,
    config: TrainConfig,
    *,
    tokens: str | None = None,
) -> None:
    """Refuse, as a `ConfigError`, a run that needs more memory than the budget; arguments are those of `memory_of`."""
    check_need(
        memory_of(task, shape, config, tokens=tokens),
        f"training a network of {_sizes(task, shape, tokens)[0]:,} weights on {task.p**2:,} pairs modulo {task.p:,}",
        "take a smaller modulus or network",
    )


def _sizes(task: ModularTask, shape: MLPConfig | TransformerConfig, tokens: str | None) -> tuple[int, int]:
    """Weights, and activations of an example."""
    p = task.p
    if isinstance(shape, MLPConfig):
        return shape.n_weights(p, p), shape.width * (shape.depth - 1)
    prompt = Prompt.parse(tokens or "a b", p=p)
    weights = shape.n_weights(vocabulary(prompt, p), p, len(prompt))
    return weights, len(prompt) * shape.d_mlp * shape.n_layers
