"""The soak's curves as an SVG: a few lines of text, so that no drawing library is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.soak_samples import Sample

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP = 900, 150, 70, 150, 34, 34
POINTS = 400
PANELS = (
    ("resident memory, MiB", {"resident_mib": "#1f5fa8"}),
    (
        "disk, MiB",
        {
            "database_mib": "#1f5fa8",
            "journal_mib": "#c06010",
            "evidence_mib": "#2a8040",
            "other_mib": "#777777",
        },
    ),
    ("events that wait", {"waiting": "#a02060"}),
    ("threads and open files", {"threads": "#1f5fa8", "open_files": "#c06010"}),
)


def draw(taken: Sequence[Sample]) -> str:
    """All panels, one below the other, over hours of the street's time."""
    height = TOP + len(PANELS) * (PANEL + GAP)
    last_h = max(taken[-1].hours, 1e-9)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    step = max(1, len(taken) // POINTS)
    shown = [*taken[::step], taken[-1]]
    for index, (title, curves) in enumerate(PANELS):
        parts += _panel(TOP + index * (PANEL + GAP), title, curves, shown, last_h)
    bottom = height - 8
    parts.append(
        f'<text x="{LEFT}" y="{bottom}">0 h</text><text x="{WIDTH - RIGHT}" y="{bottom}"'
        f' text-anchor="end">{last_h:.1f} h of the street</text></svg>'
    )
    return "\n".join(parts) + "\n"


def _panel(
    top: float, title: str, curves: dict[str, str], shown: Sequence[Sample], last_h: float
) -> list[str]:
    values = {name: [float(getattr(each, name)) for each in shown] for name in curves}
    most = max(max(row) for row in values.values()) * 1.1 or 1.0
    width = WIDTH - LEFT - RIGHT
    parts = [
        f'<text x="{LEFT}" y="{top - 6}" font-weight="bold">{title}</text>',
        f'<rect x="{LEFT}" y="{top}" width="{width}" height="{PANEL}" fill="none" stroke="#ccc"/>',
    ]
    for share in (0.0, 0.5, 1.0):
        y = top + PANEL * (1 - share)
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{most * share:.4g}</text>'
        )
    for row, (name, colour) in enumerate(curves.items()):
        points = " ".join(
            f"{LEFT + width * each.hours / last_h:.1f},{top + PANEL * (1 - value / most):.1f}"
            for each, value in zip(shown, values[name], strict=True)
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>'
        )
        label = name.removesuffix("_mib").replace("_", " ")
        parts.append(
            f'<text x="{WIDTH - RIGHT + 8}" y="{top + 14 + 16 * row}" fill="{colour}">{label}</text>'
        )
    return parts
