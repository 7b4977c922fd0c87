"""A platform's consumer: stores each event once and each of its numbers, and says what it has stored.

It needs paho-mqtt, jsonschema-rs, cryptography and the contract's reader schema, and nothing of the agent. Why each
step is as it is stands in docs/platform/; what is stored of a message, in storing.py.

    python consumer.py mqtt://localhost:1883 platform.db
"""

import argparse
import json
import queue
import signal
import threading
from pathlib import Path

import pictures
from kerbwatch_platform.contract.reach import EXPECTED, place
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from storing import opened, settled_by

MOST = 1000
"""Messages of one transaction."""


class Consumer:
    """Takes what a broker has for it, stores it, acknowledges it and sends receipts, until it is stopped."""

    def __init__(self, url, path, topic, name):
        self._topic = topic
        self._came, self._connection = queue.Queue(), 0
        self._client = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTv5, manual_ack=True)
        self._place = place(self._client, url, name)
        self._db = opened(path)
        self._client.on_connect = self._connected
        self._client.on_message = lambda *told: self._came.put((self._connection, told[-1]))

    def _connected(self, client, *_):
        self._connection += 1
        client.subscribe([(self._topic, 1), (pictures.beside(self._topic), 1)])

    def run(self, stop):
        """Work until ``stop`` is set."""
        lasting = Properties(PacketTypes.CONNECT)
        lasting.SessionExpiryInterval, lasting.ReceiveMaximum = 7 * 24 * 3600, 200
        self._client.connect_async(*self._place, clean_start=False, properties=lasting)
        self._client.reconnect_delay_set(1, 30)
        self._client.loop_start()
        while not stop.is_set():
            self._work()
        self._client.disconnect()
        self._client.loop_stop()

    def _work(self):
        """Store what is there in one transaction; acknowledge and send receipts after it."""
        try:
            batch = [self._came.get(timeout=0.2)]
        except queue.Empty:
            return
        while not self._came.empty() and len(batch) < MOST:
            batch.append(self._came.get())
        due = settled_by(self._db, [(message.topic, message.payload) for _, message in batch])
        for connection, message in batch:
            # What an earlier connection brought comes again; its acknowledgement would hit another message.
            if connection == self._connection:
                self._client.ack(message.mid, message.qos)
        for topic, receipt in due:
            self._client.publish(topic, json.dumps(receipt), qos=1)


def main(arguments=None):
    """Run until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("broker", help=EXPECTED)
    parser.add_argument("database", type=Path)
    parser.add_argument("--topic", default="kerbwatch/v2/+/+/events")
    parser.add_argument("--name", default="platform-1", help="client id: its session outlives it")
    told = parser.parse_args(arguments)
    try:
        consumer = Consumer(told.broker, told.database, told.topic, told.name)
    except ValueError as why:
        parser.error(str(why))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    consumer.run(stop)


if __name__ == "__main__":
    main()
