"""The state of an installation: versions, devices, threads, memory, cache folders, and packages that features lack."""

from __future__ import annotations

import os
import platform
import sys
import warnings
import webbrowser
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path
from typing import Any

from interp.memory import GIB, LIMIT, budget
from interp.threads import VARIABLES, paying
from probes.plugins import GROUPS, REASONS, PluginWarning, declared, load

NAME = "grokscope"
SHOWN = "torch", "transformer-lens", "numpy", "scikit-learn", "plotly", "pyarrow", "numba"
"""Packages whose versions are listed; others that are required are listed where they are missing or too old."""
FEATURES = {
    "the explorer": ("explore", ("dash", "dash-ag-grid")),
    "batch jobs on a Ray cluster": ("ray", ("ray",)),
    "language models in .gguf files": ("language", ("gguf",)),
    "the study of hosts on packages": ("hosts", ("snntorch", "ncps", "titans-pytorch")),
    "tables as pandas data frames": ("", ("pandas",)),
    "tables as polars data frames": ("", ("polars",)),
    "queries of stores in SQL": ("", ("duckdb",)),
    "figures as .png, .svg or .pdf": ("", ("kaleido",)),
}
"""Features that need packages which a plain installation leaves out: the extra that installs them, if any, and they."""


@dataclass(frozen=True)
class Check:
    """One line of an examination.

    Attributes:
        area: ``versions``, ``computing``, ``folders``, ``features`` or ``plugins``.
        state: ``ok``; ``missing`` for what a feature lacks, and for a plugin that is left out; ``broken`` for what all
            commands need.
        advice: The likely fix; empty where nothing is wrong.
    """

    area: str
    name: str
    state: str
    value: str
    advice: str = ""


def examine() -> list[Check]:
    """Examine this installation; nothing is installed, downloaded or changed.

    Returns:
        Checks in the order of their areas. The installation is usable if none is ``broken``.

    Example:
        >>> {check.state for check in examine() if check.area == "versions"}
        {'ok'}
    """
    versions = [*_versions()]
    broken = {check.name for check in versions if check.state == "broken"}
    computing = () if "torch" in broken else _computing()
    return [*versions, *computing, *_folders(), *_features(), *(() if broken else _plugins())]


def to_dict(checks: list[Check]) -> dict[str, Any]:
    """Checks ready for JSON, with one answer: ``usable``."""
    return {
        "usable": not any(check.state == "broken" for check in checks),
        "checks": [asdict(check) for check in checks],
    }


def _versions() -> Iterator[Check]:
    from packaging.requirements import Requirement

    yield Check("versions", NAME, "ok", f"{version(NAME)}, in {Path(__file__).parent}")
    yield Check("versions", "python", "ok", f"{platform.python_version()}, {sys.executable}")
    for line in requires(NAME) or ():
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        installed = _installed(wanted.name)
        if installed is None or not wanted.specifier.contains(installed, prereleases=True):
            value = installed or "not installed"
            yield Check("versions", wanted.name, "broken", value, f"pip install '{wanted}'")
        elif wanted.name in SHOWN:
            yield Check("versions", wanted.name, "ok", installed)


def _installed(package: str) -> str | None:
    try:
        return distribution(package).version
    except PackageNotFoundError:
        return None


def _computing() -> Iterator[Check]:
    import torch

    devices = ["cpu"]
    devices += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    yield Check("computing", "devices", "ok", ", ".join(devices))
    most, pays = torch.get_num_threads(), paying()
    reason = ", ".join(f"{name}={os.environ[name]}" for name in VARIABLES if os.environ.get(name))
    value = f"{most} of {os.cpu_count()} processors" + (f" ({reason})" if reason else "")
    slower = most > 1 and pays == 1
    busy = "several threads are no faster than one at this moment: another process is busy" if slower else ""
    yield Check("computing", "threads", "ok", value, busy)
    limit = f"{LIMIT}={os.environ[LIMIT]}" if os.environ.get(LIMIT) else f"{LIMIT} sets another limit"
    yield Check("computing", "memory", "ok", f"{budget() / GIB:.1f} GiB may be used ({limit})")


def _folders() -> Iterator[Check]:
    if _installed("numba") is not None:
        from interp.compiled import cache_folder

        compiled = os.environ.get("NUMBA_CACHE_DIR") or str(cache_folder(Path(__file__)).parent)
        yield _folder(
            "compiled functions", Path(compiled), "set NUMBA_CACHE_DIR to a folder that can be written"
        )
    if _installed("huggingface-hub") is not None:
        from huggingface_hub.constants import HF_HUB_CACHE

        yield _folder("language models (Hugging Face)", Path(HF_HUB_CACHE), "set HF_HOME to such a folder")


def _folder(name: str, folder: Path, advice: str) -> Check:
    """A cache folder, which need not be there as long as it can be made."""
    place = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not os.access(place, os.W_OK):
        return Check("folders", name, "missing", f"{folder} cannot be written", advice)
    return Check(
        "folders", name, "ok", str(folder) + ("" if folder.exists() else " (made when it is needed)")
    )


def _features() -> Iterator[Check]:
    for feature, (extra, packages) in FEATURES.items():
        lacking = [package for package in packages if _installed(package) is None]
        if lacking:
            command = f"'{NAME}[{extra}]'" if extra else " ".join(lacking)
            yield Check("features", feature, "missing", f"no {', '.join(lacking)}", f"pip install {command}")
        else:
            value = ", ".join(f"{package} {_installed(package)}" for package in packages)
            yield Check("features", feature, "ok", value)
    yield _browser()


def _browser() -> Check:
    try:
        browser: Any = webbrowser.get()
    except webbrowser.Error:
        advice = "open the address that grokscope explore prints in a browser of another machine"
        return Check("features", "opening pages", "missing", "no browser is known here", advice)
    return Check("features", "opening pages", "ok", str(getattr(browser, "name", type(browser).__name__)))


def _plugins() -> Iterator[Check]:
    """Additions of other packages, each of which is loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        for registry in ("probes.columns", "interp.modes", "interp.lab.names"):
            import_module(registry)
        import_module("interp.checkpoints.select").dialects()
        for group, path in GROUPS.items():
            module, _, name = path.rpartition(".")
            kind = getattr(import_module(module), name)
            for point in declared(group).values():
                if (group, point.name) not in REASONS:
                    load(point, kind)
                package = f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value
                reason = REASONS.get((group, point.name))
                title = f"{point.name} ({group.partition('.')[2]})"
                if reason is None:
                    yield Check("plugins", title, "ok", package)
                else:
                    yield Check(
                        "plugins", title, "missing", f"{package}: {reason}", f"update or remove {package}"
                    )
