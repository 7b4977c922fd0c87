"""Three RabbitMQ nodes, one of which is killed; and the platform's queue lies on all three.

RabbitMQ 4 from a Debian root (earlier ones do not speak MQTT 5), in a network namespace of our own.
"""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from agent.config.schema import UplinkSection
from tests.faults.balancer import Balancer
from tests.faults.network import namespace
from tests.faults.platform import Storing
from tests.faults.street import Way
from tests.faults.suite import Outcome, Run, fault, require, wait_for
from tests.support.debian_roots import Recipe, debian_root, inside
from tests.support.ports import listens
from tests.support.programs import MissingError
from tests.support.topics import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_RECIPE = Recipe("rabbitmq", "trixie", ("rabbitmq-server",))
_NEEDS = ("root", "mmdebstrap", "netns", "nft", "ip", "unshare")
_NODES = (1, 2, 3)
_SEEN = "srv/cluster"
"""Where the nodes see the cluster's folder."""
_STARTS_WITHIN_S = 240.0
_LOGIN = "guest"
_CONTROL = ("/usr/lib/rabbitmq/bin/rabbitmqctl", "-q", "-n", "n1@localhost")
_SETTINGS = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
mqtt.listeners.tcp.1 = 127.0.0.1:{mqtt}
mqtt.durable_queue_type = quorum
cluster_formation.peer_discovery_backend = classic_config
log.console.level = warning
"""


@dataclass(slots=True)
class Cluster:
    """Some nodes on loopback.

    Attributes:
        folder: Their data, settings and logs.
        nodes: Their numbers.
        settings: More lines of ``rabbitmq.conf``.
        plugins: Those that are on.
    """

    folder: Path
    _root: Path
    nodes: tuple[int, ...] = _NODES
    settings: str = ""
    plugins: tuple[str, ...] = ("rabbitmq_mqtt",)
    _running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @staticmethod
    def port(node: int) -> int:
        """Where it speaks MQTT; the namespace is ours, so the ports are."""
        return 18_830 + node

    @staticmethod
    def amqp_port(node: int) -> int:
        """Where it speaks AMQP."""
        return 15_670 + node

    def prepare(self) -> None:
        """Write the settings, and the secret that the nodes know each other by."""
        self.folder.mkdir(exist_ok=True)
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text("of no use elsewhere", encoding="ascii")
        cookie.chmod(0o400)
        plugins = f"[{','.join(self.plugins)}].\n"
        (self.folder / "plugins").write_text(plugins, encoding="ascii")
        peers = "".join(
            f"cluster_formation.classic_config.nodes.{node} = n{node}@localhost\n"
            for node in self.nodes
        )
        for node in self.nodes:
            text = peers + _SETTINGS.format(amqp=self.amqp_port(node), mqtt=self.port(node))
            (self.folder / f"n{node}.conf").write_text(text + self.settings, encoding="ascii")
        self._start(0, "epmd", "-address", "127.0.0.1")
        for node in self.nodes:
            self.start(node)
        for node in self.nodes:
            self.wait_for(node)

    def start(self, node: int) -> None:
        """Start a node; it is there when it listens."""
        told = {
            "RABBITMQ_NODENAME": f"n{node}@localhost",
            "RABBITMQ_DIST_PORT": 25_670 + node,
            # All that it keeps: by default some of it lies in the root, where the nodes of another
            # cluster, struck at the same time, find it under their own names.
            "RABBITMQ_MNESIA_BASE": f"/{_SEEN}",
            "RABBITMQ_LOG_BASE": f"/{_SEEN}",
            "RABBITMQ_CONFIG_FILE": f"/{_SEEN}/n{node}.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"/{_SEEN}/plugins",
            "RABBITMQ_LOGS": "-",
            "RUNNING_UNDER_SYSTEMD": "true",  # no shell around it: what we kill is the node
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }
        settings = [f"{name}={value}" for name, value in told.items()]
        self._start(node, "env", *settings, "/usr/lib/rabbitmq/bin/rabbitmq-server")

    def wait_for(self, node: int) -> float:
        """Wait until a node listens; how long that took, in seconds."""

        def there() -> bool:
            ended = self._running[node].poll()
            require(ended is None, f"node {node} lives: {self._log(node)[-500:]}")
            return listens(self.port(node))

        return wait_for(there, f"node {node} listens", _STARTS_WITHIN_S)

    def kill(self, node: int) -> None:
        process = self._running.pop(node)
        process.kill()
        process.wait()

    def queues(self) -> str:
        """Each queue, what kind it is, and which nodes it lies on."""
        return self.control("list_queues", "--no-table-headers", "name", "type", "members")

    def control(self, *asked: str) -> str:
        """Tell the first node something with ``rabbitmqctl``; what it says."""
        return self._run(*_CONTROL, *asked)

    def run_script(self, name: str, *arguments: str) -> None:
        """Run a shell script that lies in the folder, with ``rabbitmqctl`` for the first node."""
        self._run("env", f"RABBITMQCTL={' '.join(_CONTROL)}", "sh", f"/{_SEEN}/{name}", *arguments)

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            self._inside(*command), capture_output=True, text=True, check=False, timeout=120
        )
        require(done.returncode == 0, f"{command[:9]} works: {done.stdout}{done.stderr}")
        return done.stdout

    def end(self) -> None:
        for node in list(self._running):
            self.kill(node)

    def _inside(self, *command: str) -> list[str]:
        home = ["env", "-i", f"HOME=/{_SEEN}", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]
        return inside(self._root, [*home, *command], [(self.folder, _SEEN)])

    def _start(self, node: int, *command: str) -> None:
        with (self.folder / f"n{node}.log").open("ab") as log:
            self._running[node] = subprocess.Popen(
                self._inside(*command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _log(self, node: int) -> str:
        return (self.folder / f"n{node}.log").read_text(encoding="utf-8", errors="replace")


def rabbitmq_root() -> Path:
    """Debian with RabbitMQ; the test is skipped where none can be made."""
    return debian_root(_RECIPE)


def cluster_root() -> Path:
    """The same for a fault.

    Raises:
        MissingError: None can be made here.
    """
    try:
        return rabbitmq_root()
    except pytest.skip.Exception as error:
        raise MissingError(str(error)) from error


@contextmanager
def _cluster(run: Run, **changes: Any) -> Iterator[tuple[Cluster, Way]]:
    root = cluster_root()
    secret = run.folder / "password"
    secret.write_text(_LOGIN, encoding="ascii")
    with ExitStack() as stack:
        stack.enter_context(namespace())
        cluster = Cluster(run.folder / "cluster", root)
        stack.callback(cluster.end)
        cluster.prepare()
        ports = [cluster.port(node) for node in _NODES]
        balancer = stack.enter_context(Balancer(ports, run.random))
        settings = UplinkSection.model_validate(
            {
                "broker": f"mqtt://127.0.0.1:{balancer.port}",
                "topic_prefix": PREFIX,
                "username": _LOGIN,
                "password_file": secret,
                "reconnect_max_s": 1,
                "connect_timeout_s": 10,
                "acknowledge_timeout_s": 10,
            }
            | changes
        )
        receipts = settings.confirm == "platform"
        store = partial(Storing, receipts=receipts, login=(_LOGIN, _LOGIN))
        platform = stack.enter_context(store(run.folder, balancer.port))
        queues = cluster.queues()
        everywhere = all(f"n{node}@localhost" in queues for node in _NODES)
        require(
            "quorum" in queues and everywhere, f"the platform's queue is on all nodes: {queues}"
        )
        yield cluster, Way(run=run, platform=platform, settings=settings)


@fault("cluster-node-killed", group="cluster", short=0, reduced=4, full=20, needs=_NEEDS)
def cluster_node_killed(run: Run) -> Outcome:
    """Of three RabbitMQ nodes one is killed: what was accepted is stored, by the platform's receipts."""
    return _kill_nodes(run, confirm="platform", receipt_timeout_s=20)


@fault("cluster-broker-word", group="cluster", short=0, reduced=2, full=20, needs=_NEEDS)
def cluster_broker_word(run: Run) -> Outcome:
    """The same where the brokers' acknowledgement is enough: their queue lies on all three nodes."""
    return _kill_nodes(run, confirm="broker")


def _kill_nodes(run: Run, **changes: Any) -> Outcome:
    with _cluster(run, **changes) as (cluster, here):
        with here.device().connect() as device:
            for _ in range(run.times):
                wait_for(lambda: device.uplink.figures.connected_since, "it is connected")
                here.open_cases(device, run.random.randint(1, 200))
                time.sleep(run.random.uniform(0, 0.5))
                node = run.random.choice(_NODES)
                cluster.kill(node)
                here.open_cases(device, run.random.randint(1, 200))
                here.recover()
                cluster.start(node)
                cluster.wait_for(node)
            require(not device.dead_letters(), "nothing was put aside")
        return here.drained()
