"""``python -m tests.faults``: let faults strike, and show what held."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from benchmarks.machine import headline
from tests.faults.striking import strike_all
from tests.faults.suite import SIZES, faults
from tests.faults.table import document, table


def main() -> int:
    chosen = _arguments()
    known = faults()
    if chosen.list:
        for each in known:
            counts = "/".join(str(each.counts[size]) for size in SIZES)
            sys.stdout.write(f"{each.name:<28} {each.group:<10} {counts:<12} {each.promise}\n")
        return 0
    if unknown := set(chosen.names) - {name for f in known for name in (f.name, f.group)}:
        sys.stderr.write(f"no such fault or group: {', '.join(sorted(unknown))}; see --list\n")
        return 2
    wanted = [f for f in known if not chosen.names or {f.name, f.group} & set(chosen.names)]
    striking = [f for f in wanted if f.counts[chosen.size]]
    began_s = time.monotonic()
    lines = strike_all(striking, chosen.size, chosen.seed, min(chosen.jobs, len(striking)))
    machine = headline().partition("\n")[0]
    machine += f"; {chosen.jobs} at a time, {(time.monotonic() - began_s) / 60:.1f} min"
    again = f"python -m tests.faults --size {chosen.size} --seed {chosen.seed}"
    sys.stdout.write(f"{table(lines)}\n\n{machine}\n{again} {' '.join(chosen.names)}\n")
    if left := [f.name for f in wanted if not f.counts[chosen.size]]:
        sys.stdout.write(f"not at this size: {', '.join(left)}\n")
    if chosen.json:
        chosen.json.write_text(document(lines, machine, chosen.size), encoding="utf-8")
    return 1 if any(line.broken for line in lines) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults or groups; none: all")
    parser.add_argument("--size", choices=SIZES, default="reduced", help="how often each strikes")
    parser.add_argument("--seed", type=int, default=1, help="what varies follows from it (1)")
    parser.add_argument(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        help="how many faults at a time (the cores)",
    )
    parser.add_argument("--list", action="store_true", help="name them, with their counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
