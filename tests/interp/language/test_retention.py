"""Retention over checkpoints: a language model that really learns sequences and is trained on, against loops."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from language_models import TEXT, VOCAB, tiny, word_tokenizer
from torch.nn.functional import cross_entropy
from typer.testing import CliRunner

import interp
from interp.cli import app
from interp.errors import CheckpointError, ConfigError
from interp.language.injections import injection_rows, injections_of
from interp.language.retention_records import Retention
from interp.language.small import small_language_model
from interp.output import framed
from interp.report.validating import problems, read_result

INJECTED_AT, STEPS = 40, (0, 40, 42, 44, 48, 56, 72)
PARTS = {"paraphrase": 1, "composition": 2}


def sequences() -> list[dict[str, Any]]:
    """Six that are injected and four controls, with a paraphrase that shares the answer."""
    generator = np.random.default_rng(5)
    rows: list[dict[str, Any]] = []
    for row in range(10):
        ids = generator.integers(0, VOCAB, 6)
        one: dict[str, Any] = {"ids": ids.tolist(), "prompt_tokens": 4, "step": [20, INJECTED_AT]}
        if row < 8:
            one["paraphrase"] = [*generator.integers(0, VOCAB, 3).tolist(), *ids[4:].tolist()]
        if row >= 6:
            one = {**one, "split": "control"}
            del one["step"]
        rows.append(one)
    return rows


@pytest.fixture(scope="module")
def series() -> dict[int, Any]:
    """Networks at steps of one training: random text, in which the sequences are for twenty updates."""
    import copy

    network, generator = small_language_model(VOCAB, layers=2, d_model=16, d_mlp=32), np.random.default_rng(0)
    network.train().requires_grad_(True)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    injected = torch.tensor([row["ids"] for row in sequences()[:6]])
    kept = {}
    for step in range(STEPS[-1] + 1):
        if step in STEPS:
            kept[step] = copy.deepcopy(network).eval()
        rows = torch.from_numpy(generator.integers(0, VOCAB, (8, 6)))
        if 20 <= step + 1 <= INJECTED_AT:
            rows = torch.cat([rows, injected])
        loss = cross_entropy(network(rows).logits[:, :-1].flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return kept


@pytest.fixture(scope="module")
def result(series: dict[int, Any]) -> Retention:
    return interp.retention(series, sequences(), window=10, neurons=True, share=0.1)


@torch.no_grad()
def log_probability(network: Any, ids: list[int], prompt: int) -> float:
    logits = network(torch.tensor([ids])).logits[0].log_softmax(-1)
    return float(np.mean([float(logits[place - 1, ids[place]]) for place in range(prompt, len(ids))]))


def test_values_are_those_of_one_pass_each(series: dict[int, Any], result: Retention) -> None:
    for row, one in enumerate(sequences()):
        for place, network in enumerate(series.values()):
            own = log_probability(network, one["ids"], 4)
            assert result.values["verbatim"][row, place] == pytest.approx(own, abs=1e-4)
            shown = result.values["paraphrase"][row, place]
            if "paraphrase" in one:
                assert shown == pytest.approx(log_probability(network, one["paraphrase"], 3), abs=1e-4)
            else:
                assert np.isnan(shown)
    assert "composition" not in result.depths


def test_the_table_is_that_of_a_loop(result: Retention) -> None:
    table, depth = result.table, result.depths["verbatim"]
    values = result.values["verbatim"]
    for row in range(6):
        window = [place for place, step in enumerate(STEPS) if 40 <= step <= 50]
        peak = max(window, key=lambda place: values[row, place])
        jump = values[row, peak] - values[row, 0]
        assert table["peak_step_verbatim"][row] == STEPS[peak]
        assert table["effectivity_verbatim"][row] == pytest.approx(jump)
        assert table["left_verbatim"][row] == pytest.approx((values[row, -1] - values[row, 0]) / jump)
        if len(STEPS) - 1 - peak >= 4:
            times = np.log(np.array(STEPS[peak + 1 :]) - STEPS[peak])
            slope = np.polyfit(times, (values[row, peak + 1 :] - values[row, 0]) / jump, 1)[0]
            assert table["slope_verbatim"][row] == pytest.approx(slope)
    assert depth.fitted[:6].any()
    assert not depth.fitted[6:].any()


def test_injected_sequences_are_told_from_controls_and_are_forgotten(result: Retention) -> None:
    text = " ".join(result.sentences)
    assert "6 injected sequences jumps by" in text
    assert "more than that of 4 controls" in text
    assert "not decidedly more than that of 4 controls" not in text.split("Paraphrase")[0]
    assert result.depths["verbatim"].decay is not None
    assert result.depths["verbatim"].decay.slope < 0
    assert "through the maxima of controls, verbatim" in text or result.depths["verbatim"].control is None


def test_neurons_are_measured_between_the_checkpoints_around_the_injection(result: Retention) -> None:
    assert result.neurons is not None
    assert result.neuron_steps is not None
    assert result.neuron_steps[0] == 0
    assert set(result.neuron_rows.tolist()) <= set(range(6))
    own, random = (result.neurons.carried["verbatim"][f"recovered_{one}"] for one in ("own", "random"))
    assert own is not None
    assert random is not None
    assert own > random
    assert "Neurons, verbatim" in " ".join(result.sentences)


def test_json_page_and_figure(result: Retention, tmp_path: Path) -> None:
    read = read_result(result.save(tmp_path / "r.json"))
    assert read == json.loads(json.dumps(framed("retention", result.to_dict())))
    assert problems(read) == []
    assert len(read["sequences"]) == 10
    assert read["decay"]["verbatim"]["slope"] == result.depths["verbatim"].decay.slope
    page = result.save(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Retention of injected sequences" in page
    assert result.save(tmp_path / "r.csv").read_text().count("\n") == 11
    figure, fit = result.plot(), result.depths["verbatim"].decay
    assert len(figure.data) >= 5
    drawn = next(trace for trace in figure.data if trace.line.dash == "dash")
    expected = fit.slope * (np.log(np.array(drawn.x, dtype=float)) - fit.life * np.log(10))
    np.testing.assert_allclose(np.array(drawn.y, dtype=float), expected, atol=1e-4)
    with pytest.raises(ConfigError, match="cannot write retention"):
        result.save(tmp_path / "r.txt")


def test_too_few_checkpoints_and_none_before_are_reasons(series: dict[int, Any]) -> None:
    few = {step: series[step] for step in (0, 40, 48)}
    shown = interp.retention(few, sequences())
    assert shown.depths["verbatim"].decay is None
    assert "not testable, because only 1 checkpoint comes after" in " ".join(shown.sentences)
    late = {step: series[step] for step in (42, 44, 48)}
    shown = interp.retention(late, sequences())
    assert "no sequence has a checkpoint before its injection" in shown.depths["verbatim"].reason
    assert any("no checkpoint before their injection" in note for note in shown.notes)


def test_rows_without_steps_are_looked_at_over_the_whole_series(series: dict[int, Any]) -> None:
    rows = [{name: value for name, value in row.items() if name != "step"} for row in sequences()[:3]]
    shown = interp.retention({step: series[step] for step in (0, 40, 56)}, rows)
    assert shown.last.tolist() == [-1] * 3
    assert shown.depths["verbatim"].peak.tolist() == (shown.values["verbatim"][:, 1:].argmax(1) + 1).tolist()
    assert any("have no step" in note for note in shown.notes)
    assert "without controls" in shown.sentences[0]


def test_one_sequence_has_no_interval_and_rows_that_are_not_measured_are_named(
    series: dict[int, Any],
) -> None:
    rows = sequences()[:2]
    one = {**rows[0], "step": INJECTED_AT}
    alone = interp.retention(series, [one], window=2, neurons=True)
    assert any("2 sequences on that rose; 1 did" in note for note in alone.notes)
    text = " ".join(alone.sentences)
    assert "of one sequence and thus without an interval" in text
    assert "nan" not in text
    assert "unbounded to unbounded" not in text
    other = {name: value for name, value in rows[1].items() if name != "paraphrase"}
    shown = interp.retention(series, [one, {**other, "step": STEPS[-1] + 1}], window=2)
    assert any("1 rows have no checkpoint from their last injection on" in note for note in shown.notes)
    assert shown.table["peak_step_paraphrase"][0] >= INJECTED_AT
    shown = interp.retention(series, [one, {**other, "step": INJECTED_AT}], window=2)
    assert shown.table["peak_step_paraphrase"][1] == -1


def test_a_network_of_another_kind_in_the_series_is_named(series: dict[int, Any]) -> None:
    other = small_language_model(12, layers=2, d_model=16, d_mlp=32)
    with pytest.raises(ConfigError, match="knows 12 tokens and the first checkpoint"):
        interp.retention({**series, STEPS[-1]: other}, sequences())


def test_tables_are_read_with_their_steps_and_probes(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    lines = (
        "text,step,paraphrase,split",
        'the cat sat on mat,"100, 50",a dog sat on mat,',
        "the dog ran,,,control",
    )
    file.write_text("\n".join(lines))
    rows, called = injection_rows(file)
    read = injections_of(rows, called, word_tokenizer(), prompt_tokens=2)
    assert read.steps == ((50, 100), ())
    assert read.control.tolist() == [False, True]
    assert read.probes["paraphrase"].prompt[0] == 2
    assert read.asked["paraphrase"].tolist() == [True, False]
    file.write_text('ids,paraphrase\n"[1, 2, 3]","[4, 5, 3]"\n')
    read = injections_of(*injection_rows(file))
    assert read.probes["paraphrase"].ids[0].tolist() == [4, 5, 3]
    for bad, message in (
        ({"ids": [1, 2], "step": -1}, "the step of row 0"),
        ({"ids": [1, 2], "step": "soon"}, "the step of row 0"),
        ({"ids": [1, 2], "paraphrase": [3], "step": 1}, "the column 'paraphrase'"),
        ({"ids": [1, 2], "paraphrase": [3, 4], "paraphrase_prompt_tokens": 2}, "a prompt of 2"),
        ({"txet": "a"}, "no column 'text' or 'ids'"),
        ({"ids": [1, 2], "steps": 4}, "did you mean 'step'"),
    ):
        with pytest.raises(ConfigError, match=message):
            injections_of(*injection_rows([bad]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A series on disk with a tokenizer beside the first checkpoint."""
    for step in (10, 20, 30):
        tiny().save_pretrained(tmp_path / "lm" / f"checkpoint-{step}")
    word_tokenizer().save_pretrained(tmp_path / "lm" / "checkpoint-10")
    return tmp_path / "lm"


def test_the_command_follows_texts_over_a_folder(folder: Path, tmp_path: Path) -> None:
    words = TEXT.split()
    rows = [{"text": " ".join(words[i : i + 6]), "step": 15} for i in range(3)]
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = [tmp_path / f"r.{kind}" for kind in ("json", "html", "parquet")]
    shown = CliRunner().invoke(
        app,
        ["retention", str(folder), "--sequences", str(file), "--json", str(files[0]), "--html", str(files[1]),
         "--parquet", str(files[2])],
        catch_exceptions=False,
    )  # fmt: skip
    assert shown.exit_code == 0, shown.output
    assert "not testable, because only 1 checkpoint" in " ".join(shown.output.split())
    read = read_result(files[0])
    assert problems(read) == []
    assert read["steps"] == [10, 20, 30]
    assert read["sequences"][0]["text"].startswith(rows[0]["text"][:10])
    assert all(one.is_file() for one in files)


def raised(kind: type[Exception], match: str, act: Callable[[], Any]) -> None:
    with pytest.raises(kind, match=match):
        act()


def test_errors_name_the_fix(folder: Path, tmp_path: Path) -> None:
    table = [{"ids": [1, 2, 3]}]
    raised(CheckpointError, "does not exist", lambda: interp.retention(tmp_path / "none", table))
    raised(CheckpointError, "holds no language models", lambda: interp.retention(tmp_path, table))
    one = folder / "checkpoint-10"
    raised(CheckpointError, "give the folder above it", lambda: interp.retention(one, table))
    raised(ConfigError, "there are no sequences", lambda: interp.retention(folder, []))
    raised(ConfigError, "window=-1", lambda: interp.retention(folder, table, window=-1))
    for file in one.glob("tokenizer*"):
        file.unlink()
    raised(
        ConfigError, "no checkpoint has a tokenizer", lambda: interp.retention(folder, [{"text": "a cat"}])
    )
    for step in (20, 30):
        (folder / f"checkpoint-{step}").rename(folder / f"last{'x' * step}")
    raised(CheckpointError, "the series has 1 checkpoint", lambda: interp.retention(folder, table))
    one.rename(folder / "first")
    raised(CheckpointError, "has a step in its name", lambda: interp.retention(folder, table))
