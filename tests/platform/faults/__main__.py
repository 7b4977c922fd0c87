"""``python -m tests.platform.faults``: let faults strike the platform, and show what SQL finds after each."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from benchmarks.machine import headline
from tests.faults.striking import strike
from tests.faults.suite import SIZES
from tests.faults.table import document, table
from tests.platform.faults.suite import faults

SUITE = "tests.platform.faults"


def main() -> int:
    chosen = _arguments()
    known = faults()
    if chosen.list:
        for each in known:
            counts = "/".join(str(each.counts[size]) for size in SIZES)
            sys.stdout.write(f"{each.name:<30} {counts:<12} {each.promise}\n")
        return 0
    if unknown := set(chosen.names) - {each.name for each in known}:
        sys.stderr.write(f"no such fault: {', '.join(sorted(unknown))}; see --list\n")
        return 2
    wanted = [each for each in known if not chosen.names or each.name in chosen.names]
    striking = [each for each in wanted if each.counts[chosen.size]]
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # who starts us in the background has SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    began_s = time.monotonic()
    lines, machine = [], ""
    for each in striking:
        lines.append(strike(each, chosen.size, chosen.seed, SUITE))
        machine = headline().partition("\n")[0]
        machine += f"; one at a time, {(time.monotonic() - began_s) / 60:.1f} min"
        if chosen.json:
            chosen.json.write_text(document(lines, machine, chosen.size), encoding="utf-8")
        # At once: the table comes only if the run gets to its end.
        sys.stderr.write(f"\r{each.name}: {lines[-1].result} ({lines[-1].took_s:.0f} s)\n")
    again = f"python -m {SUITE} --size {chosen.size} --seed {chosen.seed}"
    sys.stdout.write(f"{table(lines)}\n\n{machine}\n{' '.join([again, *chosen.names])}\n")
    return 1 if any(line.broken for line in lines) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {SUITE}", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults; none: all")
    parser.add_argument("--size", choices=SIZES, default="reduced", help="how often each strikes")
    parser.add_argument("--seed", type=int, default=1, help="what varies follows from it (1)")
    parser.add_argument("--list", action="store_true", help="name them, with their counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
