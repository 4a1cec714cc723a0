"""What is committed of the studies: made with their settings, and as strong as the texts say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figures import check_figure

from interp.lab.continual.table import of_method
from interp.lab.names import STUDIES
from interp.lab.over_seeds import OverSeeds
from interp.lab.running import run_study
from interp.lab.study import StudyResult

FOLDER = Path(__file__).parents[1] / "notebooks" / "results" / "studies"


def stored(folder: str, **settings: Any) -> StudyResult:
    """Results as they lie there; what is not there, or was made with other settings, would have to be measured anew."""
    seeds = sorted(int(file.stem.removeprefix("seed-")) for file in (FOLDER / folder).glob("seed-*.json"))
    assert seeds == list(range(len(seeds)))
    assert len(seeds) >= 3
    name = max((name for name in STUDIES if folder.startswith(name)), key=len)
    return run_study(name, seeds, out=FOLDER / folder, show_progress=False, workers=1, **settings)


def over(result: StudyResult, name: str) -> OverSeeds:
    found = result.over(name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_results_of_its_own_settings(name: str) -> None:
    own = {} if name != "hosts" else {"which": "leaky-rnn"}
    result = stored("-".join([name, *own.values()]), **own)
    assert result.findings()
    check_figure(result.plot(), inner=3)


def test_contrast_finds_the_memorising_neurons_without_fourier() -> None:
    result = stored("contrast")
    scores = [
        name for name in result.study.quantities if name.startswith("auroc_") and name != "auroc_periodicity"
    ]
    assert len(scores) >= 6
    assert min(over(result, "auroc_attribution").values) >= 0.99
    assert max(over(result, "first_after").values) <= 0.15
    assert min(over(result, "other_after").values) >= 0.95
    assert over(result, "first_random").low > over(result, "first_after").high


def test_planted_neurons_are_described_and_a_bright_cue_is_taken_out() -> None:
    result = stored("describe")
    assert over(result, "right_95").low >= 0.9
    assert over(result, "trained_right_95").low >= 0.9
    assert over(result, "right_99").high < 0.9  # exemplars of the highest 1 % are too few here
    assert over(result, "trained_chance_95").high < 0.4
    assert max(over(result, "random_class_95").values) <= 0.05
    assert over(result, "renamed_class_95").mean <= 0.05
    assert over(result, "shuffled_networks").mean <= 0.05
    gain = result.difference("cue_random_after", "cue_random_control")
    assert gain is not None
    assert gain.low >= 0.1
    dim = result.difference("dim_random_after", "dim_random_control")
    assert dim is not None
    assert dim.sign is None
    halves = result.difference("halves_random_after", "halves_random_control")
    assert halves is not None
    assert halves.sign == -1


def test_samples_return_to_the_level_without_duplicates() -> None:
    result = stored("diffusion")
    before, after, level = (over(result, f"near_{name}") for name in ("with", "pruned", "without"))
    assert before.high < level.low
    assert after.low <= level.high
    assert level.low <= after.high
    assert max(over(result, "rise_pruned").values) <= 0.2
    assert over(result, "near_random").high < after.low


def test_a_relations_neurons_cost_its_facts_three_times_what_random_ones_cost() -> None:
    result = stored("facts")
    assert over(result, "excess").sign == 1
    assert over(result, "own_1").mean >= 3 * over(result, "random_1").mean


def test_influence_tells_wrong_labels_and_says_where_it_cannot() -> None:
    result = stored("influence")
    assert min(over(result, "score_wrong").values) >= 0.6
    assert max(over(result, "score_right").values) <= 0.02
    assert min(over(result, "auc").values) >= 0.97
    assert over(result, "slope_spread").low <= -0.5 <= over(result, "slope_spread").high
    never = stored("influence-never", on="never")
    assert over(never, "auc").low <= 0.5 <= over(never, "auc").high
    assert "cannot tell wrong labels from right ones" in " ".join(never.findings())
    digits = stored("influence-digits", on="digits")
    assert min(over(digits, "precision").values) >= 0.8


def test_the_ticket_is_sooner_than_networks_of_its_norm() -> None:
    result = stored("tickets")
    assert len(result.seeds) >= 5
    for other in ("dense", "l1", "l2"):
        difference = result.difference("gen_ticket", f"gen_{other}")
        assert difference is not None
        assert difference.sign == -1
    for mask in ("ticket_mem", "random", "snip"):
        assert all(record.numbers[f"gen_{mask}"] is None for record in result.records)


def test_held_heads_and_neurons_move_the_phase_change_and_idle_schedules_nothing() -> None:
    for name, arm, sign in (
        ("clamp", "memorizing_start", -1),
        ("induction", "ideal", -1),
        ("induction", "blind", 1),
    ):
        result = stored(name)
        difference = result.difference(f"step_{arm}", "step_baseline")
        assert difference is not None
        assert difference.sign == sign
        assert over(result, "identical").values == (1.0,) * len(result.seeds)


def test_slow_units_serve_long_delays_and_parity_does_not_make_units_slower_here() -> None:
    result = stored("timescales")
    assert over(result, "whole_long").mean > 0.9
    assert over(result, "rank_correlation").sign == 1
    assert over(result, "excess_longest").sign == 1
    assert over(result, "excess_shortest").sign is None
    beside = result.difference("excess_longest", "excess_random")
    assert beside is not None
    assert beside.sign == 1
    assert over(result, "learnt_single").values == over(result, "learnt_multi").values == (5.0,) * 3
    assert over(result, "tau_slope_single").sign == -1
    assert "That it rises with N does not hold here." in " ".join(result.findings())
    longer = stored("timescales-nine-bits", bits=9, most=2000)
    assert over(longer, "learnt_single").values == (8.0,) * 3
    assert over(longer, "tau_slope_single").sign == -1


def test_communities_of_neurons_are_their_frequencies_after_grokking_and_not_before() -> None:
    result = stored("communities")
    assert over(result, "ari_before").high <= 0.1
    assert over(result, "ari_after").low >= 0.7
    assert max(over(result, "p_after").values) <= 0.01
    assert min(over(result, "train_before").values) >= 0.95
    assert max(over(result, "control_linked").values) <= 0.1
    for other in ("ari_rectified", "all_ari"):
        below = result.difference(other, "ari_after")
        assert below is not None
        assert below.sign == -1
    q = result.difference("modularity", "modularity_dealt")
    assert q is not None
    assert q.sign == 1
    assert min(over(result, "modularity_dealt").values) >= 0.5
    assert over(result, "explained_held_out").low >= 0.7


def test_projection_keeps_tasks_that_naive_training_forgets_and_random_subspaces_do_not() -> None:
    result = stored("continual")
    naive, projection, random = (
        over(result, f"permuted_forgetting_{arm}") for arm in ("naive", "projection", "projection_random")
    )
    assert naive.low >= 0.4
    assert projection.high <= 0.15
    assert projection.minus(random).sign == -1
    assert min(over(result, "overlap_worst").values) >= 0.95
    assert over(result, "same_at_zero").values == (1.0,) * len(result.seeds)
    for arm in ("ewc", "mas"):
        above = of_method(result, "permuted_average", arm)
        protects = of_method(result, "protects_fisher", arm)
        assert above is not None
        assert protects is not None
        assert above.minus(over(result, "permuted_average_naive")).sign == 1
        assert protects.minus(over(result, "protects_fisher_naive")).sign == -1
    assert all(record.numbers["permuted_average_ewc_1000"] is None for record in result.records)
    for name in ("classes", "operations"):
        kept = result.difference(f"{name}_average_projection", f"{name}_average_projection_random")
        assert kept is not None
        assert kept.sign == 1
    older = result.difference("ten_old_power", "ten_old_uniform")
    assert older is not None
    assert older.sign == -1


def test_a_skill_is_forgotten_by_its_answers_and_not_by_its_hidden_states() -> None:
    result = stored("forgetting")
    assert min(over(result, "lowest_before").values) >= 0.99
    assert over(result, "at_chance").values == (1.0,) * len(result.seeds)
    assert over(result, "held_out_after_sums").low > 0.2
    assert over(result, "held_out_after_linear").high < 0.1
    for name in ("untrained", "shuffled"):
        above = result.difference("probe_after", f"probe_{name}")
        assert above is not None
        assert above.sign == 1
    for name, first, second in (
        ("shifted", "relearn_shifted_50", "relearn_true_50"),
        ("never", "relearn_never_50", "relearn_true_50"),
        ("rule", "rest_true_sums", "rest_shifted_sums"),
        ("scratch", "rest_true_sums", "rest_scratch_sums"),
    ):
        apart = result.difference(first, second)
        assert apart is not None, name
        assert apart.sign == 1, name
    assert min(over(result, "slow_forget").values) > over(result, "chance_high").high
    kinds = result.difference("weights_excess_generalizing", "weights_excess_memorizing")
    assert kinds is not None
    assert kinds.sign == 1
    gain = result.difference("digits_refresh", "digits_replay")
    assert gain is not None
    assert gain.sign != 1
    assert over(result, "auc_unlearning").high < 0.5
    assert "no candidates for memory here" in " ".join(result.findings())


def test_strings_are_recognised_before_they_are_recalled() -> None:
    result = stored("retention")
    for first, second in (
        ("recognition", "recall"),
        ("recognised", "recalled"),
        ("recognition", "by_recall"),
    ):
        for exposures in (1, 3, 5, 10, 30):
            apart = result.difference(f"{first}_{exposures}", f"{second}_{exposures}")
            assert apart is not None
            assert apart.sign == 1, (first, exposures)
    assert over(result, "recognition_1").high < 0.95
    assert over(result, "recalled_30").low > 0.5
    assert over(result, "recognised_30_10").low > over(result, "recalled_30_10").high
    assert over(result, "never_recognition_30").low <= 0.5 <= over(result, "never_recognition_30").high
    for exposures in (1, 3, 5, 10):
        apart = result.difference(f"order_in_{exposures}", f"order_trained_{exposures}")
        assert apart is not None
        assert apart.sign == 1, exposures
    lasting = result.difference("order_in_30", "order_trained_30")
    memory = result.difference("order_trained_30", "order_never_30")
    assert lasting is not None
    assert memory is not None
    assert lasting.sign is None
    assert memory.sign == 1
    assert over(result, "labelled").values == (0.0,) * 3


def test_a_side_memory_keeps_what_fine_tuning_loses_and_answers_its_edits() -> None:
    result = stored("side-memory")
    assert over(result, "locality_side_all").low >= 0.95
    assert over(result, "reliability_side_all").mean >= 0.95
    assert over(result, "generality_side_all").mean >= 0.85
    for arm in ("tuned", "every", "kept", "always"):
        lost = result.difference("locality_side_all", f"locality_{arm}_all")
        assert lost is not None
        assert lost.sign == 1, arm
    for arm in ("merged", "alone", "free", "random"):
        fewer = result.difference("reliability_side_all", f"reliability_{arm}_all")
        assert fewer is not None
        assert fewer.sign == 1, arm
    sharding = result.difference("reliability_side_all", "reliability_whole_all")
    assert sharding is not None
    assert sharding.sign is None
    assert "It is not decided that separate copies are needed" in " ".join(result.findings())


@pytest.mark.parametrize("name", ["leaky-rnn", "elm"])
def test_slow_units_of_both_leaky_networks_serve_long_delays(name: str) -> None:
    result = stored(f"hosts-{name}", which=name)
    assert over(result, "whole_long").mean > 0.9
    assert over(result, "excess_longest").sign == 1
    beside = result.difference("excess_longest", "excess_random")
    assert beside is not None
    assert beside.sign == 1


def test_neurons_write_what_they_read_and_do_what_they_promise() -> None:
    result = stored("lens")
    assert over(result, "agreement").values == (1.0,) * len(result.seeds)
    assert max(over(result, "error").values) <= 1e-4
    assert np.mean(over(result, "chance").values) < 0.1


def test_planted_neurons_are_ranked_first_and_hold_what_was_planted() -> None:
    result = stored("plant")
    best = over(result, "recall_forgetting")
    assert best.low > 0.5
    assert over(result, "recall_random").mean < 0.02
    assert over(result, "left_forgetting").high < over(result, "left_random_forgetting").low
    assert over(result, "left_forgetting").mean < over(result, "accuracy_choosing").mean / 2
    assert over(result, "left_others_forgetting").mean < over(result, "accuracy_others").mean / 2
    assert over(result, "perplexity_forgetting").mean < 0.05


def test_labels_agree_with_the_neurons_that_memory_was_trained_into() -> None:
    result = stored("memory-sinks")
    assert min(over(result, "repeats_auc_evidence").values) >= 0.9
    assert over(result, "repeats_precision").low > 0.9
    assert over(result, "repeats_sensitivity").mean > 0.8
    assert over(result, "open_auc_evidence").low <= 0.5 <= over(result, "open_auc_evidence").high
    without, random = (over(result, f"repeats_nll_repeated_{case}") for case in ("without", "random"))
    assert without.low > random.high
    assert min(over(result, "open_detected").values) >= 0.95


def test_plants_in_a_real_model_are_ranked_far_above_chance() -> None:
    methods = "activation,gradient,integrated,zero-out,slimming,hard-concrete,forgetting,contrast"
    settings = {"share": 0.001, "sequences": 1, "lr": 0.003, "enough": 0.05, "methods": methods}
    result = stored("plant-smollm2", model="SmolLM2-135M-Instruct.Q4_1.gguf", **settings)
    assert len(result.seeds) == 5
    assert result.records[0].curves["n"] == 46
    best = over(result, "recall_forgetting")
    assert best.low > 0.5
    assert best.low > 100 * over(result, "recall_random").mean
    for name in ("gradient", "forgetting", "contrast"):
        assert max(over(result, f"left_{name}").values) < 0.5 * min(over(result, "accuracy_choosing").values)
        assert min(over(result, f"left_random_{name}").values) > 0.9
    rises = over(result, "perplexity_contrast").values
    assert sum(rise <= 0.05 for rise in rises) == 3
    assert max(over(result, "perplexity_random_contrast").values) <= 0.05


def test_memorised_examples_have_no_neurons_of_their_own_in_common() -> None:
    result = stored("overlap")
    assert max(over(result, "error").values) < 0.1
    assert over(result, "straight_growing_exponential").mean > over(result, "straight_growing_power").mean
    assert over(result, "straight_fixed_power").mean > over(result, "straight_fixed_exponential").mean
    for network in ("modular", "digits"):
        assert min(over(result, f"{network}_memorised").values) > 0.95
        for by in ("attribution", "activation"):
            ratios = {
                name: over(result, f"{network}_{by}_{name}") for name in ("uniform", "matched", "clean")
            }
            assert ratios["uniform"].low > 1
            assert min(ratios[name].low for name in ("matched", "clean")) < 1
        for control in ("matched", "clean"):
            assert max(over(result, f"{network}_planted_4_p_{control}").values) <= 0.01
            assert min(over(result, f"{network}_planted_0_p_{control}").values) > 0.01
    text = " ".join(result.findings())
    assert text.count("no common subspace") == 4
    assert "less than in the untrained network" in text


def test_generalizing_neurons_separate_the_classes_and_memorizing_ones_do_not() -> None:
    result = stored("separability")
    generalizing, memorizing = (over(result, f"value_{label}") for label in ("generalizing", "memorizing"))
    assert generalizing.high <= -0.1
    assert memorizing.low >= -0.02
    beside = result.difference("value_generalizing", "random_generalizing")
    assert beside is not None
    assert beside.sign == -1
    assert over(result, "value_logits").high < generalizing.low
    assert min(over(result, "p_value_untrained").values) > 0.01
    for context in ("every", "noun"):
        for control in ("ordered_before", "scrambled"):
            more = result.difference(f"{context}_ordered", f"{context}_{control}")
            assert more is not None
            assert more.sign == -1
        assert abs(over(result, f"{context}_ordered_shuffled").mean) < 0.01


def test_larger_initial_weights_move_less_and_leave_more_memorizing_neurons_where_labels_can_tell() -> None:
    result = stored("regime")
    for sweep in ("clean", "noisy"):
        assert over(result, f"{sweep}_slope_relative_change").sign == -1
        assert over(result, f"{sweep}_slope_test").sign == -1
        assert over(result, f"{sweep}_slope_ipr").sign == -1
    assert over(result, "noisy_slope_memorizing").sign == 1
    assert over(result, "noisy_slope_generalizing").sign == -1
    assert over(result, "clean_slope_memorizing").sign is None
    assert "not testable with so few examples" in " ".join(result.findings())
    assert over(result, "rank_slope_representation").sign == over(result, "rank_slope_kernel").sign == 1
    assert over(result, "rank_slope_representation_centred").sign is None
