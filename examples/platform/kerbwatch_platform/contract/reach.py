"""Where a broker is, of its URL: for the programs beside this file.

``mqtts`` is TLS, and believes the system's authorities, or those in the file named with ``ca``. Where the broker
knows its clients by certificates: ``mqtts://HOST:8883?ca=ca.pem&certificate=platform.pem&key=platform.key``.
"""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

PORTS = {"mqtt": 1883, "mqtts": 8883}
EXPECTED = "mqtt://[USER:PASSWORD@]HOST[:PORT], or mqtts://…[?ca=FILE][&certificate=FILE&key=FILE]"


def place(client: Any, url: str, name: str) -> tuple[str, int]:
    """Host and port of a broker; gives the client its login, and TLS where the URL says so.

    Raises:
        ValueError: The URL says something else, or a file of it cannot be used; the text says what is expected.
    """
    told = urlsplit(url)
    files = dict(parse_qsl(told.query))
    allowed = {"ca", "certificate", "key"} if told.scheme == "mqtts" else set()
    if told.scheme not in PORTS or not told.hostname or files.keys() - allowed:
        raise ValueError(f"no broker: {told.scheme}://…; expected is {EXPECTED}")
    if told.scheme == "mqtts":
        try:
            client.tls_set(files.get("ca"), files.get("certificate"), files.get("key"))
        except OSError as error:
            raise ValueError(f"{EXPECTED}: a FILE cannot be used: {error}") from error
    password = None if told.password is None else unquote(told.password)
    client.username_pw_set(unquote(told.username or name), password)
    return told.hostname, told.port or PORTS[told.scheme]
