"""Metrics of learning in sequence, from accuracies after each task."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def sequence_metrics(
    accuracy: Float[np.ndarray, "learnt task"], untrained: Float[np.ndarray, " task"]
) -> dict[str, float]:
    """Average accuracy, backward and forward transfer (arXiv 1706.08840), and forgetting (arXiv 1801.10112).

    Args:
        accuracy: Of each task (column) after learning each one (row).
        untrained: Of the network before the first task.

    Returns:
        ``average``: mean of the last row. ``backward``: mean over all but the last task of its last accuracy less that
        right after it was learnt. ``forward``: mean over all but the first of its accuracy right before it is learnt
        less that of the untrained network. ``forgetting``: mean over all but the last of its best accuracy since it was
        learnt, but for the last row, less its last. The last three are nan for a single task.

    Example:
        >>> sequence_metrics(np.array([[0.9, 0.1], [0.5, 0.9]]), np.array([0.1, 0.1]))
        {'average': 0.7, 'backward': -0.4, 'forward': 0.0, 'forgetting': 0.4}
    """
    last, n = accuracy[-1], len(accuracy)
    own = np.diagonal(accuracy)
    best = np.array([accuracy[task : n - 1, task].max() for task in range(n - 1)])
    values = {
        "average": last.mean(),
        "backward": (last - own)[:-1].mean() if n > 1 else np.nan,
        "forward": (np.diagonal(accuracy, 1) - untrained[1:]).mean() if n > 1 else np.nan,
        "forgetting": (best - last[:-1]).mean() if n > 1 else np.nan,
    }
    return {name: round(float(value), 12) for name, value in values.items()}
