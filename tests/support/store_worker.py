"""A process that takes messages in as a platform's worker does, and says what it told the devices.

python -m tests.support.store_worker DATABASE MESSAGES.json SEED
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from kerbwatch_platform import store
from kerbwatch_platform.contract.message import Message


def work(database: str, messages: list[Message], seed: int) -> None:
    """Take all of it in, in an order and in batches of one's own, some of it twice; a line for each receipt."""
    chance = random.Random(seed)
    left = messages + chance.sample(messages, len(messages) // 5)
    chance.shuffle(left)
    with store.connect(database) as connection:
        while left:
            size = chance.randint(1, 25)
            batch, left = left[:size], left[size:]
            taken = store.take(connection, batch)
            for tenant, device in sorted({epoch[:2] for epoch in taken.epochs}):
                for told in store.receipts(connection, tenant, device):
                    sys.stdout.write(json.dumps({"device": device} | told) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    place, file, number = sys.argv[1:]
    told = [(topic, text.encode()) for topic, text in json.loads(Path(file).read_bytes())]
    work(place, [Message(*each) for each in told], int(number))
