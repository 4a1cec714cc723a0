"""Small networks that were trained, and pages of them that are really served."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving import Served, served

from interp import MLPConfig, ModularTask, TrainConfig, train

TASK = ModularTask("add", p=23, train_fraction=0.7, corrupt_fraction=0.2, seed=0)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training run of three checkpoints, whose network has learnt a part of everything."""
    out = tmp_path_factory.mktemp("explored") / "run"
    config = TrainConfig(steps=300, save_every=150, lr=0.01)
    train(TASK, MLPConfig(width=60), config, out=out, show_progress=False)
    return out


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Served]]:
    """Serve pages that are shared by the tests of a file."""
    pages: dict[Path, tuple[object, Served]] = {}

    def get(path: Path) -> Served:
        if path not in pages:
            context = served(path, tmp_path_factory.mktemp("saved"))
            pages[path] = context, context.__enter__()
        return pages[path][1]

    yield get
    for context, _ in pages.values():
        context.__exit__(None, None, None)
