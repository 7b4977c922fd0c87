"""One RabbitMQ 4 with the platform's queue and the rights of the example, in a network of its own."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.faults.cluster import Cluster, rabbitmq_root
from tests.faults.network import namespace
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUEUE = ROOT / "examples" / "brokers" / "rabbitmq-platform.json"
LOGIN, PLATFORM, TENANT = "guest", "platform", "example-city"
DEVICES = ("corner-1", "corner-2")


@contextmanager
def rabbitmq(folder: Path) -> Iterator[Cluster]:
    """Run it for as long as the context lasts; every user's password is ``LOGIN``."""
    for program in ("nft", "ip", "unshare"):
        if shutil.which(program) is None:
            pytest.skip(f"workers over AMQP are NOT tested here: there is no {program}")
    running = Cluster(folder / "cluster", rabbitmq_root(), nodes=(1,))
    with namespace():
        try:
            running.prepare()
            for file in (QUEUE, QUEUE.with_name("rabbitmq.sh")):
                shutil.copy(file, running.folder)
            running.control("import_definitions", f"/srv/cluster/{QUEUE.name}")
            for user in (PLATFORM, *DEVICES):
                running.control("add_user", user, LOGIN)
            running.run_script("rabbitmq.sh", TENANT, PLATFORM, *DEVICES)
            yield running
        finally:
            running.end()


def amqp(cluster: Cluster, user: str = PLATFORM) -> str:
    """Where a worker finds it."""
    return f"amqp://{user}:{LOGIN}@127.0.0.1:{cluster.amqp_port(1)}/%2F"
