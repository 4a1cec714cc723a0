"""The explorer as a server on this machine: opened, guarded, and stopped by Ctrl-C."""

from __future__ import annotations

import logging
import socket
import webbrowser
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from interp.audit import model_settings, task_settings
from interp.checkpoints.options import OpenOptions
from interp.errors import ConfigError, GrokscopeError, cut
from interp.explorer.guard import EVERYWHERE, LOG, guard
from interp.explorer.series import Scoring, scoring_of
from interp.explorer.session import Session
from interp.files import check_place
from interp.subject import Subject, open_subject

if TYPE_CHECKING:
    from dash import Dash

HERE = Path(__file__).parent
HIGHEST_PORT = 65535
LOCAL = "127.0.0.1"


def app_of(
    session: Session, scoring: Scoring | None, *, folder: Path, opened: str, host: str, port: int
) -> Dash:
    """The page as a Dash app that answers at one host and port only.

    Args:
        scoring: The training run that the network is the last of, if any.
        folder: Where edited networks are saved.
        opened: The call that opens the checkpoint, for scripts.
    """
    from interp.explorer import page

    def connect(app: Dash) -> None:
        page.connect(app, session, scoring, folder, opened)

    return page_app(page.first(session, header_of(session.subject)), connect, host=host, port=port)


def page_app(layout: Any, connect: Callable[[Dash], None], *, host: str, port: int) -> Dash:
    """A page of this package as a Dash app that answers at one host and port only.

    Args:
        layout: All that is on the page at first.
        connect: Defines its callbacks.
    """
    import dash

    from interp.report.page import STYLE

    def failed(error: Exception) -> None:
        known = isinstance(error, GrokscopeError)
        if not known:
            LOG.warning("the page sent something that cannot be used", exc_info=error)
        message = str(error) if known else f"this cannot be shown ({type(error).__name__})"
        dash.set_props("message", {"children": message})

    app = dash.Dash(
        "grokscope",
        title="Grokscope explorer",
        update_title="",
        assets_folder=str(HERE / "assets"),
        meta_tags=[{"name": "color-scheme", "content": "light dark"}],
        on_error=failed,
        suppress_callback_exceptions=True,
        add_log_handler=False,
    )
    style = STYLE.read_text(encoding="utf-8") + (HERE / "explorer.css").read_text(encoding="utf-8")
    whole = app.index_string.replace("<html>", '<html lang="en">')
    app.index_string = whole.replace("{%css%}", f"{{%css%}}\n<style>\n{style}</style>")
    app.layout = layout
    connect(app)
    guard(app, host, port)
    return app


def header_of(subject: Subject) -> str:
    """The checkpoint, task and network in words."""
    from interp.report.wording import model_sentence, task_sentence

    source = subject.source
    task = task_settings(subject.task, subject.corrupt_fraction)
    model = model_settings(subject.model, subject.cached)
    described: Any = SimpleNamespace(task=task, model=model, table=subject.table)
    step = "" if source.step is None else f", step {source.step}"
    where = f"{source.path or 'a model in memory'} ({source.dialect}{step})"
    return f"{where}: {task_sentence(described)}; {model_sentence(described)}"


def explore(
    path: Path | str,
    options: OpenOptions | None = None,
    *,
    site: str | None = None,
    seed: int = 0,
    most: int = 60,
    folder: Path | str = ".",
    host: str = LOCAL,
    port: int = 0,
    open_browser: bool = True,
    ready: Callable[[str], Any] = print,
) -> None:
    """Serve a page on which a network's neurons can be looked at and changed, until Ctrl-C.

    Args:
        path: A checkpoint file, or a folder (its last is opened; of a training run all are shown).
        options: What the checkpoint does not say of itself.
        site: Hook name of the neurons; the model's last site if None.
        seed: Of all draws.
        most: Score at most so many checkpoints of a training run.
        folder: Where edited networks are saved.
        host: The address to listen at. Whoever reaches another one than this machine's own can use the page.
        port: The port; a free one if 0.
        open_browser: Open the page.
        ready: Told the page's address once it can be opened.

    Raises:
        CheckpointError: The checkpoint cannot be read. ConfigError: the address or folder cannot be used, or Dash is
            not installed.

    Example:
        ``interp.explore("runs/r0")``
    """
    check_server(Path(folder), port)
    if most < 2:
        raise ConfigError(f"{most} checkpoints make no series; expected at least 2 as the most to score")
    options = options or OpenOptions()
    with listening(host, port) as place:
        port = place.getsockname()[1]
        session = Session(open_subject(path, options, site=site, seed=seed))
        scoring = scoring_of(Path(path), options, site=site, seed=seed, most=most)
        try:
            app = app_of(
                session, scoring, folder=Path(folder), opened=_call(path, options), host=host, port=port
            )
            serve(app, place, host, open_browser=open_browser, ready=ready)
        finally:
            if scoring is not None:
                scoring.stop()


def serve(
    app: Dash, at: socket.socket, host: str, *, open_browser: bool, ready: Callable[[str], Any]
) -> None:
    """Serve an app at a socket that listens, until Ctrl-C; `ready` is given the page's address."""
    from werkzeug.serving import make_server

    port = at.getsockname()[1]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    name = LOCAL if host in EVERYWHERE else f"[{host}]" if ":" in host else host
    url = f"http://{name}:{port}/"
    with make_server(host, port, app.server, threaded=True, fd=at.fileno()) as server:
        ready(url)
        if open_browser:
            webbrowser.open(url)
        server.serve_forever()


def check_server(folder: Path, port: int) -> None:
    """Refuse, before anything is opened, what cannot work."""
    try:
        import dash_ag_grid  # noqa: F401
    except ImportError:
        raise ConfigError(
            "the explorer needs Dash, which is not installed; install it with pip install 'grokscope[explore]'"
        ) from None
    if not 0 <= port <= HIGHEST_PORT:
        raise ConfigError(f"there is no port {port}; expected 0 (any free one) to {HIGHEST_PORT}")
    if not folder.is_dir():
        raise ConfigError(f"edited networks cannot be saved in {str(folder)!r}: there is no such folder")
    check_place(folder / "edited")


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that the port is known, or refused, before any work is done."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((host, port), family=family, dualstack_ipv6=both)
    except (OSError, ValueError) as error:  # a name with a part of more than 63 letters is the latter
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot listen at {cut(host)}, port {port}: {reason}") from None


def _call(path: Path | str, options: OpenOptions) -> str:
    listed = "".join(
        f", {name}={str(v) if isinstance(v, Path) else v!r}" for name, v in options.given.items()
    )
    return f"interp.load_checkpoint({str(path)!r}{listed})"
