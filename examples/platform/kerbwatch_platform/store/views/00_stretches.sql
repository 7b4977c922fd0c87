-- What receipts have found above the first gap of an epoch (store/receipts.py): a number that never comes keeps `through`
-- where it is, and what lies above is not counted again. No step of the migrations: it can be computed again at any time.
ALTER TABLE receipted ADD COLUMN IF NOT EXISTS stretches int8multirange NOT NULL DEFAULT '{}';

-- Numbers that were not settled when the last receipt was computed; the last range ends where no number is.
CREATE OR REPLACE FUNCTION unsettled(through bigint, stretches int8multirange) RETURNS int8multirange
LANGUAGE sql IMMUTABLE AS $$
  SELECT int8multirange(int8range(through + 1, 9223372036854775807)) - stretches $$;

-- Which case an event says the newest of: the queue comes from the event.
CREATE INDEX IF NOT EXISTS newest_case_event ON newest_case (tenant, device, event_id);
