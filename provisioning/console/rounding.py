"""Formats a figure and its threshold, so that the comparison stays true after rounding."""

from __future__ import annotations

from provisioning.wording import say

MAX_DIGITS = 17
"""Behind the point; a float has no more."""


def compared(value: float | None, needs: str, threshold: float | None) -> str:
    """Such as ``   12.00  < 60``: the sign is the one that holds, not the one that is needed.

    Args:
        value: None: nobody knows.
        needs: ``at_least`` or ``at_most``.
        threshold: Likewise.
    """
    if value is None or threshold is None:
        unknown = say("not known")
        return f"{'–':>8}  {unknown}"
    sign = _sign(value, needs, threshold)
    told = f"{threshold:g}"
    if float(told) != threshold:
        told = repr(threshold)
    # 59.999 is not shown as 60.00: so many digits that the comparison stays true.
    exact = (f"{value:.{digits}f}" for digits in range(2, MAX_DIGITS))
    shown = next((text for text in exact if _sign(float(text), needs, threshold) == sign), None)
    return f"{shown or repr(value):>8}  {sign} {told}"


def figure(value: float | None) -> str:
    """A figure with two digits behind the point; a dash where nobody knows it."""
    return "–" if value is None else f"{value:.2f}"


def holds(value: float | None, needs: str, threshold: float | None) -> bool:
    """Whether a condition of a rule holds; what is not known does not."""
    if value is None or threshold is None:
        return False
    return value >= threshold if needs == "at_least" else value <= threshold


def _sign(value: float, needs: str, threshold: float) -> str:
    if needs == "at_least":
        return "≥" if value >= threshold else "<"
    return "≤" if value <= threshold else ">"
