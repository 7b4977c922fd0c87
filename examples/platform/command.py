"""Sends one command to a device, waits for its answer and prints it.

python command.py mqtt://localhost:1883 example-city example-corner '{"command": "pace", …}'
"""

import json
import queue
import sys
import uuid

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from reach import place

WAIT_S = 60


def command(url, tenant, device, told, *, prefix="kerbwatch/v2", name="platform-command"):
    """Send a command; gives the device's answer, or None if none came while it was waited for."""
    told = {"contract": 2, "command_id": str(uuid.uuid4())} | told
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
        asked.CorrelationData = told["command_id"].encode()
        client.publish(f"{base}/commands", json.dumps(told), qos=1, properties=asked)
        while True:
            message = answers.get(timeout=WAIT_S)
            answer = json.loads(message.payload)
            mine = getattr(message.properties, "CorrelationData", None) == asked.CorrelationData
            if mine or answer.get("command_id") == told["command_id"]:
                return answer
    except queue.Empty:
        return None
    finally:
        client.disconnect()
        client.loop_stop()


if __name__ == "__main__":
    *where, text = sys.argv[1:]
    sys.stdout.write(json.dumps(command(*where, json.loads(text)), ensure_ascii=False) + "\n")
