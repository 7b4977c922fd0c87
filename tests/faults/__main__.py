"""``python -m tests.faults``: let faults strike, and show what held."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from benchmarks.machine import headline
from tests.faults.suite import SIZES, BrokenError, MissingError, faults
from tests.faults.table import Line, document, table

if TYPE_CHECKING:
    from tests.faults.suite import Fault, Size


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
    lines = [_strike(each, chosen.size, chosen.seed) for each in wanted if each.counts[chosen.size]]
    machine = headline().partition("\n")[0]
    again = f"python -m tests.faults --size {chosen.size} --seed {chosen.seed}"
    sys.stdout.write(f"{table(lines)}\n\n{machine}\n{again} {' '.join(chosen.names)}\n")
    if left := [f.name for f in wanted if not f.counts[chosen.size]]:
        sys.stdout.write(f"not at this size: {', '.join(left)}\n")
    if chosen.json:
        chosen.json.write_text(document(lines, machine), encoding="utf-8")
    return 1 if any(line.broken for line in lines) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults or groups; none: all")
    parser.add_argument("--size", choices=SIZES, default="reduced", help="how often each strikes")
    parser.add_argument("--seed", type=int, default=1, help="what varies follows from it (1)")
    parser.add_argument("--list", action="store_true", help="name them, with their counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there, too")
    return parser.parse_args()


def _strike(fault: Fault, size: Size, seed: int) -> Line:
    folder = Path(tempfile.mkdtemp(prefix=f"kerbwatch-{fault.name}-"))
    began_s = time.monotonic()
    line = partial(Line, fault, seed)
    with tqdm(total=fault.counts[size], desc=fault.name, unit="×", leave=False) as bar:
        try:
            outcome = fault.run(size, seed, folder, bar.update)
        except MissingError as error:
            found = line(skipped=str(error))
        except Exception as error:  # noqa: BLE001 - the outermost line: the others still strike
            again = f"python -m tests.faults --size {size} --seed {seed} {fault.name}"
            sys.stderr.write(f"\n{fault.name}: BROKEN; again: {again}\n  see {folder}\n")
            if not isinstance(error, BrokenError):
                traceback.print_exc()
            reason = str(error).partition("\n")[0] or type(error).__name__
            return line(
                took_s=time.monotonic() - began_s, broken=f"{reason} (seed {seed}, {folder})"
            )
        else:
            found = line(took_s=time.monotonic() - began_s, outcome=outcome)
    shutil.rmtree(folder, ignore_errors=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
