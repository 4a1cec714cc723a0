"""The explorer's page as it is really served, and opened in a browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from werkzeug.serving import make_server

from interp.checkpoints.options import OpenOptions
from interp.explorer import app_of
from interp.explorer.series import Scoring, scoring_of
from interp.explorer.session import Session
from interp.subject import open_subject

DRAWN = ".js-plotly-plot .main-svg"


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


def see(page: Any, served: Served) -> None:
    """Open the page and wait for its first figures."""
    page.goto(served.url)
    page.wait_for_selector(f"#scatter {DRAWN}")
    page.wait_for_selector("#accuracies .card")
    page.wait_for_selector(f"#map {DRAWN}")
