"""Small networks that were trained, and pages of them that are really served."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest
from werkzeug.serving import make_server

from interp import MLPConfig, ModularTask, TrainConfig, train
from interp.checkpoints.options import OpenOptions
from interp.explorer import app_of
from interp.explorer.series import Scoring, scoring_of
from interp.explorer.session import Session
from interp.subject import open_subject

TASK = ModularTask("add", p=23, train_fraction=0.7, corrupt_fraction=0.2, seed=0)


@dataclass(frozen=True)
class Served:
    """A page that is served, and what it was made from."""

    url: str
    port: int
    session: Session
    scoring: Scoring | None
    folder: Path


@contextmanager
def served(path: Path, folder: Path) -> Iterator[Served]:
    """Serve the page of a checkpoint or a run in a thread, until the block ends."""
    session = Session(open_subject(path))
    scoring = scoring_of(path, OpenOptions())
    server = make_server("127.0.0.1", 0, lambda environment, start: [], threaded=True)
    opened = f"interp.load_checkpoint({str(path)!r})"
    app = app_of(session, scoring, folder=folder, opened=opened, host="127.0.0.1", port=server.port)
    server.app = app.server
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{server.port}/", server.port, session, scoring, folder)
    finally:
        if scoring is not None:
            scoring.stop()
        server.shutdown()
        thread.join()
        server.server_close()


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
