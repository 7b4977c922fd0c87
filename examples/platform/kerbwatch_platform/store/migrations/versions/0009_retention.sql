-- Pictures are deleted when their time is over (evidence/retention.py): the record first, then the file, then `gone_at`.

CREATE FUNCTION only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the table % is only ever added to', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

-- One more state, deleted: it was here, and its time is over. It stays known, and is not stored again.
-- since_s: when a pass first saw it here, by lived time. gone_at: when its file was seen to be gone from the disk.
ALTER TABLE evidence_file DROP CONSTRAINT evidence_file_state_check,
  ADD CONSTRAINT evidence_file_state_check CHECK (state IN ('verified', 'unverified', 'refused', 'lost', 'deleted')),
  ADD COLUMN since_s DOUBLE PRECISION, ADD COLUMN gone_at TIMESTAMPTZ;
CREATE INDEX evidence_file_to_go ON evidence_file (sha256) WHERE state = 'deleted' AND gone_at IS NULL;
CREATE INDEX evidence_file_of_case ON evidence_file (tenant, device, case_id);

-- How a case stands for its retention, and since when, by lived time. `mark` changes with whatever begins its time anew.
CREATE TABLE case_age (
  tenant TEXT NOT NULL, device TEXT NOT NULL, case_id TEXT NOT NULL,
  outcome TEXT NOT NULL, is_open BOOLEAN NOT NULL, mark TEXT NOT NULL, since_s DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, device, case_id)
);

-- What was deleted. `days` is the period that was over; with `account` and `reason`: by a person, before that.
CREATE TABLE evidence_deletion (
  number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at TIMESTAMPTZ NOT NULL DEFAULT now(),
  tenant TEXT NOT NULL, device TEXT NOT NULL, case_id TEXT, sha256 TEXT NOT NULL, kind TEXT NOT NULL,
  size_bytes BIGINT NOT NULL, outcome TEXT NOT NULL, days DOUBLE PRECISION, account TEXT, reason TEXT
);
CREATE INDEX evidence_deletion_of_file ON evidence_deletion (tenant, device, sha256, number DESC);
CREATE TRIGGER evidence_deletion_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence_deletion
  FOR EACH STATEMENT EXECUTE FUNCTION only_added_to();

-- Holds as they were set and lifted; the newest of a case counts. lived_s: when, by lived time.
CREATE TABLE case_hold (
  number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at TIMESTAMPTZ NOT NULL DEFAULT now(),
  tenant TEXT NOT NULL, device TEXT NOT NULL, case_id TEXT NOT NULL, held BOOLEAN NOT NULL,
  account TEXT NOT NULL, reason TEXT NOT NULL, lived_s DOUBLE PRECISION NOT NULL
);
CREATE INDEX case_hold_of_case ON case_hold (tenant, device, case_id, number DESC);
CREATE TRIGGER case_hold_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON case_hold
  FOR EACH STATEMENT EXECUTE FUNCTION only_added_to();
