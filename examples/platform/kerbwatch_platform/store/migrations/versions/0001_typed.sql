-- What the views would have to read out of each event's JSON at every question is read once, as the event comes, in the
-- same transaction, whoever inserts it. typed_…: one row for an event (or a part of it). newest_…: one row for a thing.
-- They outlive the month of their events.

CREATE TABLE typed_birth (
  tenant TEXT NOT NULL, device TEXT NOT NULL, event_id TEXT COLLATE "C" NOT NULL,
  because TEXT, predecessor TEXT, last_sequence BIGINT, carried BIGINT, occurred_s DOUBLE PRECISION,
  PRIMARY KEY (tenant, device, event_id)
);

CREATE TABLE newest_clock (
  tenant TEXT NOT NULL, device TEXT NOT NULL, boot_id TEXT NOT NULL,
  zero_s DOUBLE PRECISION, monotonic_s DOUBLE PRECISION NOT NULL, event_id TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, device, boot_id)
);

-- Times as the event told them; the view adds what its boot's clock was set by.
CREATE TABLE typed_case (
  tenant TEXT NOT NULL, device TEXT NOT NULL, event_id TEXT COLLATE "C" NOT NULL,
  type TEXT NOT NULL, test BOOLEAN NOT NULL,
  case_id TEXT NOT NULL, kind TEXT, state TEXT, place_id TEXT, zone_id TEXT, camera_id TEXT, address TEXT, unit TEXT,
  sla_s DOUBLE PRECISION, not_seen_because TEXT, ended_by TEXT,
  boot_id TEXT, monotonic_s DOUBLE PRECISION, occurred_s DOUBLE PRECISION,
  opened_s DOUBLE PRECISION, last_present_s DOUBLE PRECISION, cleared_s DOUBLE PRECISION,
  PRIMARY KEY (tenant, device, event_id)
);
CREATE INDEX typed_case_of ON typed_case (tenant, device, case_id);
CREATE INDEX typed_case_boot ON typed_case (tenant, device, boot_id);

-- Which event says how a case stands: one that ended it before all others, then the newest.
CREATE TABLE newest_case (
  tenant TEXT NOT NULL, device TEXT NOT NULL, case_id TEXT NOT NULL, event_id TEXT COLLATE "C" NOT NULL,
  ended BOOLEAN NOT NULL, at_s DOUBLE PRECISION NOT NULL, state TEXT, test BOOLEAN NOT NULL,
  PRIMARY KEY (tenant, device, case_id)
);
CREATE INDEX newest_case_state ON newest_case (state, tenant, device);

CREATE TABLE newest_stay (
  tenant TEXT NOT NULL, device TEXT NOT NULL, case_id TEXT NOT NULL, member_id TEXT NOT NULL,
  event_id TEXT COLLATE "C" NOT NULL, gone BOOLEAN NOT NULL, at_s DOUBLE PRECISION NOT NULL,
  kind TEXT, place_id TEXT, operator TEXT, since_s DOUBLE PRECISION, until_s DOUBLE PRECISION,
  PRIMARY KEY (tenant, device, case_id, member_id)
);

-- The newest sign of life, and the newest list of open cases.
CREATE TABLE newest_sign (
  tenant TEXT NOT NULL, device TEXT NOT NULL, event_id TEXT COLLATE "C" NOT NULL, at_s DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, device)
);
CREATE INDEX event_sign ON event (tenant, device, boot_id, monotonic_s)
  WHERE type IN ('device.heartbeat', 'device.changes');
CREATE TABLE newest_list (LIKE newest_sign INCLUDING ALL);

CREATE TABLE typed_inventory (
  tenant TEXT NOT NULL, device TEXT NOT NULL, event_id TEXT COLLATE "C" NOT NULL,
  inventory_id TEXT, part TEXT, parts BIGINT,
  boot_id TEXT, monotonic_s DOUBLE PRECISION, occurred_s DOUBLE PRECISION,
  PRIMARY KEY (tenant, device, event_id)
);

CREATE TABLE typed_hours (
  tenant TEXT NOT NULL, device TEXT NOT NULL, event_id TEXT COLLATE "C" NOT NULL, nth TEXT NOT NULL,
  day TEXT, zone_id TEXT, place_id TEXT, camera_id TEXT, kind TEXT,
  sensing_s DOUBLE PRECISION, abstained_s DOUBLE PRECISION, blind_s DOUBLE PRECISION,
  PRIMARY KEY (tenant, device, event_id, nth)
);
CREATE INDEX typed_hours_day ON typed_hours (day, tenant, device);

-- When an event was, by its boot's newest correction; what cannot be read was before all else.
CREATE FUNCTION at_s(occurred_s double precision, zero_s double precision, monotonic_s double precision)
RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(occurred_s + coalesce(zero_s + monotonic_s - occurred_s, 0), '-Infinity') $$;

-- Of some cases of a device, from all events that are there: what a clock that was set has changed.
CREATE FUNCTION cases_again(of_tenant text, of_device text, of_boot text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE concerned text[];
BEGIN
  SELECT array_agg(DISTINCT case_id) INTO concerned FROM typed_case
  WHERE (tenant, device, boot_id) = (of_tenant, of_device, of_boot);
  DELETE FROM newest_case WHERE tenant = of_tenant AND device = of_device AND case_id = ANY (concerned);
  DELETE FROM newest_stay WHERE tenant = of_tenant AND device = of_device AND case_id = ANY (concerned);
  PERFORM cases_from(array_agg(c)) FROM typed_case c
  WHERE tenant = of_tenant AND device = of_device AND case_id = ANY (concerned);
END $$;

CREATE FUNCTION cases_from(came typed_case[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO newest_case AS n (tenant, device, case_id, event_id, ended, at_s, state, test)
  SELECT DISTINCT ON (tenant, device, case_id) * FROM (
    SELECT c.tenant, c.device, c.case_id, c.event_id, c.state IS DISTINCT FROM 'open' AS ended,
      at_s(c.occurred_s, b.zero_s, c.monotonic_s) AS at_s, c.state, c.test
    FROM unnest(came) AS c LEFT JOIN newest_clock b USING (tenant, device, boot_id)
  ) AS ranked ORDER BY tenant, device, case_id, ended DESC, at_s DESC, event_id DESC
  ON CONFLICT (tenant, device, case_id) DO UPDATE SET
    (event_id, ended, at_s, state, test) = (excluded.event_id, excluded.ended, excluded.at_s, excluded.state, excluded.test)
  WHERE (excluded.ended, excluded.at_s, excluded.event_id) > (n.ended, n.at_s, n.event_id);

  INSERT INTO newest_stay AS n (tenant, device, case_id, member_id, event_id, gone, at_s, kind, place_id, operator,
    since_s, until_s)
  SELECT DISTINCT ON (tenant, device, case_id, member_id) * FROM (
    SELECT c.tenant, c.device, c.case_id, identifier(m.value->>'member_id') AS member_id, c.event_id, m.gone,
      at_s(c.occurred_s, b.zero_s, c.monotonic_s) AS at_s, c.kind, c.place_id, m.value->>'operator' AS operator,
      unix_s(m.value->>'since') + s.shift_s AS since_s,
      CASE WHEN m.gone THEN unix_s(m.value->>'until') + s.shift_s
        ELSE coalesce(unix_s(m.value->>'last_present_at'), c.last_present_s) + s.shift_s END AS until_s
    FROM unnest(came) AS c LEFT JOIN newest_clock b USING (tenant, device, boot_id)
    CROSS JOIN LATERAL (SELECT coalesce(b.zero_s + c.monotonic_s - c.occurred_s, 0) AS shift_s) AS s
    JOIN event e ON (e.tenant, e.device, e.event_id) = (c.tenant, c.device, c.event_id)
    CROSS JOIN LATERAL (
      SELECT value, type, false AS gone FROM members(e.raw->'body'->'members')
      UNION ALL SELECT value, type, true FROM members(e.raw->'body'->'left')
    ) AS m
    WHERE m.type = 'object' AND NOT c.test
  ) AS stays WHERE member_id IS NOT NULL
  ORDER BY tenant, device, case_id, member_id, gone DESC, at_s DESC, event_id DESC,
    since_s DESC NULLS LAST, until_s DESC NULLS LAST, operator COLLATE "C" DESC NULLS LAST
  ON CONFLICT (tenant, device, case_id, member_id) DO UPDATE SET
    (event_id, gone, at_s, kind, place_id, operator, since_s, until_s) = (excluded.event_id, excluded.gone,
      excluded.at_s, excluded.kind, excluded.place_id, excluded.operator, excluded.since_s, excluded.until_s)
  WHERE (excluded.gone, excluded.at_s, excluded.event_id) > (n.gone, n.at_s, n.event_id);
END $$;

-- The newest sign of life again. The one that was the newest still is unless its own boot's clock went back.
CREATE FUNCTION sign_again(of_tenant text, of_device text, of_boot text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  before newest_sign; best newest_sign; own boolean;
BEGIN
  SELECT * INTO before FROM newest_sign WHERE (tenant, device) = (of_tenant, of_device);
  IF NOT FOUND THEN RETURN; END IF;
  SELECT e.boot_id IS NOT DISTINCT FROM of_boot INTO own FROM event e
  WHERE (e.tenant, e.device, e.event_id) = (before.tenant, before.device, before.event_id);
  SELECT e.tenant, e.device, e.event_id, at_s(e.occurred_s, b.zero_s, e.monotonic_s) INTO best
  FROM event e JOIN newest_clock b USING (tenant, device, boot_id)
  WHERE (e.tenant, e.device, e.boot_id) = (of_tenant, of_device, of_boot)
    AND e.type IN ('device.heartbeat', 'device.changes')
  ORDER BY 4 DESC, e.event_id DESC LIMIT 1;
  IF coalesce(own, true) AND (best IS NULL OR best.at_s < before.at_s) THEN
    SELECT e.tenant, e.device, e.event_id, at_s(e.occurred_s, b.zero_s, e.monotonic_s) INTO best
    FROM event e LEFT JOIN newest_clock b USING (tenant, device, boot_id)
    WHERE (e.tenant, e.device) = (of_tenant, of_device) AND e.type IN ('device.heartbeat', 'device.changes')
    ORDER BY 4 DESC, e.event_id DESC LIMIT 1;
  ELSIF NOT own AND (best IS NULL OR (best.at_s, best.event_id) < (before.at_s, before.event_id)) THEN
    RETURN;
  END IF;
  UPDATE newest_sign SET event_id = best.event_id, at_s = best.at_s
  WHERE (tenant, device) = (of_tenant, of_device) AND best.event_id IS NOT NULL;
END $$;

CREATE FUNCTION list_again(of_tenant text, of_device text) RETURNS void LANGUAGE sql AS $$
  UPDATE newest_list AS n SET event_id = best.event_id, at_s = best.at_s FROM (
    SELECT e.event_id, at_s(e.occurred_s, b.zero_s, e.monotonic_s) AS at_s
    FROM event e LEFT JOIN newest_clock b USING (tenant, device, boot_id)
    WHERE (e.tenant, e.device) = (of_tenant, of_device) AND e.type IN ('device.birth', 'device.summary')
      AND e.raw->'body'->'open_cases' IS NOT NULL
    ORDER BY 2 DESC, 1 DESC LIMIT 1) AS best
  WHERE (n.tenant, n.device) = (of_tenant, of_device) $$;

-- Events of one device that others' depend on (a clock that was set, a loss report that waits for a key) are taken in
-- alone; all others together. 256 locks stand for all devices, taken in one order.
CREATE FUNCTION event_came() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE of record;
BEGIN
  FOR of IN SELECT hashtext(tenant || '/' || device) & 255 AS lock, bool_or(type IN ('device.clock', 'device.loss')) AS alone
    FROM came GROUP BY 1 ORDER BY 1
  LOOP
    IF of.alone THEN PERFORM pg_advisory_xact_lock(1801808482, of.lock);
    ELSE PERFORM pg_advisory_xact_lock_shared(1801808482, of.lock); END IF;
  END LOOP;

  INSERT INTO typed_birth SELECT tenant, device, event_id, raw->'body'->>'because',
    raw->'body'->'predecessor'->>'epoch', whole(raw->'body'->'predecessor'->>'last_sequence'),
    whole(raw->'body'->>'carried'), occurred_s
  FROM came WHERE type = 'device.birth' ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING;

  INSERT INTO typed_inventory SELECT tenant, device, event_id, raw->'body'->>'inventory_id', raw->'body'->>'part',
    whole(raw->'body'->>'parts'), boot_id, monotonic_s, occurred_s
  FROM came WHERE type = 'device.inventory' ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING;

  INSERT INTO typed_hours SELECT c.tenant, c.device, c.event_id, z.key, left(c.raw->'body'->>'day', 64),
    z.value->>'zone_id', z.value->>'place_id', z.value->>'camera_id', z.value->>'zone_kind',
    number(z.value->>'sensing_s'), number(z.value->>'abstained_s'), number(z.value->>'blind_s')
  FROM came c CROSS JOIN LATERAL members(c.raw->'body'->'zones') AS z
  WHERE c.type = 'device.summary' AND z.type = 'object' AND NOT c.test AND length(z.key) <= 64
  ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING;

  INSERT INTO typed_case SELECT tenant, device, event_id, type, test, case_id,
    raw->'body'->>'kind', raw->'body'->>'state', raw->'body'->'place'->>'place_id', raw->'body'->'place'->>'zone_id',
    raw->'body'->'place'->>'camera_id', raw->'body'->'place'->>'address',
    coalesce(raw->'body'->'place'->>'responsible_unit_id', raw->'body'->'place'->>'responsible_unit'),
    number(raw->'body'->'place'->>'sla_s'), raw->'body'->'abstention'->>'because', raw->'body'->'reason'->>'ended_by',
    boot_id, monotonic_s, occurred_s,
    unix_s(raw->'body'->>'opened_at'), unix_s(raw->'body'->>'last_present_at'), unix_s(raw->'body'->>'cleared_at')
  FROM came WHERE type LIKE 'case.%' AND case_id IS NOT NULL ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING;

  INSERT INTO newest_clock AS n (tenant, device, boot_id, zero_s, monotonic_s, event_id)
  SELECT DISTINCT ON (1, 2, 3) tenant, device, identifier(raw->'body'->>'boot_id'), unix_s(raw->'body'->>'zero_at'),
    coalesce(monotonic_s, '-Infinity'), event_id
  FROM came WHERE type = 'device.clock' AND identifier(raw->'body'->>'boot_id') IS NOT NULL
  ORDER BY 1, 2, 3, 5 DESC, 6 DESC
  ON CONFLICT (tenant, device, boot_id) DO UPDATE SET
    (zero_s, monotonic_s, event_id) = (excluded.zero_s, excluded.monotonic_s, excluded.event_id)
  WHERE (excluded.monotonic_s, excluded.event_id) > (n.monotonic_s, n.event_id);

  PERFORM cases_from(array_agg(t)) FROM came c JOIN typed_case t USING (tenant, device, event_id);

  INSERT INTO newest_sign AS n SELECT DISTINCT ON (c.tenant, c.device) c.tenant, c.device, c.event_id,
    at_s(c.occurred_s, b.zero_s, c.monotonic_s)
  FROM came c LEFT JOIN newest_clock b USING (tenant, device, boot_id)
  WHERE c.type IN ('device.heartbeat', 'device.changes') ORDER BY c.tenant, c.device, 4 DESC, 3 DESC
  ON CONFLICT (tenant, device) DO UPDATE SET (event_id, at_s) = (excluded.event_id, excluded.at_s)
  WHERE (excluded.at_s, excluded.event_id) > (n.at_s, n.event_id);

  INSERT INTO newest_list AS n SELECT DISTINCT ON (c.tenant, c.device) c.tenant, c.device, c.event_id,
    at_s(c.occurred_s, b.zero_s, c.monotonic_s)
  FROM came c LEFT JOIN newest_clock b USING (tenant, device, boot_id)
  WHERE c.type IN ('device.birth', 'device.summary') AND c.raw->'body'->'open_cases' IS NOT NULL
  ORDER BY c.tenant, c.device, 4 DESC, 3 DESC
  ON CONFLICT (tenant, device) DO UPDATE SET (event_id, at_s) = (excluded.event_id, excluded.at_s)
  WHERE (excluded.at_s, excluded.event_id) > (n.at_s, n.event_id);

  FOR of IN SELECT n.tenant, n.device, n.boot_id FROM newest_clock n JOIN came c USING (tenant, device, event_id)
    WHERE c.type = 'device.clock' ORDER BY 1, 2, 3
  LOOP
    PERFORM cases_again(of.tenant, of.device, of.boot_id);
    PERFORM sign_again(of.tenant, of.device, of.boot_id);
    PERFORM list_again(of.tenant, of.device);
  END LOOP;
  RETURN NULL;
END $$;

CREATE TRIGGER event_came AFTER INSERT ON event REFERENCING NEW TABLE AS came
FOR EACH STATEMENT EXECUTE FUNCTION event_came();

-- Every epoch of which something came has its row among the receipts' states, from where its numbers are counted.
-- Nobody waits for anybody here.
CREATE FUNCTION number_came() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO receipted (tenant, device, epoch, through)
  SELECT DISTINCT tenant, device, epoch, 0 FROM came c WHERE NOT EXISTS (
    SELECT 1 FROM receipted r WHERE (r.tenant, r.device, r.epoch) = (c.tenant, c.device, c.epoch))
  ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING;
  UPDATE receipted AS r SET touched_at = now() FROM (
    SELECT tenant, device, epoch FROM receipted JOIN (SELECT DISTINCT tenant, device, epoch FROM came) AS c
      USING (tenant, device, epoch)
    WHERE touched_at < now() - interval '1 minute' FOR UPDATE OF receipted SKIP LOCKED
  ) AS stale WHERE (r.tenant, r.device, r.epoch) = (stale.tenant, stale.device, stale.epoch);
  RETURN NULL;
END $$;

CREATE TRIGGER number_came AFTER INSERT ON numbered REFERENCING NEW TABLE AS came
FOR EACH STATEMENT EXECUTE FUNCTION number_came();
CREATE TRIGGER number_came AFTER INSERT ON lost REFERENCING NEW TABLE AS came
FOR EACH STATEMENT EXECUTE FUNCTION number_came();
CREATE TRIGGER number_came AFTER INSERT ON refused REFERENCING NEW TABLE AS came
FOR EACH STATEMENT EXECUTE FUNCTION number_came();
