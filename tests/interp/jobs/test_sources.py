"""Which checkpoints paths, globs, folders and URLs mean, and what tells that one has changed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import fsspec
import pytest
import torch

from interp.checkpoints.configs import settings_beside
from interp.errors import CheckpointError, ConfigError
from interp.jobs.sources import content_of, fetched, find_sources, passed_over, stamp_of


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(file.name.encode())


def names(found: list[str], folder: Path) -> list[str]:
    return [os.path.relpath(path, folder) for path in found]


def test_a_folder_means_all_weights_below_it_in_order(tmp_path: Path) -> None:
    touch(*(tmp_path / f"run/{i}.pth" for i in (10, 9, 100)), tmp_path / "run/deep/a.safetensors")
    touch(
        *(
            tmp_path / "run" / name
            for name in ("notes.txt", "train_data.pth", ".half.pt", "resume.safetensors")
        )
    )
    found = names(find_sources([str(tmp_path)]), tmp_path)
    assert found == ["run/9.pth", "run/10.pth", "run/100.pth", "run/deep/a.safetensors"]


def test_shards_are_one_checkpoint(tmp_path: Path) -> None:
    touch(
        *(tmp_path / f"big-0000{i}-of-00002.safetensors" for i in (1, 2)),
        tmp_path / "alone-00001-of-00002.pt",
    )
    touch(tmp_path / "big.safetensors.index.json", tmp_path / "big.json")
    assert names(find_sources([str(tmp_path)]), tmp_path) == [
        "big.safetensors.index.json",
        "alone-00001-of-00002.pt",
    ]


def test_what_a_trainer_leaves_beside_weights_is_passed_over_and_counted(tmp_path: Path) -> None:
    left = (
        "optimizer.pt",
        "scheduler.pt",
        "rng_state_0.pth",
        "rng_state_1.pth",
        "training_args.bin",
        "resume.safetensors",
    )
    touch(
        *(
            tmp_path / "checkpoint-40" / name
            for name in ("model.safetensors", "pytorch_model-1.bin", "notes.txt", *left)
        )
    )
    found = names(find_sources([str(tmp_path)]), tmp_path)
    assert sorted(found) == ["checkpoint-40/model.safetensors", "checkpoint-40/pytorch_model-1.bin"]
    assert sorted(Path(path).name for path in passed_over([str(tmp_path)])) == sorted(left)
    assert passed_over([str(tmp_path / "checkpoint-40" / "optimizer.pt"), "s3://bucket/run"]) == []


def test_globs_names_with_brackets_and_repetitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a[1].pt", tmp_path / "a1.pt", tmp_path / "b/c.pt")
    assert names(find_sources([str(tmp_path / "a[1].pt")]), tmp_path) == ["a[1].pt"]
    assert names(find_sources([str(tmp_path / "a*.pt"), str(tmp_path / "a1.pt")]), tmp_path) == [
        "a[1].pt",
        "a1.pt",
    ]
    assert names(find_sources([str(tmp_path / "**/c.pt")]), tmp_path) == ["b/c.pt"]
    monkeypatch.chdir(tmp_path)
    assert find_sources(["b"]) == [str(tmp_path / "b" / "c.pt")]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_sources(["~/a1.pt"]) == [str(tmp_path / "a1.pt")]


def test_a_missing_file_is_kept_unless_nothing_is_there(tmp_path: Path) -> None:
    touch(tmp_path / "a.pt")
    assert len(find_sources([str(tmp_path / "a.pt"), str(tmp_path / "gone.pt")])) == 2
    for nothing in ([str(tmp_path / "gone.pt")], [str(tmp_path / "*.bin")], []):
        with pytest.raises(ConfigError, match="no checkpoint matches"):
            find_sources(nothing)


def test_a_stamp_changes_with_the_file_and_what_lies_beside_it(tmp_path: Path) -> None:
    file, beside = tmp_path / "a.safetensors", tmp_path / "a.json"
    touch(file)
    stamps = [stamp_of(str(file))]
    assert stamp_of(str(file)) == stamps[0]
    for change in (lambda: touch(beside), lambda: file.write_bytes(b"other"), lambda: file.chmod(0o600)):
        change()
        stamps.append(stamp_of(str(file)))
    assert len(set(stamps)) == 4
    assert stamp_of(str(tmp_path / "gone")) == ""


def test_the_digest_is_sha256_of_the_weights_and_the_content_has_the_settings_too(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    touch(file)
    with fetched(str(file)) as plain:
        assert (plain.digest, plain.size) == (hashlib.sha256(b"a.safetensors").hexdigest(), 13)
        assert (plain.data, plain.beside) == (b"a.safetensors", b"")
    (tmp_path / "a.json").write_text("{}")
    with fetched(str(file)) as described:
        assert (described.digest, described.beside) == (plain.digest, b"{}")
        assert described.content != plain.content
    assert content_of(str(file)) == described.content
    assert content_of(str(tmp_path / "gone.pt")) is None


def test_the_digest_of_shards_is_that_of_all_of_them(tmp_path: Path) -> None:
    touch(tmp_path / "b-1.safetensors", tmp_path / "b-2.safetensors")
    index = tmp_path / "b.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": "b-2.safetensors", "y": "b-1.safetensors"}}))
    with fetched(str(index)) as found:
        assert found.digest == hashlib.sha256(b"b-1.safetensorsb-2.safetensors").hexdigest()
        assert found.data is None
    (tmp_path / "b-2.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"there is no file .*b-2\.safetensors"), fetched(str(index)):
        pass


@pytest.fixture
def store() -> str:
    """A folder in a store that is not this machine's file system."""
    system = fsspec.filesystem("memory")
    system.pipe({"/bucket/r/2.pt": b"two", "/bucket/r/10.safetensors": b"ten", "/bucket/r/10.json": b"{}"})
    yield "memory://bucket"
    system.rm("/bucket", recursive=True)


def test_other_stores_are_listed_and_fetched(store: str) -> None:
    both = ["memory:///bucket/r/2.pt", "memory:///bucket/r/10.safetensors"]
    assert find_sources([store]) == both
    assert find_sources([f"{store}/r/*.pt"]) == both[:1]
    assert find_sources([f"{store}/r/2.pt"]) == both[:1]
    with fetched(both[1]) as found:
        assert (found.path.read_bytes(), found.beside, found.path.name) == (b"ten", b"{}", "10.safetensors")
    assert not found.path.exists()
    assert stamp_of(both[0]) != ""


def test_what_another_store_does_not_have(store: str) -> None:
    with (
        pytest.raises(CheckpointError, match=r"cannot fetch 'memory://bucket/gone\.pt'"),
        fetched(f"{store}/gone.pt"),
    ):
        pass
    with pytest.raises(ConfigError, match=r"cannot open 'nowhere://bucket/a\.pt'"):
        find_sources(["nowhere://bucket/a.pt"])


def test_a_name_that_is_no_text_is_refused_once_it_is_opened(tmp_path: Path) -> None:
    (tmp_path / "é ok.pt").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.pt")).write_bytes(b"")
    bad, good = find_sources([str(tmp_path)])
    assert good.endswith("é ok.pt")
    with pytest.raises(CheckpointError, match="no valid UTF-8"), fetched(bad):
        pass


def test_a_changed_configuration_of_any_name_changes_stamp_and_content(tmp_path: Path) -> None:
    file = tmp_path / "checkpoints" / "model_7f.pt"
    file.parent.mkdir()
    torch.save({"W": torch.ones(2, 3)}, file)
    seen = [(stamp_of(str(file)), content_of(str(file)))]
    for place, text in {
        "checkpoints/config_7f.json": '{"p": 59}',
        "checkpoints/model_7f.json": '{"act_fn": "relu"}',
        "hparams.yaml": "lr: 0.1",
        "checkpoints/cfg.toml": "width = 3",
    }.items():
        (tmp_path / place).write_text(text)
        seen.append((stamp_of(str(file)), content_of(str(file))))
    assert len({stamp for stamp, _ in seen}) == len({content for _, content in seen}) == 5
    (tmp_path / "checkpoints" / "losses.json").write_text('{"final": 3}')  # no configuration
    assert (stamp_of(str(file)), content_of(str(file))) == seen[-1]


def test_a_native_checkpoint_has_no_other_configuration_than_its_own(tmp_path: Path) -> None:
    file = tmp_path / "step-00000001.safetensors"
    touch(file)
    file.with_suffix(".json").write_text('{"format": "grokscope-1"}')
    before = stamp_of(str(file)), content_of(str(file))
    (tmp_path / "config.json").write_text('{"p": 59}')
    assert (stamp_of(str(file)), content_of(str(file))) == before


def test_every_configuration_and_shard_of_a_store_is_fetched(tmp_path: Path) -> None:
    files = {
        "run/hparams.yaml": b"act_fn: gelu",
        "run/checkpoints/config_7f.json": b'{"p": 59}',
        "run/checkpoints/notes.txt": b"",
        "run/checkpoints/model_7f.safetensors.index.json": b'{"weight_map": {"x": "a.safetensors"}}',
        "run/checkpoints/a.safetensors": b"a",
    }
    system = fsspec.filesystem("memory")
    system.pipe({f"/bucket/{name}": content for name, content in files.items()})
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    index = "run/checkpoints/model_7f.safetensors.index.json"
    stamp = stamp_of(f"memory://bucket/{index}")
    try:
        with fetched(f"memory://bucket/{index}") as here, fetched(str(tmp_path / index)) as local:
            assert settings_beside(here.path)[0] == {"p": 59, "act_fn": "gelu"}
            assert (here.content, here.digest, here.size) == (local.content, local.digest, 1)
        system.pipe({"/bucket/run/hparams.yaml": b"act_fn: relu"})
        assert stamp_of(f"memory://bucket/{index}") != stamp
    finally:
        system.rm("/bucket", recursive=True)
