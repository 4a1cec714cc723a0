"""What is distributed: both archives are whole, and the wheel works for a stranger."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest
from installed import ROOT, borrowing, clean, try_as_a_stranger

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PACKAGES = ("interp", "probes")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive of this tree, and the wheel that is built from that archive."""
    folder = tmp_path_factory.mktemp("dist")
    build(ROOT, folder)
    return folder


def build(source: Path, folder: Path, *kinds: str) -> None:
    """Run ``python -m build`` without a registry: hatchling is in the test extra."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), *kinds, str(source)]
    done = subprocess.run(command, capture_output=True, text=True, env=clean())
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (one,) = built.glob("*.whl")
    return one


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive as it is unpacked."""
    (archive,) = built.glob("*.tar.gz")
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    (tree,) = folder.iterdir()
    return tree


def kept() -> set[str]:
    """Files of this checkout that git keeps, or would if they were added; links lead out of it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout, so that there is no list of its files")
    names = filter(None, listed.stdout.split("\0"))
    return {name for name in names if (ROOT / name).is_file() and not (ROOT / name).is_symlink()}


def test_the_source_archive_has_every_file_of_the_checkout_and_no_other(unpacked: Path) -> None:
    files = {file.relative_to(unpacked).as_posix() for file in unpacked.rglob("*") if file.is_file()}
    assert files - {"PKG-INFO"} == kept()


def test_the_tests_of_the_source_archive_are_collected(unpacked: Path) -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests"]
    names = {**clean(), "PYTHONPATH": str(unpacked)}
    done = subprocess.run(command, cwd=unpacked, capture_output=True, text=True, env=names)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def test_the_wheel_is_the_same_from_the_archive_and_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    build(ROOT, tmp_path, "--wheel")
    (again,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as one, ZipFile(again) as other:
        assert {i.filename: i.CRC for i in one.infolist()} == {i.filename: i.CRC for i in other.infolist()}


def test_the_wheel_has_the_packages_with_their_data_and_nothing_else(wheel: Path) -> None:
    expected = {name for name in kept() if name.startswith(tuple(f"{package}/" for package in PACKAGES))}
    names = set(ZipFile(wheel).namelist())
    assert {name for name in names if ".dist-info/" not in name} == expected
    suffixes = {PurePosixPath(name).suffix for name in expected}
    assert {".css", ".js", ".jsonl", ".py", ".pyi", ".typed"} == suffixes - {".json", ".toml"}
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_works_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    try_as_a_stranger(borrowing(wheel, tmp_path / "environment", tmp_path / "work"))
