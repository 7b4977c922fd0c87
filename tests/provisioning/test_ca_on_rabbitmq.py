"""What ``kerbwatch ca`` issues, on a real RabbitMQ: who shows a certificate is the user of its name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agent.config.schema import UplinkSection
from tests.faults.cluster import Cluster, rabbitmq_root
from tests.faults.network import namespace
from tests.support.offline_authority import Office
from tests.support.openssl import connects
from tests.support.ports import listens
from tests.support.topics import DEVICE, PREFIX, TENANT
from tests.support.waiting import wait_until

NAME = f"{TENANT}/{DEVICE}"
PORT = 18_883
SETTINGS = f"""\
mqtt.listeners.ssl.1 = 127.0.0.1:{PORT}
mqtt.ssl_cert_login = true
mqtt.allow_anonymous = false
ssl_cert_login_from = common_name
ssl_options.cacertfile = /srv/cluster/ca.crt
ssl_options.certfile = /srv/cluster/server.localhost.crt
ssl_options.keyfile = /srv/cluster/server.localhost.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
"""


@pytest.mark.booted
def test_rabbitmq_lets_a_device_in_by_the_name_in_its_certificate(tmp_path: Path) -> None:
    for program in ("nft", "ip", "unshare"):
        if shutil.which(program) is None:
            pytest.skip(f"RabbitMQ is NOT tested here: there is no {program}")
    office = Office(tmp_path / "office")
    plugins = ("rabbitmq_mqtt", "rabbitmq_auth_mechanism_ssl")
    cluster = Cluster(
        tmp_path / "cluster", rabbitmq_root(), nodes=(1,), settings=SETTINGS, plugins=plugins
    )
    cluster.folder.mkdir()
    office.server(cluster.folder)
    shutil.copy(office.certificate_file, cluster.folder)

    def of(authority: Office, name: str, folder: str) -> UplinkSection:
        certificate_file, key_file = authority.issue(name, tmp_path / folder)
        return UplinkSection.model_validate(
            {
                "broker": f"mqtts://localhost:{PORT}",
                "topic_prefix": PREFIX,
                "ca_file": office.certificate_file,
                "certificate_file": certificate_file,
                "key_file": key_file,
            }
        )

    with namespace():
        try:
            cluster.prepare()
            wait_until(lambda: listens(PORT))
            cluster.control("add_user", NAME, "of no use")
            cluster.control("clear_password", NAME)
            cluster.control("set_permissions", NAME, ".*", ".*", ".*")
            assert connects(of(office, NAME, "ours")) is None
            assert connects(of(office, "city/unknown", "unknown")) is not None
            stranger = Office(tmp_path / "stranger", "Another CA")
            told = connects(of(stranger, NAME, "forged"))
            assert told is not None
            assert "does not accept this device's certificate" in told
        finally:
            cluster.end()
