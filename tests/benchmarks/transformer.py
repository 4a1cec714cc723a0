"""What an audit's measurements cost on a 512-neuron transformer with p=113, as ratios of one run.

python tests/benchmarks/transformer.py
"""

from __future__ import annotations

import resource
from time import perf_counter

import numpy as np
import torch

from interp.data import ModularTask
from interp.interventions import ablate
from interp.measuring.cached_pass import cached_pass
from interp.measuring.curves import measure_curve
from interp.measuring.evaluation import evaluate
from interp.models import Prompt, SmallTransformer, TransformerConfig
from interp.scoring.evidence import measure_evidence, questions_of

TASK = ModularTask("add", 113, train_fraction=0.3, corrupt_fraction=0.1, corrupt="wrong")
SITE, WIDTH, HOOKED = "blocks.0.mlp.hook_post", 512, 3
SHAPES = {
    "linear rest": TransformerConfig(causal=True),
    "layer norm after the site": TransformerConfig(causal=True, norm="layer", bias=True),
    "another layer after the site": TransformerConfig(causal=True, n_layers=2),
    "another layer and layer norms": TransformerConfig(causal=True, n_layers=2, norm="layer", bias=True),
}


def seconds(work: object, repeats: int = 3) -> float:
    """Shortest of several runs."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return min(times)


def main() -> None:
    """Print one line a shape."""
    data = TASK.dataset
    for name, config in SHAPES.items():
        model = SmallTransformer(config, 114, 113, Prompt.parse("a b =", p=113)).eval()

        def hooked(model: SmallTransformer = model) -> None:
            with ablate(model, [3], site=SITE):
                evaluate(model, TASK)

        with torch.no_grad():
            forward = seconds(lambda model=model: model(data.inputs))
            by_hooks = seconds(hooked, HOOKED)
        cached = cached_pass(model, TASK, site=SITE)
        measure_curve(cached, np.arange(WIDTH), n_random=0)
        measure_evidence(cached, [questions_of(cached)], 0)
        effects = seconds(lambda cached=cached: measure_evidence(cached, [questions_of(cached)], 0), 2)
        curves = seconds(lambda cached=cached: measure_curve(cached, np.arange(WIDTH), n_random=1), 1)
        points = 2 * (len(measure_curve(cached, np.arange(WIDTH), n_random=0).removed) - 1)
        print(
            f"{name}: forward pass {forward:.3f} s; effects and evidence of {WIDTH} neurons {effects:.2f} s, "
            f"{WIDTH * by_hooks / effects:.0f} times faster than hooks; a curve and a random one of {points} points "
            f"{curves:.2f} s, {points * by_hooks / curves:.0f} times faster than hooks"
        )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
