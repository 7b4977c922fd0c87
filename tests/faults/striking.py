"""Letting faults strike: one after another, or several at a time."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import current_process, get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from tests.faults.suite import BrokenError
from tests.faults.table import Line
from tests.support.programs import MissingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.suite import Size
    from tests.faults.table import Fault


def strike_all(wanted: Sequence[Fault], size: Size, seed: int, jobs: int) -> list[Line]:
    """Several at a time, each in a process of its own: most of a fault is waiting."""
    if jobs <= 1:
        return [strike(each, size, seed) for each in wanted]
    context = get_context("spawn")
    tqdm.set_lock(context.RLock())
    with ProcessPoolExecutor(jobs, context, tqdm.set_lock, (tqdm.get_lock(),)) as pool:
        struck = [pool.submit(strike, each, size, seed) for each in wanted]
        for _ in tqdm(as_completed(struck), total=len(struck), desc="faults", unit="fault"):
            pass
        return [each.result() for each in struck]


def strike(fault: Fault, size: Size, seed: int, suite: str = "tests.faults") -> Line:
    """Let one strike; its folder is kept if a promise is broken."""
    folder = Path(tempfile.mkdtemp(prefix=f"kerbwatch-{fault.name}-"))
    began_s = time.monotonic()
    line = partial(Line, fault, seed)
    # Of several at a time each has a line on the screen: "SpawnProcess-2" the second below the sum.
    number = int(current_process().name.rpartition("-")[2]) if parent_process() else 0
    with tqdm(
        total=fault.counts[size], desc=fault.name, unit="×", leave=False, position=number
    ) as bar:
        try:
            found = fault.run(size, seed, folder, bar.update)
        except MissingError as error:
            told = line(skipped=str(error))
        except Exception as error:  # noqa: BLE001 - the outermost line: the others still strike
            again = f"python -m {suite} --size {size} --seed {seed} {fault.name}"
            reason = str(error).partition("\n")[0] or type(error).__name__
            sys.stderr.write(
                f"\n{fault.name}: BROKEN: {reason}\n  again: {again}\n  see {folder}\n"
            )  # at once: the table comes only if the run gets to its end
            if not isinstance(error, BrokenError):
                traceback.print_exc()
            return line(
                took_s=time.monotonic() - began_s, broken=f"{reason} (seed {seed}, {folder})"
            )
        else:
            told = line(took_s=time.monotonic() - began_s, found=found)
    shutil.rmtree(folder, ignore_errors=True)
    return told
