"""The Parquet dataset that a job fills: parts are added whole, and nothing in them changes but what is superseded.

A part's file in ``neurons/``, or ``sequences/``, is written before that in ``checkpoints/``, with which it exists; of
two rows of the same checkpoint under the same settings, the later part's holds.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from interp.errors import ConfigError, cut
from interp.files import open_file, parse_json, write_whole
from interp.held import held
from interp.jobs.columns import SCHEMA_VERSION, Identity, Result
from interp.jobs.schema import DETAILS, NAME, checkpoint_schema, checkpoint_table, detail_tables
from interp.parquet import buffered, read_parquet

ROW_GROUP = 2**18
PART = "part of a store"
REMEMBERED = ("checkpoint", "settings", "status", "key", "stamp")


class Known(NamedTuple):
    """A row that is stored already: whether it was measured, its key if it could be read, its stamp and its part."""

    ok: bool
    key: str | None
    stamp: str
    part: int


class Store:
    """The results of a job in a folder: read them with any Parquet reader, or here.

    Args:
        folder: Where it is. Nothing is created until something is added.

    Raises:
        ConfigError: The folder is a store of another version.

    Example:
        ``Store("scored").checkpoints.to_pandas()``, and
        ``Store("scored").neurons.to_table(columns=["checkpoint", "ipr"])``
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._check_version()

    @property
    def checkpoints(self) -> pa.Table:
        """One row a checkpoint, in the order of their paths."""
        schema = checkpoint_schema()
        parts = [read_parquet(file, PART, schema=schema) for file in self._files("checkpoints")]
        table = pa.concat_tables([schema.empty_table(), *parts])
        return table.sort_by([("checkpoint", "ascending"), ("settings", "ascending")])

    @property
    def neurons(self) -> ds.Dataset:
        """One row a neuron, read as it is needed."""
        return self._dataset("neurons")

    @property
    def sequences(self) -> ds.Dataset:
        """One row a sequence whose memory was measured, for each language model."""
        return self._dataset("sequences")

    def _dataset(self, kind: str) -> ds.Dataset:
        files, schema = [str(file) for file in self._files(kind)], DETAILS[kind].schema()
        for file in files:  # each is an ordinary one
            open_file(file, PART).close()
        return ds.dataset(files or schema.empty_table(), schema=schema, format="parquet" if files else None)

    def known(self) -> dict[Identity, Known]:
        """Every stored row's identity, with what tells whether it still holds."""
        rows: dict[Identity, Known] = {}
        for file in self._files("checkpoints"):
            columns = read_parquet(file, PART, columns=list(REMEMBERED)).to_pydict()
            for path, settings, status, key, stamp in zip(*map(columns.get, REMEMBERED), strict=True):
                rows[path, settings] = Known(status == "ok", key, stamp, _number(file))
        return rows

    def copied(self, part: int, identity: Identity, path: str, stamp: str) -> Result:
        """The result of a checkpoint that a part holds, for another path that has the same content."""
        name = f"part-{part:06d}.parquet"
        match = [("checkpoint", "=", identity[0]), ("settings", "=", identity[1])]
        row = read_parquet(self.folder / "checkpoints" / name, PART, filters=match).to_pylist()[0]
        moved = {"checkpoint": path, "series": str(PurePosixPath(path).parent), "stamp": stamp}
        details: dict[str, Any] = dict.fromkeys(DETAILS)
        for kind in DETAILS:
            if not (file := self.folder / kind / name).exists():
                continue
            table = read_parquet(file, PART, filters=match)
            columns = {
                column: values.to_numpy(zero_copy_only=False)
                for column, values in zip(table.column_names, table.combine_chunks().columns, strict=True)
                if values.null_count < len(values)
            }
            if len(table):
                details[kind] = {**columns, "checkpoint": path, "settings": identity[1]}
        return Result({**row, **moved}, **details)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one job, a `ConfigError` if another has it, and put in order what an earlier one left."""
        with held(self.folder), self._lock() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ConfigError(
                    f"another job is writing to {str(self.folder)!r}; wait for it, or choose another --out"
                ) from None
            self._tidy()
            yield

    def _lock(self) -> IO[str]:
        try:
            return (self.folder / ".lock").open("w")
        except OSError as error:
            message = f"cannot write to {str(self.folder)!r}: {error.strerror}; choose another place"
            raise ConfigError(message) from None

    def add(self, results: Sequence[Result]) -> None:
        """Store results as one part, on the disk before this returns; if it fails, nothing has changed."""
        if not results:
            return
        files = [file for kind in ("checkpoints", *DETAILS) for file in self._files(kind)]
        name = f"part-{1 + max(map(_number, files), default=0):06d}.parquet"
        for result in results:
            if result.page is not None:
                self.add_page(result.row["report"], result.page)
        for kind, detail in DETAILS.items():
            parts = [getattr(result, kind) for result in results if getattr(result, kind) is not None]
            if parts:
                self._write(
                    f"{kind}/{name}", _writer(detail_tables(detail, parts, ROW_GROUP), detail.schema())
                )
        rows = checkpoint_table([result.row for result in results])
        self._write(f"checkpoints/{name}", _writer([rows], rows.schema))

    def add_page(self, place: str, text: str) -> None:
        """Store a page under a name in the folder."""
        self._write(place, lambda part: part.write_text(text, encoding="utf-8"))

    def drop_superseded(self) -> None:
        """Remove rows that a later part has too, from checkpoints last, so that a kill in between loses nothing."""
        newest = {identity: known.part for identity, known in self.known().items()}
        for file in self._files("checkpoints"):
            number, rows = _number(file), read_parquet(file, PART, schema=checkpoint_schema())
            own = zip(rows["checkpoint"].to_pylist(), rows["settings"].to_pylist(), strict=True)
            kept = [newest[identity] == number for identity in own]
            if all(kept):
                continue
            gone = rows.filter(pa.array([not keep for keep in kept]))
            for kind, detail in DETAILS.items():
                if (part := self.folder / kind / file.name).exists():
                    self._rewrite(part, _without(read_parquet(part, PART, schema=detail.schema()), gone))
            self._rewrite(file, rows.filter(pa.array(kept)))

    def _rewrite(self, file: Path, table: pa.Table) -> None:
        if len(table):
            self._write(f"{file.parent.name}/{file.name}", _writer([table], table.schema))
        else:
            file.unlink()

    def _write(self, place: str, write: Any) -> None:
        try:
            write_whole(self.folder / place, write, durable=True)
        except ConfigError as error:
            raise ConfigError(
                f"{error}. What was stored before is complete; the same command goes on from there"
            ) from None

    def _files(self, kind: str) -> list[Path]:
        return sorted((self.folder / kind).glob("part-*.parquet"))

    def _tidy(self) -> None:
        """Remove what a killed job left: half-written files, rows whose checkpoints are not there, replaced ones."""
        finished = {file.name for file in self._files("checkpoints")}
        for folder in ("checkpoints", *DETAILS, "audits", "."):
            for half in (self.folder / folder).glob(".*.part"):
                half.unlink()
        for file in (file for kind in DETAILS for file in self._files(kind)):
            if file.name not in finished:
                file.unlink()
        self.drop_superseded()

    def _check_version(self) -> None:
        files = self._files("checkpoints")
        if not files:
            return
        try:
            described = pq.read_schema(buffered(files[-1], PART)).metadata or {}
            version = parse_json(described.get(b"grokscope", b"null"))
        except (OSError, pa.ArrowException, ValueError) as error:
            raise ConfigError(f"{str(files[-1])!r} is no part of a store: {error}") from None
        if version != SCHEMA_VERSION:
            raise ConfigError(
                f"{str(self.folder)!r} is a store of version {cut(version)}; this version of Grokscope writes "
                f"{SCHEMA_VERSION}. Choose another --out"
            )


def open_store(folder: Path | str) -> Store:
    """The results of a job.

    Raises:
        ConfigError: There are none in the folder, or they are of another version.
    """
    store = Store(folder)
    if not (store.folder / "checkpoints").is_dir():
        raise ConfigError(f"{str(folder)!r} holds no results of a job; expected a folder that was an --out")
    return store


def _writer(tables: Iterable[pa.Table], schema: pa.Schema) -> Any:
    """A function that writes tables one after another to a Parquet file, each as a row group."""
    schema = schema.with_metadata({"grokscope": json.dumps(SCHEMA_VERSION)})
    names = [field.name for field in schema if field.type == NAME]

    def write(part: Path) -> None:
        with pq.ParquetWriter(part, schema, compression="lz4", use_dictionary=names or True) as writer:
            for table in tables:
                writer.write_table(table.replace_schema_metadata(schema.metadata))

    return write


def _without(details: pa.Table, gone: pa.Table) -> pa.Table:
    names = ["checkpoint", "settings"]
    keys, own = (pa.table({name: rows[name].cast(pa.string()) for name in names}) for rows in (gone, details))
    own = own.append_column("row", pa.array(range(len(details)), pa.int64()))
    kept = own.join(keys, names, join_type="left anti")
    return details.take(kept["row"].combine_chunks().sort())


def _number(file: Path) -> int:
    return int(file.stem.removeprefix("part-"))
