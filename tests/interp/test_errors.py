"""Errors that say what was wrong and what exists."""

import pytest

from interp import errors
from interp.errors import ConfigError, GrokscopeError, choose, near_matches


def test_all_errors_are_one_family():
    family = [
        value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)
    ]
    assert len(family) == 6
    for error in family:
        assert issubclass(error, GrokscopeError)
        assert error.__doc__


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("tset", ["train", "test"], "did you mean 'test'?"),
        ("hook_pots", ["hook_post", "hook_pre"], "did you mean 'hook_post' or 'hook_pre'?"),
        ("zzz", ["train", "test"], "it has 'train', 'test'"),
        ("zzz", iter("abcdefghij"), "it has 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h' and 2 more"),
        ("zzz", [], "it has none"),
        ("", ["train"], "it has 'train'"),
    ],
)
def test_near_matches(name, known, expected):
    assert near_matches(name, known) == expected


def test_near_matches_lists_as_many_as_asked():
    assert near_matches("zzz", "abc", listed=2) == "it has 'a', 'b' and 1 more"
    assert near_matches("zzz", "abc", listed=3) == "it has 'a', 'b', 'c'"


def test_choose():
    assert choose("loss", "mse", iter(["mse", "cross_entropy"])) == "mse"
    with pytest.raises(ConfigError, match=r"^unknown loss 'l2'; expected one of 'mse', 'cross_entropy'$"):
        choose("loss", "l2", iter(["mse", "cross_entropy"]))
    with pytest.raises(ConfigError, match=r"unknown loss \['mse'\]"):
        choose("loss", ["mse"], ["mse"])
