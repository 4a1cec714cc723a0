"""Compiled inner loops: numba's functions, kept in a cache of the user's, and called by several threads at once.

Compiling takes seconds and is done once for each version of a source file. Kernels are compiled for one thread, in half
the time that numba's parallel loops take, and leave the interpreter to others while they run.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numba
from numba.core import event

from interp.progress import progress

Function = Callable[..., Any]


def compiled(**how: Any) -> Callable[[Function], Any]:
    """A decorator that compiles a function when it is first called, and keeps the result on the disk.

    The place is that of the environment variable NUMBA_CACHE_DIR, else `cache_folder`, else numba's own choice; where
    none of them can be written to, the function is compiled again in every process. Arguments are those of numba.njit.

    Example:
        >>> @compiled(fastmath=True)
        ... def doubled(x):
        ...     return 2 * x
        >>> doubled(4)
        8
    """
    compile_one = partial(numba.njit, nogil=True, no_cfunc_wrapper=True, **how)

    def compile_cached(function: Function) -> Any:
        with _cached_in(cache_folder(Path(function.__code__.co_filename))):
            try:
                kernel = compile_one(cache=True)(function)
                _occasions[function] = "once per installation"
            except RuntimeError:  # numba's word for no place that can be written to
                kernel = compile_one(function)
                _occasions[function] = "as no folder keeps them"
        return kernel

    return compile_cached


def in_parts(kernel: Function, n_parts: int, *arguments: Any) -> None:
    """Call ``kernel(part, n_parts, *arguments)`` for each part, in as many threads.

    The kernel writes what it computes into arguments, each part in a place of its own. An error is raised at once:
    parts that run then are not waited for, and those that have not begun never do.

    Example:
        >>> import numpy as np
        >>> @compiled()
        ... def squares(part, n_parts, out):
        ...     for i in range(part, len(out), n_parts):
        ...         out[i] = i * i
        >>> out = np.zeros(5)
        >>> in_parts(squares, 2, out)
        >>> out.tolist()
        [0.0, 1.0, 4.0, 9.0, 16.0]
    """
    if n_parts == 1:
        kernel(0, 1, *arguments)
        return
    pool = ThreadPoolExecutor(n_parts - 1)
    try:
        others = [pool.submit(kernel, part, n_parts, *arguments) for part in range(1, n_parts)]
        kernel(0, n_parts, *arguments)
        for other in as_completed(others):
            other.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@lru_cache
def cache_folder(source: Path) -> Path:
    """The folder of the compiled functions of a source file; another one if any file beside it changes.

    Functions may call those of neighbouring files, which numba does not look at to see what is stale.
    """
    digest = hashlib.sha256()
    for file in sorted(source.parent.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return _user_cache() / "grokscope" / digest.hexdigest()[:16]


def _user_cache() -> Path:
    """Where the system keeps what programs can make again, of this user."""
    home = Path(os.path.expanduser("~"))
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    if sys.platform == "darwin":
        return home / "Library" / "Caches"
    given = os.environ.get("XDG_CACHE_HOME", "")
    return Path(given) if os.path.isabs(given) else home / ".cache"


@contextmanager
def _cached_in(folder: Path) -> Iterator[None]:
    """Let numba keep what is declared meanwhile in a folder, unless its own variable names another."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = before or str(folder)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


class _Announcement(event.Listener):
    """Says that kernels are compiled, as long as it takes."""

    def __init__(self) -> None:
        self.depth, self.shown = 0, ExitStack()

    def on_start(self, event: Any) -> None:
        occasion = _occasions.get(event.data["dispatcher"].py_func)
        if self.depth == 0 and occasion is not None:
            self.shown.enter_context(progress(f"compiling kernels, {occasion}"))
        self.depth += 1

    def on_end(self, event: Any) -> None:
        self.depth -= 1
        if self.depth == 0:
            self.shown.close()


_occasions: dict[Function, str] = {}
"""When each of our functions is compiled."""
event.register("numba:compile", _Announcement())
