"""How often real stills are judged right: triples without → with → without the problem.

    python -m benchmarks.stills

The triples were named by rule before any was run (tests/support/still_sequences.json). A triple is right if
exactly one case opens while the problem is shown and clears after it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
from tqdm import tqdm

from benchmarks.machine import headline
from tests.support import still_sequences


@click.command()
def main() -> None:
    """Judge every named triple and say how many came out right."""
    if not still_sequences.DATA.exists():
        raise click.ClickException("the real pictures are not part of the project (../shared/data)")
    click.echo(headline())
    for kind in still_sequences.SCENARIO:
        wrong, named = [], still_sequences.named(kind)
        for triple in tqdm(named, desc=kind, leave=False):
            with tempfile.TemporaryDirectory() as folder:
                events = still_sequences.judge(kind, triple, Path(folder))
            if events != still_sequences.RIGHT:
                wrong.append(f"  {triple['with']}: {', '.join(events) or 'no case'}")
        click.echo(f"{kind}: {len(named) - len(wrong)} of {len(named)} right")
        for line in wrong:
            click.echo(line)


if __name__ == "__main__":
    main()
