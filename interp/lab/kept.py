"""Records of a study's seeds in a folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from interp.errors import ConfigError
from interp.files import check_place, read_json, write_json
from interp.lab.study import Record, Study


class KeptRecords:
    """Records of seeds in a folder, each of which is written whole once it is there."""

    def __init__(self, folder: Path | None, study: Study, settings: dict[str, Any]) -> None:
        self.folder, self.names = folder, set(study.quantities)
        self.origin = json.loads(json.dumps({"study": study.name, "settings": settings}))
        if folder is not None:
            check_place(folder / "seed.json")

    def read(self, seed: int) -> Record | None:
        """The record of a seed, None if there is none; a `ConfigError` if it is of another study or settings."""
        file = None if self.folder is None else self.folder / f"seed-{seed}.json"
        if file is None or not file.exists():
            return None
        try:
            stored = read_json(file, dict)
            same = {key: stored[key] for key in self.origin} == self.origin
            record = Record(stored["numbers"], stored["curves"])
            same = same and not self.names - set(record.numbers)
        except (ConfigError, TypeError, KeyError):
            raise ConfigError(f"{str(file)!r} is no study's result; choose another folder") from None
        if not same:
            raise ConfigError(
                f"{str(file)!r} was made by another study or with other settings; choose another folder, or delete it"
            )
        return record

    def write(self, seed: int, record: Record) -> Record:
        """Keep the record of a seed, and give it back."""
        if self.folder is not None:
            write_json(self.folder / f"seed-{seed}.json", {**self.origin, "seed": seed, **asdict(record)})
        return record
