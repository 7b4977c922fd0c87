-- What a city's own systems are told. `since`: what arrived before is not told; `reached`: up to where was looked.
CREATE TABLE webhook (
  name TEXT PRIMARY KEY, since TIMESTAMPTZ NOT NULL, reached TIMESTAMPTZ NOT NULL
);

-- One event for one system: told once, or given up after some days, and then said. `status` is the last answer's.
CREATE TABLE webhook_delivery (
  name TEXT NOT NULL REFERENCES webhook, tenant TEXT NOT NULL, device TEXT NOT NULL,
  event_id TEXT COLLATE "C" NOT NULL, case_id TEXT NOT NULL,
  number BIGINT GENERATED ALWAYS AS IDENTITY, queued_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  next_at TIMESTAMPTZ NOT NULL DEFAULT now(), tries BIGINT NOT NULL DEFAULT 0,
  delivered_at TIMESTAMPTZ, given_up_at TIMESTAMPTZ, status BIGINT, failed TEXT,
  PRIMARY KEY (name, tenant, device, event_id)
);
CREATE INDEX webhook_delivery_waiting ON webhook_delivery (name, number)
  WHERE delivered_at IS NULL AND given_up_at IS NULL;

CREATE INDEX event_of_case_by_arrival ON event (received_at) WHERE type LIKE 'case.%';
