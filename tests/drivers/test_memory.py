"""How much memory could be had is the kernel's word, or nobody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.memory import available_bytes

MEMINFO = "MemTotal:  4000 kB\nMemAvailable:    1234 kB\n"


def kernel(folder: Path, meminfo: str, **unit: str) -> dict[str, Path]:
    """A kernel that says this; with a unit, this of its memory."""
    proc, group = folder / "proc", folder / "cgroup" / "system.slice" / "kerbwatch.service"
    (proc / "self").mkdir(parents=True)
    group.mkdir(parents=True)
    (proc / "meminfo").write_text(meminfo, encoding="ascii")
    if unit:
        (proc / "self" / "cgroup").write_text(
            "0::/system.slice/kerbwatch.service\n", encoding="ascii"
        )
    for name, text in unit.items():
        (group / f"memory.{name}").write_text(text, encoding="ascii")
    return {"proc": proc, "cgroups": folder / "cgroup"}


def test_it_is_as_the_kernel_says(tmp_path: Path) -> None:
    assert available_bytes(**kernel(tmp_path, MEMINFO)) == 1234 * 1024


@pytest.mark.parametrize("text", ["", "MemAvailable:", "MemAvailable: much kB", "nonsense"])
def test_what_it_does_not_say_nobody_knows(tmp_path: Path, text: str) -> None:
    assert available_bytes(**kernel(tmp_path, text)) is None
    assert available_bytes(tmp_path / "none", tmp_path / "none") is None


def test_a_units_limit_counts_if_less_is_left_below_it(tmp_path: Path) -> None:
    stat = "anon 400\ninactive_file 100\n"
    told = kernel(tmp_path, MEMINFO, max="700\n", current="600\n", stat=stat)
    assert available_bytes(**told) == 200


def test_a_unit_without_a_limit_has_what_the_machine_has(tmp_path: Path) -> None:
    told = kernel(tmp_path, MEMINFO, max="max\n", current="600\n", stat="inactive_file 1\n")
    assert available_bytes(**told) == 1234 * 1024
