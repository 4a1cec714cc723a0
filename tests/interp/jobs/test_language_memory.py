"""Memory of language models in a batch: rows of models and of sequences, resuming, failures, and the page."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from language_models import TEXT, saved, tiny, word_tokenizer

from interp.errors import ConfigError
from interp.jobs import batch, measure_checkpoint, open_store
from interp.jobs.language_memory import measured
from interp.jobs.settings import Settings
from interp.language.memory import memory_of
from interp.language.opening import open_language_model
from interp.language.reading import read_sequences
from interp.language.settings import LanguageSettings

SPLITS = ("trained", "held-out", "control")


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    rng, file = np.random.default_rng(0), tmp_path / "texts.jsonl"
    rows = [
        {"text": " ".join(rng.choice(TEXT.split(), 14)), "split": SPLITS[row % 3], "group": "g"}
        for row in range(9)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """A trainer's folder: two checkpoints, one that lacks its weights, and files of the trainer."""
    runs = tmp_path / "runs"
    for step, architecture in ((500, "llama"), (1000, "gpt2")):
        folder = saved(runs / f"checkpoint-{step}", architecture, tokenizer=True)
        (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}))
        (folder / "optimizer.pt").write_bytes(b"state")
    shutil.copytree(runs / "checkpoint-500", runs / "checkpoint-2000")
    (runs / "checkpoint-2000" / "model.safetensors").unlink()
    return runs


def job(series: Path, texts: Path, **more: Any) -> Any:
    return batch(
        str(series), series.parent / "out", measure="memory", sequences=str(texts), workers=1, **more
    )


def test_rows_hold_what_is_measured_of_each_model_alone(series: Path, texts: Path) -> None:
    result = job(series, texts)
    assert (result.done, result.failed) == (2, 1)
    rows = {Path(row["checkpoint"]).name: row for row in result.store.checkpoints.to_pylist()}
    assert "no weights" in rows["checkpoint-2000"]["error"]
    row = rows["checkpoint-1000"]
    model = open_language_model(tiny("gpt2"))
    sequences = read_sequences(texts, word_tokenizer())
    memory = memory_of(model, sequences, LanguageSettings(generate=False))
    assert (row["step"], row["dialect"], row["neurons"], row["sequences"]) == (1000, "transformers", 128, 9)
    for split in SPLITS:
        own, name = sequences.where(split=split), split.replace("-", "_")
        for stored, column in (("text_accuracy", "accuracy"), ("log_loss", "nll"), ("recalled", "recalled")):
            assert row[f"{stored}_{name}"] == pytest.approx(memory.table[column][own].mean(), abs=1e-6)
    assert sum(row["verdict_sequences"]) == 3
    trained, held = (memory.table["nll"][sequences.where(split=split)] for split in SPLITS[:2])
    assert row["loss_auc"] == pytest.approx(np.mean(trained[:, None] < held[None]))
    table = result.store.sequences.to_table().to_pylist()
    assert len(table) == 18
    own = [one for one in table if one["checkpoint"] == row["checkpoint"]]
    assert [one["verdict"] for one in own] == memory.table["verdict"].tolist()
    assert np.allclose([one["nll"] for one in own], memory.table["nll"], atol=1e-6)
    assert result.store.neurons.count_rows() == 0


def test_a_job_goes_on_and_measures_again_what_has_changed(series: Path, texts: Path) -> None:
    first = job(series, texts)
    assert job(series, texts).before == first.done
    (series / "checkpoint-500" / "trainer_state.json").write_text('{"global_step": 501}')
    assert job(series, texts).done == 0
    saved(series / "checkpoint-2000", "qwen2", tokenizer=True)
    again = job(series, texts)
    assert (again.done, again.before, again.failed) == (1, 2, 0)
    shutil.copytree(series / "checkpoint-1000", series / "copy-1")
    copied = job(series, texts)
    assert (copied.done, copied.before) == (0, 4)
    assert copied.store.sequences.count_rows() == 4 * 9
    texts.write_text(texts.read_text() + '{"text": "the cat sat on the mat"}\n')
    assert job(series, texts, force=True).done == 4
    assert {row["sequences"] for row in open_store(series.parent / "out").checkpoints.to_pylist()} == {9, 10}


def test_a_row_depends_on_nothing_but_the_file_and_the_settings(series: Path, texts: Path) -> None:
    settings = Settings("memory", sequences=str(texts), prompt_tokens=4)
    one, other = (measured(series / "checkpoint-500", settings) for _ in range(2))
    assert one.row == other.row
    assert all(
        np.array_equal(one.sequences[name], other.sequences[name]) for name in ("nll", "rank", "verdict")
    )
    assert set(one.sequences["prompt"]) == {4}


def test_the_page_shows_the_memory_and_no_names_as_markup(series: Path, texts: Path) -> None:
    (series / "checkpoint-500").rename(series / "<b>-500")
    page = job(series, texts).overview.read_text()
    assert "Memory of language models" in page
    assert "Recall against step" in page
    assert "<b>" not in page
    assert "IPR over checkpoints" not in page


def test_an_unusable_tokenizer_or_sequence_is_a_failed_row(series: Path, texts: Path) -> None:
    (series / "checkpoint-500" / "tokenizer.json").unlink()
    (series / "checkpoint-500" / "tokenizer_config.json").unlink()
    row = measure_checkpoint(str(series / "checkpoint-500"), Settings("memory", sequences=str(texts))).row
    assert (row["status"], row["error_type"]) == ("failed", "ConfigError")
    assert "no tokenizer" in row["error"]


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"measure": "memory"}, "--sequences FILE"),
        ({"measure": "labels", "sequences": "a.jsonl"}, "is of classifiers"),
        ({"prompt_tokens": 3}, "without sequences"),
        ({"measure": "memory", "sequences": "a.json"}, "should end in"),
        ({"measure": "memory", "sequences": "a.txt", "prompt_tokens": 0}, "below 1"),
        ({"measure": "memory", "sequences": "a.txt", "site": "x"}, "site says how a classifier is opened"),
    ],
)
def test_settings_that_do_not_fit_are_errors(settings: dict[str, Any], part: str) -> None:
    with pytest.raises(ConfigError, match=part):
        Settings(**settings)
