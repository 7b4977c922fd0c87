"""A figure as a plot: SVG without any style of its own, so that it goes with a strict content security policy.

Texts are left to the reader's fonts (Chinese is in no font of matplotlib's). Every plot stands beside its table.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from kerbwatch_platform.figures.making import ALL, minutes_per_hour
from kerbwatch_platform.figures.reach import reach_of
from kerbwatch_platform.figures.writing import WEEKDAYS, cell
from kerbwatch_platform.words import Language, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from matplotlib.axes import Axes

    from kerbwatch_platform.figures.period import Period
    from kerbwatch_platform.figures.question import Question, Row

MOST_BARS = 20
_INK, _SOFT, _WARN = "#0b558f", "#8fb4d3", "#a1121a"
_SVG = "http://www.w3.org/2000/svg"
_FONTS = "system-ui, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"
_FONT = re.compile(r"(?:(?P<weight>bold|[1-9]00) )?(?P<size>[0-9.]+)px ")
_RC: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "kerbwatch",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": False,
    "text.parse_math": False,  # a place with two $ in its name is no formula
}


def drawable(question: Question, rows: list[Row]) -> bool:
    """Whether any row has what is drawn: an empty plot would look like a figure of 0."""
    name = _NEEDED.get(question.name)
    return any(row[name] for row in rows) if name else bool(rows)


def plot(language: Language, question: Question, rows: list[Row], of: Period) -> bytes:
    """SVG of a figure."""
    # A second of a processor: whoever starts the desk need not wait for it.
    from matplotlib import rc_context  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    draw = _DRAWN[question.name]
    with rc_context(_RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=(9, 4.6), layout="constrained")
        axes = figure.add_subplot()
        draw(_Plot(axes, language, question, of), rows)
        until = reach_of(question, of).title(language)
        axes.set_title(
            f"{say(language, question.words)} · {of.name}{until}", loc="left", fontsize=12
        )
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return _plain(out.getvalue(), f"{say(language, question.words)} {of.name}{until}")


class _Plot:
    """What each drawing has at hand."""

    def __init__(self, axes: Axes, language: Language, question: Question, of: Period) -> None:
        self.axes, self.of = axes, of
        self._language, self._columns = language, {each.name: each for each in question.columns}

    def heading(self, column: str) -> str:
        return say(self._language, self._columns[column].words)

    def shown(self, row: Row, *columns: str) -> str:
        """Some of a row's values in words."""
        told = (
            cell(self._language, self._columns[name], row[name], self.of.zone) for name in columns
        )
        return " · ".join(str(each) for each in told if each is not None)

    def say(self, english: str) -> str:
        return say(self._language, english)

    def bars(self, rows: list[Row], names: tuple[str, ...], value: str) -> None:
        """Lying bars of the first rows, with their intervals."""
        rows = [row for row in rows if row[value] is not None][:MOST_BARS][::-1]
        at = range(len(rows))
        self.axes.barh(at, [row[value] for row in rows], color=_SOFT, edgecolor=_INK)
        for n, row in enumerate(rows):
            low, high = row.get(f"{value}_low"), row.get(f"{value}_high")
            if low is not None and high is not None:
                self.axes.plot([low, high], [n, n], color=_INK, marker="|", linewidth=1.5)
        self.axes.set_yticks(at, [self.shown(row, *names) for row in rows])
        self.axes.set_xlabel(self.heading(value))

    def columns(self, labels: list[str], values: dict[str, list[float]]) -> None:
        """Standing bars side by side."""
        wide = 0.8 / len(values)
        for n, (name, each) in enumerate(values.items()):
            at = [i + n * wide for i in range(len(each))]
            colour = (_INK, _SOFT, _WARN)[n % 3]
            self.axes.bar(at, each, width=wide, color=colour, label=self.heading(name))
        every = max(1, len(labels) // 12)
        self.axes.set_xticks(range(0, len(labels), every), labels[::every], rotation=30)
        self.axes.legend(frameon=False)


def _operators(plot: _Plot, rows: list[Row]) -> None:
    # While no hours of seeing are known there is no rate: then what was counted.
    known = any(row["minutes_per_hour"] is not None for row in rows)
    plot.bars(rows, ("operator",), "minutes_per_hour" if known else "minutes")


def _sanitation(plot: _Plot, rows: list[Row]) -> None:
    rows = [row for row in rows if row["cleared"]][:MOST_BARS]
    labels = [plot.shown(row, "unit", "kind") for row in rows]
    names = ("median_minutes", "p90_minutes")
    plot.columns(labels, {name: [row[name] for row in rows] for name in names})


def _overflows(plot: _Plot, rows: list[Row]) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    took = [row["took_minutes"] for row in rows if row["took_minutes"] is not None]
    plot.axes.hist(took, bins=24, color=_SOFT, edgecolor=_INK)
    plot.axes.set_xlabel(plot.heading("took_minutes"))
    plot.axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def _vending(plot: _Plot, rows: list[Row]) -> None:
    sums = [[[0.0, 0.0, 0.0] for _ in range(24)] for _ in range(7)]
    for row in rows:
        here = sums[row["weekday"] - 1][row["hour"]]
        for n, name in enumerate(("minutes", "seen_hours", "asked_hours")):
            here[n] += row[name]
    # Where too little was seen nothing is drawn: that is not the same as none.
    rates = [[minutes_per_hour(*each) for each in line] for line in sums]
    drawn = [[float("nan") if rate is None else rate for rate in line] for line in rates]
    mesh = plot.axes.pcolormesh(drawn, cmap="Blues", edgecolors="#c9d3dc", linewidth=0.3)
    plot.axes.invert_yaxis()
    plot.axes.set_yticks([n + 0.5 for n in range(7)], [plot.say(day) for day in WEEKDAYS])
    plot.axes.set_xticks(range(0, 25, 3))
    plot.axes.set_xlabel(plot.heading("hour"))
    figure = plot.axes.get_figure()
    assert figure is not None
    figure.colorbar(mesh, ax=plot.axes, label=plot.heading("minutes_per_hour"))


def _hot_spots(plot: _Plot, rows: list[Row]) -> None:
    rows = rows[:MOST_BARS][::-1]
    at = range(len(rows))
    for name, colour in (("cases", _SOFT), ("again", _WARN)):
        plot.axes.barh(at, [row[name] for row in rows], color=colour, label=plot.heading(name))
    plot.axes.set_yticks(at, [plot.shown(row, "place_id", "kind") for row in rows])
    plot.axes.legend(frameon=False)


def _night(plot: _Plot, rows: list[Row]) -> None:
    sums = [row for row in rows if row["place_id"] == ALL]
    plot.columns(*_by(sums, "night", "cases", "cleared", "left_standing"))


def _daily(plot: _Plot, rows: list[Row]) -> None:
    plot.columns(*_by(rows, "day", "opened", "cleared", "standing"))


def _precision(plot: _Plot, rows: list[Row]) -> None:
    plot.bars(rows, ("kind", "zone_id", "device"), "precision")
    plot.axes.set_xlim(0, 1)


def _by(rows: Iterable[Row], key: str, *names: str) -> tuple[list[str], dict[str, list[float]]]:
    sums: dict[str, dict[str, float]] = {}
    for row in rows:
        line = sums.setdefault(row[key], dict.fromkeys(names, 0))
        for name in names:
            line[name] += row[name]
    return [key[5:] for key in sums], {
        name: [line[name] for line in sums.values()] for name in names
    }


_NEEDED = {
    "operators": "minutes",
    "sanitation": "cleared",
    "overflows": "took_minutes",
    "vending": "seen_hours",
    "precision": "judged_share",
}
_DRAWN: dict[str, Callable[[_Plot, list[Row]], None]] = {
    "operators": _operators,
    "sanitation": _sanitation,
    "overflows": _overflows,
    "vending": _vending,
    "hot_spots": _hot_spots,
    "night": _night,
    "daily": _daily,
    "precision": _precision,
}


def _plain(svg: str, title: str) -> bytes:
    """The same picture with attributes in the place of styles."""
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ET.fromstring(svg)  # noqa: S314  matplotlib's own
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {f"{{{_SVG}}}style", f"{{{_SVG}}}metadata"}:
                parent.remove(child)
        _restyle(parent)
    root.attrib |= {"role": "img", "font-family": _FONTS, "stroke-linejoin": "round"}
    told = ET.Element(f"{{{_SVG}}}title")
    told.text = title
    root.insert(0, told)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _restyle(element: ET.Element[Any]) -> None:
    style = element.attrib.pop("style", "")
    for part in style.split(";"):
        name, _, value = (each.strip() for each in part.partition(":"))
        if name == "font":
            found = _FONT.match(value)
            if found:
                element.set("font-size", found["size"])
                element.set("font-weight", found["weight"] or "normal")
        elif name and not name.startswith("transform"):
            element.set(name, value)
