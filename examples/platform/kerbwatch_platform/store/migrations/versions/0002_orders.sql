-- Orders to devices, and what the workers note of what came: limits, quarantine, gaps that were asked for.

-- What is asked of devices. Sent again until it is answered for good, or until not_after.
CREATE TABLE outgoing (
  order_id uuid PRIMARY KEY,
  tenant text NOT NULL,
  device text NOT NULL,
  command jsonb NOT NULL,
  role text,
  signed_jws text,
  by_account text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  not_before timestamptz NOT NULL DEFAULT now(),
  not_after timestamptz NOT NULL,
  next_at timestamptz NOT NULL DEFAULT now(),
  sent_at timestamptz,
  times_sent integer NOT NULL DEFAULT 0,
  answered_at timestamptz,
  answer jsonb
);
CREATE INDEX outgoing_due ON outgoing (next_at) WHERE answered_at IS NULL;
CREATE INDEX outgoing_of_device ON outgoing (tenant, device, created_at);

-- What the platform could not take, or would not take again: a person looks. `kind` is one of
--   raised        taking it failed, also alone
--   killed        workers died with it, again and again
--   dead_letter   the broker gave up delivering it
--   odd_topic     its topic is none of the contract's
--   unclear       an answer or a state that cannot be read
-- The payload is kept up to a size; size_bytes is the whole.
CREATE TABLE quarantine (
  quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL,
  topic text NOT NULL,
  tenant text,
  device text,
  sha256 text NOT NULL,
  size_bytes bigint NOT NULL,
  payload bytea NOT NULL,
  why text NOT NULL,
  times integer NOT NULL DEFAULT 1,
  first_at timestamptz NOT NULL DEFAULT now(),
  last_at timestamptz NOT NULL DEFAULT now(),
  done_at timestamptz,
  done_by text,
  UNIQUE (kind, topic, sha256)
);
CREATE INDEX quarantine_open ON quarantine (last_at) WHERE done_at IS NULL;

-- Messages that a broker brought again: how many workers began with each and did not come back.
CREATE TABLE attempt (
  topic text NOT NULL,
  sha256 text NOT NULL,
  tries integer NOT NULL DEFAULT 1,
  last_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, sha256)
);

-- What a device sent beyond its limits, by hour: settled unread. No receipt names it, so it comes again.
CREATE TABLE over_limit (
  tenant text NOT NULL,
  device text NOT NULL,
  hour timestamptz NOT NULL,
  messages bigint NOT NULL,
  bytes bigint NOT NULL,
  PRIMARY KEY (tenant, device, hour)
);

-- Whether a device is connected, as its `state` says. Believed if session_id is that of its newest birth.
CREATE TABLE device_state (
  tenant text NOT NULL,
  device text NOT NULL,
  online boolean NOT NULL,
  session_id text NOT NULL,
  epoch text,
  heard_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant, device)
);

-- Gaps as they were seen, and when the device was asked for them.
CREATE TABLE gap_seen (
  tenant text NOT NULL,
  device text NOT NULL,
  epoch text NOT NULL,
  first bigint NOT NULL,
  last bigint NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now(),
  asked_at timestamptz,
  times_asked integer NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, device, epoch, first)
);
