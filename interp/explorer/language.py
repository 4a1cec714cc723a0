"""The explorer of a language model: its sequences and a slider of removed neurons, served on this machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.errors import ConfigError
from interp.explorer.language_session import LanguageSession
from interp.explorer.server import LOCAL, check_server, listening, page_app, serve
from interp.language.opening import open_language_model
from interp.language.reading import read_sequences
from interp.language.sequences import Sequences, check_tokens
from interp.language.sites import NEURONS

if TYPE_CHECKING:
    from dash import Dash


def explore_language(
    model: Any,
    sequences: Sequences | Path | str,
    *,
    kind: str = NEURONS,
    most: int = 8,
    prompt_tokens: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    folder: Path | str = ".",
    host: str = LOCAL,
    port: int = 0,
    open_browser: bool = True,
    ready: Callable[[str], Any] = print,
) -> None:
    """Serve a page on which the memory of a language model is looked at and taken out, until Ctrl-C.

    Args:
        model: A path, a name on the hub or a model, as `interp.language.opening.open_language_model` takes it.
        sequences: A file of them, or sequences.
        kind: One of `interp.language.sites.KINDS`.
        most: Run at most so many sequences of a group, and as many unseen ones, at every change.
        prompt_tokens: Of every prompt, before those of the file.
        seed: Of random neurons.
        device: Where to compute.
        folder: Where edited models are saved.
        host: The address to listen at. Whoever reaches another one than this machine's own can use the page.
        port: The port; a free one if 0.
        open_browser: Open the page.
        ready: Given the page's address once it can be opened.

    Raises:
        CheckpointError: The model cannot be read. ConfigError: the sequences, address or folder cannot be used, or Dash
            is not installed.

    Example:
        ``explore_language("smollm2", "sequences.jsonl")``
    """
    check_server(Path(folder), port)
    if most < 2:
        raise ConfigError(
            f"{most} sequences of a group cannot be halved; expected at least 2 as the most to run"
        )
    with listening(host, port) as place:
        port = place.getsockname()[1]
        opened = open_language_model(model, device=device)
        if isinstance(sequences, Sequences):
            check_tokens(sequences, opened.vocab, opened.context)
        else:
            sequences = read_sequences(
                sequences,
                opened.tokenizer,
                prompt_tokens=prompt_tokens,
                vocab=opened.vocab,
                context=opened.context,
            )
        session = LanguageSession(opened, sequences, kind=kind, most=most, seed=seed)
        app = language_app(session, folder=Path(folder), host=host, port=port)
        serve(app, place, host, open_browser=open_browser, ready=ready)


def language_app(session: LanguageSession, *, folder: Path, host: str, port: int) -> Dash:
    """The page as a Dash app that answers at one host and port only; edited models are saved in `folder`."""
    from interp.explorer import language_page

    def connect(app: Dash) -> None:
        language_page.connect(app, session, folder)

    return page_app(partial(language_page.first, session), connect, host=host, port=port)
