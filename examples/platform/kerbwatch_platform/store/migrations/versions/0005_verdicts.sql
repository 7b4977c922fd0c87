-- What reviewers found of a case, and the numbers that it was filed under. Nothing is overwritten: the newest that was
-- not undone counts. `order_id` is the row of `outgoing` that tells the device; `jws` is what it says, signed by the desk.
CREATE TABLE verdict (
  number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  decision_id UUID NOT NULL UNIQUE,
  tenant TEXT NOT NULL, device TEXT NOT NULL, case_id TEXT NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('valid', 'false', 'duplicate')),
  of_case TEXT CHECK (of_case IS NULL OR verdict = 'duplicate'),
  reference TEXT, account TEXT NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  jws TEXT, order_id UUID, undone_at TIMESTAMPTZ
);
CREATE INDEX verdict_of_case ON verdict (tenant, device, case_id, number DESC);

CREATE TABLE case_ticket (
  number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  decision_id UUID NOT NULL UNIQUE,
  tenant TEXT NOT NULL, device TEXT NOT NULL, case_id TEXT NOT NULL,
  ticket TEXT NOT NULL, account TEXT NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  order_id UUID, undone_at TIMESTAMPTZ
);
CREATE INDEX ticket_of_case ON case_ticket (tenant, device, case_id, number DESC);
