"""The table of methods: every one can be explained and is computed from what it names."""

from interp.language.methods import DEFAULT, INPUTS, METHODS, LocateSettings


def test_methods_have_a_title_a_meaning_and_a_known_source() -> None:
    for name, method in METHODS.items():
        assert name == name.lower()
        assert method.title
        assert method.meaning.endswith(".")
        assert not method.source or method.source.replace(".", "").isdigit()
        assert set(method.inputs) <= set(INPUTS)
        assert all(hasattr(LocateSettings(), setting) for setting in method.settings)


def test_the_quick_ones_are_the_default() -> None:
    assert set(DEFAULT) == {name for name, method in METHODS.items() if not method.slow}
    assert {name for name in METHODS if METHODS[name].controls} == {"contrast", "evidence"}
