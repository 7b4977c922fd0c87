"""What the figures ask of an event, read out of its JSON once, as its month is written: columns of the archive.

The views of the model say it themselves: each `raw->'body'->>'kind'` in them is a column of that name, each time or
number (`unix_s(…)`, `number(…)`) one of its type. DuckDB reads them by the same expressions that it would answer with.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources

_BOTH_FROM = "-- Both engines:"
_VIEWS_FROM = "CREATE VIEW"
_PATH = r"raw(?P<path{0}>(?:->>?'\w+')+)"
_ASKED = re.compile(
    rf"\b(?P<type>unix_s|number|whole)\((?P<of1>\w+\.)?{_PATH.format(1)}\)|(?P<of2>\b\w+\.)?\b{_PATH.format(2)}"
)
"""A value of an event, with the function that makes a number of its text; `of` is the relation that has it."""


def macros() -> str:
    """The functions that the views are written with."""
    return _model().partition(_VIEWS_FROM)[0]


@cache
def views() -> str:
    """The views that the figures are read from, over events whose ``raw`` is what ``asked`` gives."""
    return _ASKED.sub(lambda found: _Value(found).read, _asking())


@cache
def asked() -> str:
    """What of an event whose ``raw`` is JSON: a structure with each value by its name."""
    values = {value.name: value for value in map(_Value, _ASKED.finditer(_asking()))}
    told = ", ".join(f'"{name}" := {values[name].written}' for name in sorted(values))
    return f"struct_pack({told})"


@cache
def mark() -> str:
    """Another one says that a file was written for other questions."""
    return hashlib.sha256((macros() + asked()).encode()).hexdigest()


class _Value:
    """One value that the views ask for."""

    def __init__(self, found: re.Match[str]) -> None:
        self._type = found["type"] or ""
        self._path = found["path1"] or found["path2"]
        self._of = found["of1"] or found["of2"] or ""
        self._is_json = "->>" not in self._path

    @property
    def name(self) -> str:
        """Of its column."""
        return " ".join(filter(None, (self._type, *re.findall(r"\w+", self._path))))

    @property
    def written(self) -> str:
        """Out of JSON."""
        value = f"raw{self._path}"
        if self._type:
            return f"{self._type}({value})"
        return f"CAST({value} AS VARCHAR)" if self._is_json else value

    @property
    def read(self) -> str:
        """Out of the column."""
        value = f'{self._of}raw."{self.name}"'
        return f"CAST({value} AS JSON)" if self._is_json else value


def _asking() -> str:
    """The model's views, and the part of the store's that both engines take."""
    ours = _model()
    figures = _read("kerbwatch_platform.store", "views/06_figures.sql")
    return ours[ours.index(_VIEWS_FROM) :] + figures[figures.index(_BOTH_FROM) :]


def _model() -> str:
    return _read("kerbwatch_platform.figures", "sql/model.duckdb.sql")


def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
