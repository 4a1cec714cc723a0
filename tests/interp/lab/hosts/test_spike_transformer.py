"""Simulation, attention graphs and predictions of the spike transformer, against counting by hand."""

from __future__ import annotations

import numpy as np
import torch
from by_hand.spike_transformer import forward

from interp.lab.hosts.host import host_called
from interp.lab.hosts.networks.spike_transformer import CONTEXT, EARLIEST, attention_graph
from interp.lab.hosts.simulated_spikes import NEURONS, auc, connections, follow_graph, simulate


def test_each_hub_drives_seven_others_and_nothing_else_drives() -> None:
    graph = connections(np.random.default_rng(0))
    assert graph[:3].sum(1).tolist() == [7, 7, 7]
    assert not graph[3:].any()
    assert not graph[:, :3].any()


def test_counting_the_simulated_spikes_returns_the_graph() -> None:
    draws = np.random.default_rng(0)
    graph = connections(draws)
    tokens = simulate(graph, 3000, draws)
    assert tokens.min() == 0
    assert tokens.max() == NEURONS - 1
    assert auc(follow_graph(tokens), graph)[1] > 0.98
    silent = simulate(np.zeros_like(graph), 3000, draws)
    assert len(silent) < len(tokens)
    assert abs(auc(follow_graph(silent), graph)[1] - 0.5) < 0.3


def test_the_graph_of_attention_is_the_mean_over_pairs_of_tokens() -> None:
    generator = torch.Generator().manual_seed(0)
    patterns = torch.rand(2, CONTEXT, CONTEXT, generator=generator)
    sources = torch.randint(NEURONS, (2, CONTEXT), generator=generator)
    targets = torch.randint(NEURONS, (2, CONTEXT), generator=generator)
    values: dict[tuple[int, int], list[float]] = {}
    for example in range(2):
        for query in range(EARLIEST, CONTEXT):
            for key in range(query + 1):
                pair = int(sources[example, key]), int(targets[example, query])
                values.setdefault(pair, []).append(float(patterns[example, query, key]))
    expected = np.zeros((NEURONS, NEURONS))
    for pair, each in values.items():
        expected[pair] = np.mean(each)
    assert np.allclose(attention_graph(patterns, sources, targets), expected, atol=1e-5)


def test_a_perfect_and_a_blind_estimate_have_areas_of_one_and_a_half() -> None:
    graph = connections(np.random.default_rng(0))
    assert auc(graph.astype(float), graph) == (1.0, 1.0)
    assert auc(np.zeros(graph.shape), graph) == (0.5, 0.5)


def test_predictions_do_not_see_the_future_and_are_the_forward_pass_by_hand() -> None:
    host = host_called("spike-transformer")
    network, tokens = host.build(0), host.example()
    with torch.no_grad():
        before = network.predictions(tokens)
        assert torch.equal(network(tokens), before[:, -1])
        assert torch.allclose(
            network(tokens), forward(network, tokens, lambda site, step, value: value), atol=1e-6
        )
        later = tokens.clone()
        later[:, 6:] = (later[:, 6:] + 1) % 10
        assert torch.equal(network.predictions(later)[:, :6], before[:, :6])
