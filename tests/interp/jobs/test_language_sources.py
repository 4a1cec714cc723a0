"""Where language models are."""

from pathlib import Path

import pytest
from language_models import saved

from interp.errors import CheckpointError, ConfigError
from interp.jobs.language_sources import digests_of, find_language_models, is_here, state_of, step_of


def folder(place: Path, config: str = '{"model_type": "llama"}') -> Path:
    place.mkdir(parents=True)
    (place / "config.json").write_text(config)
    return place


def test_folders_gguf_files_and_globs_are_listed_in_the_order_of_their_steps(tmp_path: Path) -> None:
    run = folder(tmp_path / "run")
    for step in (1000, 500):
        folder(run / f"checkpoint-{step}")
    (run / "logs").mkdir()
    (run / "model.gguf").write_bytes(b"GGUF")
    names = ["run", "checkpoint-500", "checkpoint-1000", "model.gguf"]
    assert sorted(Path(path).name for path in find_language_models([str(run)])) == sorted(names)
    some = find_language_models([f"{run}/checkpoint-*", f"{run}/checkpoint-500"])
    assert [Path(path).name for path in some] == ["checkpoint-500", "checkpoint-1000"]
    assert find_language_models([str(run / "logs"), str(run / "checkpoint-500")])[-1].endswith("500")


def test_nothing_and_the_hub_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no language model matches"):
        find_language_models([f"{tmp_path}/*"])
    with pytest.raises(ConfigError, match="not on this machine"):
        find_language_models(["hf://a/b"])


def test_the_step_is_the_trainers_or_the_names(tmp_path: Path) -> None:
    place = folder(tmp_path / "checkpoint-7")
    assert step_of(place) == 7
    (place / "trainer_state.json").write_text('{"global_step": 12}')
    assert step_of(place) == 12
    (place / "trainer_state.json").write_text('{"global_step": true}')
    assert step_of(place) == 7


def test_digests_change_with_what_decides_and_with_nothing_else(tmp_path: Path) -> None:
    place = saved(tmp_path / "model", tokenizer=True)
    before = digests_of(place), state_of(str(place))
    (place / "optimizer.pt").write_bytes(b"x")
    (place / "trainer_state.json").write_text("{}")
    assert (digests_of(place), state_of(str(place))) == before
    (place / "tokenizer_config.json").write_text("{}")
    weights, whole, size = digests_of(place)
    assert weights == before[0][0]
    assert whole != before[0][1]
    assert size == (place / "model.safetensors").stat().st_size
    assert state_of(str(place)) != before[1]
    with pytest.raises(CheckpointError, match="no weights"):
        digests_of(folder(tmp_path / "empty"))


def test_weights_alone_are_no_language_models(tmp_path: Path) -> None:
    (tmp_path / "net.safetensors").write_bytes(b"")
    assert not is_here(str(tmp_path / "net.safetensors"))
    assert not is_here("hf://a/b")
    assert is_here(str(folder(tmp_path / "model")))
