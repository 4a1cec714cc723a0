"""The explorer's page as it is really served, and opened in a browser."""

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from werkzeug.serving import make_server

from interp.checkpoints.options import OpenOptions
from interp.explorer import app_of
from interp.explorer.language import language_app
from interp.explorer.language_session import LanguageSession
from interp.explorer.series import Scoring, scoring_of
from interp.explorer.session import Session
from interp.subject import open_subject

DRAWN = ".js-plotly-plot .main-svg"


@dataclass(frozen=True)
class Served:
    """A page that is served, and what it was made from."""

    url: str
    port: int
    session: Any
    scoring: Scoring | None
    folder: Path


@contextmanager
def served(path: Path, folder: Path) -> Iterator[Served]:
    """Serve the page of a checkpoint or a run in a thread, until the block ends."""
    session = Session(open_subject(path))
    scoring = scoring_of(path, OpenOptions())
    opened = f"interp.load_checkpoint({str(path)!r})"
    try:
        with serving(partial(app_of, session, scoring, folder=folder, opened=opened)) as port:
            yield Served(f"http://127.0.0.1:{port}/", port, session, scoring, folder)
    finally:
        if scoring is not None:
            scoring.stop()


@contextmanager
def served_language(session: LanguageSession, folder: Path) -> Iterator[Served]:
    """Serve the page of a language model in a thread, until the block ends."""
    with serving(partial(language_app, session, folder=folder)) as port:
        yield Served(f"http://127.0.0.1:{port}/", port, session, None, folder)


@contextmanager
def serving(app: Callable[..., Any]) -> Iterator[int]:
    """Serve an app that is made for a host and a port, at a free port that is given to the block."""
    server = make_server("127.0.0.1", 0, lambda environment, start: [], threaded=True)
    server.app = app(host="127.0.0.1", port=server.port).server
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def see(page: Any, served: Served) -> None:
    """Open the page and wait for its first figures."""
    page.goto(served.url)
    page.wait_for_selector(f"#scatter {DRAWN}")
    page.wait_for_selector("#accuracies .card")
    page.wait_for_selector(f"#map {DRAWN}")


UPDATE = "/_dash-update-component"


def ask(served, method="GET", path="/", *, host=None, body=None, **headers):
    """Status, headers and text of an answer; `host` in place of the server's own."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    connection.putrequest(method, path, skip_host=True)
    sent = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"Host": host or f"127.0.0.1:{served.port}", "Content-Length": str(len(sent or b"")), **headers}
    for name, value in named.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(sent)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.headers), text


def callback(output, inputs, state=(), changed=None):
    """The body of a callback as the page sends it."""
    as_sent = [{"id": name.split(".")[0], "property": name.split(".")[1], "value": v} for name, v in inputs]
    stated = [{"id": name.split(".")[0], "property": name.split(".")[1], "value": v} for name, v in state]
    names = output.strip(".").split("...")
    outputs = [{"id": name.split(".")[0], "property": name.split(".")[1]} for name in names]
    return {
        "output": output,
        "outputs": outputs if output.startswith("..") else outputs[0],
        "inputs": as_sent,
        "changedPropIds": [changed or inputs[0][0]],
        "state": stated,
    }
