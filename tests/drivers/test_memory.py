"""How much memory could be had is the kernel's word, or nobody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.memory import available_bytes


def test_it_is_as_the_kernel_says(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  4000 kB\nMemAvailable:    1234 kB\n", encoding="ascii")
    assert available_bytes(meminfo) == 1234 * 1024


@pytest.mark.parametrize("text", ["", "MemAvailable:", "MemAvailable: much kB", "nonsense"])
def test_what_it_does_not_say_nobody_knows(tmp_path: Path, text: str) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(text, encoding="ascii")
    assert available_bytes(meminfo) is None
    assert available_bytes(tmp_path / "none") is None
