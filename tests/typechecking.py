"""The type checker that every test runs under: shapes by jaxtyping, all other annotations by beartype."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as for static checkers
