"""Sends one command to a device, waits for its answer and prints it.

    python command.py mqtt://localhost:1883 example-city example-corner '{"command": "pace", …}'
    python command.py mqtt://localhost:1883 example-city example-corner - < order.json

The second is for a signed one (``sign.py``), which goes as it is. A plain one without ``command_id`` is given one.
"""

import json
import queue
import sys
import uuid

from kerbwatch_platform.contract.reach import place
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

WAIT_S = 60


def whole(told):
    """The command as it is sent."""
    return told if "jws" in told else {"contract": 2, "command_id": str(uuid.uuid4())} | told


def command(url, tenant, device, told, *, prefix="kerbwatch/v2", name="platform-command"):
    """Send a command; gives the device's answer, or None if none came while it was waited for."""
    told = whole(told)
    base = f"{prefix}/{tenant}/{device}"
    answers, heard = queue.Queue(), queue.Queue()
    client = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTv5)
    client.on_subscribe = lambda *_: heard.put(True)
    client.on_connect = lambda *_: client.subscribe(f"{base}/answers", qos=1)
    client.on_message = lambda _c, _u, message: answers.put(message)
    client.connect(*place(client, url, "platform"))
    client.loop_start()
    try:
        heard.get(timeout=WAIT_S)  # first listen, then ask
        asked = Properties(PacketTypes.PUBLISH)
        asked.MessageExpiryInterval = WAIT_S
        asked.CorrelationData = uuid.uuid4().bytes  # comes back with the answer
        client.publish(f"{base}/commands", json.dumps(told), qos=1, properties=asked)
        while True:
            message = answers.get(timeout=WAIT_S)
            answer = json.loads(message.payload)
            if getattr(message.properties, "CorrelationData", None) == asked.CorrelationData:
                return answer
            if "command_id" in told and answer.get("command_id") == told["command_id"]:
                return answer
    except queue.Empty:
        return None
    finally:
        client.disconnect()
        client.loop_stop()


def main(arguments):
    """Send what was asked for; ends with 1 and a reason where there is no answer."""
    if len(arguments) != 4:
        sys.exit(__doc__)
    *where, text = arguments
    try:
        told = whole(json.loads(sys.stdin.read() if text == "-" else text))
        answer = command(*where, told)
    except (OSError, ValueError) as why:  # the broker, or the text
        sys.exit(f"not sent: {why}")
    if answer is None:
        sys.exit(f"no answer in {WAIT_S} s. The very same may be sent again: {json.dumps(told)}")
    sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
