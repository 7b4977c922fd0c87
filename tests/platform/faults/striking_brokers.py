"""Brokers that are killed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.platform.faults.city import on_cluster, on_mosquitto
from tests.platform.faults.suite import fault

if TYPE_CHECKING:
    from tests.faults.suite import Run
    from tests.platform.faults.suite import Found

_CLUSTER_NEEDS = ("mmdebstrap", "nft", "ip", "unshare")


@fault("mosquitto-killed", short=0, reduced=2, full=20)
def mosquitto_killed(run: Run) -> Found:
    """Mosquitto is killed and forgets what it had acknowledged: receipts decide, and it comes again."""
    with on_mosquitto(run) as city:
        for _ in range(run.times):
            city.goes_on()
            city.broker.kill()
            time.sleep(run.random.uniform(0, 3))
            city.broker.start()
            city.recovers()
        return city.judged()


@fault("rabbitmq-node-killed", short=0, reduced=1, full=20, needs=_CLUSTER_NEEDS)
def rabbitmq_node_killed(run: Run) -> Found:
    """Of three RabbitMQ nodes one is killed: devices and workers go to another, and the queue is on all three."""
    with on_cluster(run) as city:
        for _ in range(run.times):
            city.goes_on()
            node = run.random.choice(city.cluster.nodes)
            city.cluster.kill(node)
            city.goes_on()
            city.recovers()
            city.cluster.start(node)
            city.cluster.wait_for(node)
        return city.judged()
