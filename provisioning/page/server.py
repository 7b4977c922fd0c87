"""The page's process: TLS for the page, plain HTTP for phones that ask whether there is a network."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING

from agent.audit import AuditLog
from drivers.clock import SystemClock
from drivers.disk import make_folder
from drivers.programs import python
from provisioning.page.app import build
from provisioning.page.certificate import CERTIFICATE, KEY
from provisioning.page.connections import PageServer, server
from provisioning.page.page import Page
from provisioning.page.probes import probes
from provisioning.page.routes import ENDPOINTS
from provisioning.wording import CHINESE, compile_apart

if TYPE_CHECKING:
    from pathlib import Path

    from provisioning.page.setup import Setup

PROBES_PORT = 80


def run(setup: Setup, sockets: list[socket.socket]) -> None:
    """Serve until SIGTERM, or until the time is over that root has given.

    Args:
        setup: Where the page keeps what.
        sockets: Listening; TLS on all of them but port 80, where only probes are answered.

    Raises:
        OSError: The state cannot be written, or the certificate cannot be made.
    """
    make_folder(setup.state_dir)
    make_folder(setup.run_dir)
    tls = setup.state_dir / "tls"
    make_certificate(tls)
    compile_apart(CHINESE)
    page = Page(setup, AuditLog(setup.state_dir / "audit", SystemClock(), by="page"))
    plain = [each for each in sockets if each.getsockname()[1] == PROBES_PORT]
    secure = [each for each in sockets if each not in plain]
    served = [(server(build(page, ENDPOINTS), lambda: _context(tls)), secure)]
    if plain:
        served.append((server(probes, None), plain))
    asyncio.run(_serve(served, page.stopping))


def make_certificate(folder: Path) -> None:
    """Have the certificate made where there is none, by a process that ends again.

    Raises:
        OSError: It could not be made.
    """
    if (folder / CERTIFICATE).exists() and (folder / KEY).exists():
        return
    command = python("-m", "provisioning.page.certificate", str(folder))
    done = subprocess.run(command, check=False, timeout=60)
    if done.returncode:
        raise OSError(f"no certificate could be made in {folder}")


def _context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
    return context


async def _serve(
    pairs: list[tuple[PageServer, list[socket.socket]]], stopping: threading.Event
) -> None:
    def end() -> None:
        stopping.set()
        for served, _ in pairs:
            served.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    await asyncio.gather(*(served.serve(sockets) for served, sockets in pairs))
