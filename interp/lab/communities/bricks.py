"""Bricks of networks with several functions: what each function loses without each brick."""

from __future__ import annotations

from typing import Any

from interp.analysis.bricks import Bricks, bricks
from interp.lab.communities.functions import digits_subject, operations_subject
from interp.lab.study import StudyResult

NETWORKS = {"operations": "four operations, 64 neurons", "digits": "classes of digits, 100 neurons"}
OPERATIONS_WIDTH, DIGITS_WIDTH = 64, 100
"""Few neurons for the operations: with 256 no function loses anything without a brick."""
SHARE = "{:.1%}".format
TARGET = 3.0
"""Times that a brick's own function is expected to lose as much as the others."""

QUANTITIES = {
    f"bricks_{network}_{name}": f"bricks, {network}: {words}"
    for network in NETWORKS
    for name, words in {
        "whole": "accuracy with all neurons",
        "own": "accuracy that a brick's own function loses",
        "others": "accuracy that the others lose",
        "ratio": "ratio of the two",
        "random_own": "random partitions: own function loses",
        "random_others": "random partitions: the others lose",
        "random_ratio": "random partitions: ratio of the two",
        "loss_ratio": "ratio by cross-entropy",
        "random_loss_ratio": "random partitions: ratio by cross-entropy",
        "modularity": "modularity",
        "modularity_random": "modularity of random partitions",
    }.items()
}


def measure_bricks(seed: int) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Numbers of one seed, and the ablation matrix of each network."""
    numbers: dict[str, float | None] = {}
    curves: dict[str, Any] = {}
    operations, functions = operations_subject(seed, OPERATIONS_WIDTH)
    digits, _ = digits_subject(seed, DIGITS_WIDTH)
    results = {"operations": bricks(operations, functions=functions), "digits": bricks(digits)}
    for network, result in results.items():
        numbers |= {f"bricks_{network}_{name}": value for name, value in _numbers(result).items()}
        curves[network] = {
            "functions": list(result.functions),
            "own": result.own.tolist(),
            "lost": result.lost.round(4).tolist(),
            "p_value": result.p_value,
        }
    return numbers, curves


def _numbers(result: Bricks) -> dict[str, float | None]:
    own, others = (float(one) for one in result.random_lost.mean(0))
    loss_own, loss_others = (float(one) for one in result.random_loss.mean(0))
    return {
        "whole": float(result.whole.mean()),
        "own": result.own_lost,
        "others": result.others_lost,
        "ratio": result.ratio,
        "random_own": own,
        "random_others": others,
        "random_ratio": own / others if others > 0 else None,
        "loss_ratio": result.loss_ratio,
        "random_loss_ratio": loss_own / loss_others if loss_others > 0 else None,
        "modularity": result.modularity,
        "modularity_random": float(result.modularity_random.mean()),
    }


def bricks_findings(result: StudyResult) -> list[str]:
    """Losses of a brick's own function beside the others, and beside random partitions, in each network."""
    return [_finding(result, network, words) for network, words in NETWORKS.items()]


def _finding(result: StudyResult, network: str, words: str) -> str:
    prefix = f"bricks_{network}_"
    over = result.all_over(*(prefix + name for name in ("own", "others", "random_own", "random_others")))
    modularity = result.all_over(prefix + "modularity", prefix + "modularity_random")
    ratio, random = result.over(prefix + "ratio"), result.over(prefix + "random_ratio")
    assert over is not None
    assert modularity is not None
    own, others, random_own, random_others = (one.words(SHARE) for one in over)
    more = over[0].minus(over[1]).minus(over[2].minus(over[3]))
    specific = more.verdict("more", "less", "not decidedly more")
    times = "in some seed the others lose nothing, so there is no ratio"
    if ratio is not None:
        reached = (
            "reaches" if ratio.low >= TARGET else "does not reach" if ratio.high < TARGET else "may reach"
        )
        by_chance = "not known" if random is None else random.words("{:.1f}".format)
        times = (
            f"{ratio.words('{:.1f}'.format)} times as much, which {reached} the expected {TARGET:g} times; random "
            f"partitions, whose own functions are chosen in the same way: {by_chance} times"
        )
    q, q_random = (one.words("{:.2f}".format) for one in modularity)
    return (
        f"Bricks, {words}: a brick's own function, chosen on other examples, loses {own} of accuracy without it, the "
        f"others {others} ({times}). The difference is {specific} than in random partitions ({random_own} and "
        f"{random_others}). Modularity is {q} (random partitions {q_random})."
    )
