-- These give null, or nothing, for what a hostile device may have written there.

-- Seconds since 1970 of a time of the contract. Nothing else is one: what `now`, or a time without its offset, means
-- depends on who asks.
CREATE OR REPLACE FUNCTION unix_s(told text) RETURNS double precision LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF told ~ ('^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?'
      '(Z|[+-](0[0-9]|1[0-5]):[0-5][0-9])$') THEN
    RETURN extract(epoch FROM regexp_replace(told, '([.][0-9]{6})[0-9]+', '\1')::timestamptz);
  END IF;
  RETURN NULL;
EXCEPTION WHEN others THEN RETURN NULL; END $$;

CREATE OR REPLACE FUNCTION number(told text) RETURNS double precision LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN  -- no NaN, nothing infinite, nothing that only this database reads as a number
  IF told ~ '^[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$' THEN RETURN told::double precision; END IF;
  RETURN NULL;
EXCEPTION WHEN others THEN RETURN NULL; END $$;

CREATE OR REPLACE FUNCTION whole(told text) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN RETURN told::bigint; EXCEPTION WHEN others THEN RETURN NULL; END $$;

-- What can be an id of the contract: an index takes no text of any length.
CREATE OR REPLACE FUNCTION identifier(told text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN length(told) BETWEEN 1 AND 64 THEN told END $$;

CREATE OR REPLACE FUNCTION members(told jsonb) RETURNS TABLE (key text, value jsonb, type text) LANGUAGE plpgsql
IMMUTABLE AS $$ BEGIN
  IF jsonb_typeof(told) = 'array' THEN
    RETURN QUERY SELECT a.nth::text, a.value, jsonb_typeof(a.value)
      FROM jsonb_array_elements(told) WITH ORDINALITY AS a(value, nth);
  ELSIF jsonb_typeof(told) = 'object' THEN
    RETURN QUERY SELECT o.key, o.value, jsonb_typeof(o.value) FROM jsonb_each(told) AS o;
  END IF;
END $$;

-- Every event once, under its own id, as it came. device is the topic's, which is the event's. An id is a UUIDv7,
-- whose text begins with its time: each month has a partition of its own. What has another id, or one of a month
-- that nobody made a partition for (a clock in the past, a hostile device), lies in event_other.
CREATE TABLE event (
  tenant TEXT NOT NULL, device TEXT NOT NULL, event_id TEXT COLLATE "C" NOT NULL,
  type TEXT NOT NULL, test BOOLEAN NOT NULL, raw JSONB NOT NULL,
  received_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  occurred_s DOUBLE PRECISION GENERATED ALWAYS AS (unix_s(raw->>'occurred_at')) STORED,
  monotonic_s DOUBLE PRECISION GENERATED ALWAYS AS (number(raw->'clock'->>'monotonic_s')) STORED,
  boot_id TEXT GENERATED ALWAYS AS (identifier(raw->'clock'->>'boot_id')) STORED,
  case_id TEXT GENERATED ALWAYS AS (identifier(raw->'body'->>'case_id')) STORED,
  PRIMARY KEY (tenant, device, event_id)
) PARTITION BY RANGE (event_id);
CREATE TABLE event_other PARTITION OF event DEFAULT;
CREATE INDEX event_of_type ON event (type, tenant, device);
CREATE INDEX event_of_case ON event (tenant, device, case_id) WHERE case_id IS NOT NULL;

-- Every number that came, and whose it is: one event has several numbers when its epoch ended before the
-- device knew that it had arrived.
CREATE TABLE numbered (
  tenant TEXT NOT NULL, device TEXT NOT NULL, epoch TEXT NOT NULL, sequence BIGINT NOT NULL,
  event_id TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, device, epoch, sequence)
);
CREATE INDEX numbers_of_event ON numbered (tenant, device, event_id);

-- Another event under a number that was somebody's already: the card was set back, or there are two of it.
CREATE TABLE conflict (
  tenant TEXT NOT NULL, device TEXT NOT NULL, epoch TEXT NOT NULL, sequence BIGINT NOT NULL,
  event_id TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, device, epoch, sequence, event_id)
);

-- The key that a device signs with: that of the first birth that came. A later one with another key changes
-- nothing; where a device rightly has a new one (a new card), a person deletes its row.
CREATE TABLE device_key (
  tenant TEXT NOT NULL, device TEXT NOT NULL, key TEXT NOT NULL,
  PRIMARY KEY (tenant, device)
);

-- Numbers that a loss report names, signed with that key: they will never come, and the device says why.
CREATE TABLE lost (
  tenant TEXT NOT NULL, device TEXT NOT NULL, epoch TEXT NOT NULL, first BIGINT NOT NULL,
  last BIGINT NOT NULL, lane TEXT, reason TEXT, report TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, device, epoch, first, last, report)
);

-- Numbers whose event broke the envelope: told to the device by code, kept as they came.
CREATE TABLE refused (
  tenant TEXT NOT NULL, device TEXT NOT NULL, epoch TEXT NOT NULL, sequence BIGINT NOT NULL,
  code TEXT NOT NULL, raw TEXT NOT NULL,
  PRIMARY KEY (tenant, device, epoch, sequence)
);

-- What has no number that could be told: a person looks. It is kept once, however often it comes; of one device only
-- the newest (store/aside.py), and of a large one the beginning. size_bytes is what came.
CREATE TABLE set_aside (
  topic TEXT NOT NULL, sha256 TEXT NOT NULL, why TEXT NOT NULL, payload BYTEA NOT NULL,
  tenant TEXT NOT NULL DEFAULT '', device TEXT NOT NULL DEFAULT '',
  size_bytes BIGINT NOT NULL DEFAULT 0, at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, sha256)
);
CREATE INDEX set_aside_of_device ON set_aside (tenant, device, at);

-- How much of a device's rubbish is no longer kept.
CREATE TABLE dropped (
  tenant TEXT NOT NULL, device TEXT NOT NULL, messages BIGINT NOT NULL, bytes BIGINT NOT NULL,
  PRIMARY KEY (tenant, device)
);

-- The receipts' state: up to where an epoch has no gap, so that no receipt counts from 1 again.
CREATE TABLE receipted (
  tenant TEXT NOT NULL, device TEXT NOT NULL, epoch TEXT NOT NULL, through BIGINT NOT NULL,
  touched_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant, device, epoch)
);

-- Pieces of pictures that are not whole yet, as they came; first is where in the picture a piece begins.
CREATE TABLE picture_piece (
  tenant TEXT NOT NULL, device TEXT NOT NULL, sha256 TEXT NOT NULL, size_bytes BIGINT NOT NULL,
  first BIGINT NOT NULL, content BYTEA NOT NULL,
  PRIMARY KEY (tenant, device, sha256, size_bytes, first)
);

-- Redacted pictures that came whole and are what their SHA-256 says. A large platform keeps content elsewhere.
CREATE TABLE picture (
  tenant TEXT NOT NULL, device TEXT NOT NULL, sha256 TEXT NOT NULL, size_bytes BIGINT NOT NULL,
  content BYTEA NOT NULL,
  PRIMARY KEY (tenant, device, sha256)
);

-- Months of events that were taken out of `event` (store/upkeep.py): what is numbered there came, and is not kept again.
CREATE TABLE archived_month (
  name TEXT PRIMARY KEY, first_id TEXT COLLATE "C" NOT NULL, end_id TEXT COLLATE "C" NOT NULL,
  at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE SCHEMA IF NOT EXISTS archive;
