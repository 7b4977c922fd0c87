-- Files of evidence, what is verified of them, timestamps, one-time places to send to, what was handed over.

-- A file that came: its bytes lie in the evidence folder under their hash, durable before this row is there.
-- state: verified    a manifest that the device's key signed names it
--        unverified  nothing that holds names it yet
--        refused     its bytes are what its hash says, and no picture that may be shown
--        lost        it was here, and is not, or is another
CREATE TABLE evidence_file (
  tenant TEXT NOT NULL, device TEXT NOT NULL, sha256 TEXT NOT NULL,
  case_id TEXT, kind TEXT NOT NULL, size_bytes BIGINT NOT NULL, path TEXT NOT NULL,
  over TEXT NOT NULL, taken_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  state TEXT NOT NULL, why TEXT,
  PRIMARY KEY (tenant, device, sha256),
  CHECK (kind IN ('picture', 'snapshot', 'packet')),
  CHECK (over IN ('pieces', 'https', 'hand', 'found')),
  CHECK (state IN ('verified', 'unverified', 'refused', 'lost'))
);
CREATE INDEX evidence_file_by_hash ON evidence_file (sha256);
CREATE INDEX evidence_file_of_nothing ON evidence_file (tenant, device)
  WHERE kind = 'picture' AND case_id IS NULL;

-- A piece of a picture that never becomes whole does not stay for ever.
ALTER TABLE picture_piece ADD COLUMN IF NOT EXISTS arrived_at TIMESTAMPTZ NOT NULL DEFAULT now();
-- What is a JPEG already does not get smaller.
ALTER TABLE picture_piece ALTER COLUMN content SET STORAGE EXTERNAL;

-- Hours that an authority signed, or will: `root` is over the records that have this hour (RFC 6962, RFC 3161).
CREATE TABLE evidence_hour (
  hour TIMESTAMPTZ PRIMARY KEY, root TEXT NOT NULL, records BIGINT NOT NULL,
  token BYTEA, authority BYTEA, stamped_at TIMESTAMPTZ,
  tries BIGINT NOT NULL DEFAULT 0, tried_at TIMESTAMPTZ, failed TEXT
);

-- Records of the devices' chains as they arrived (evidence.packed, evidence.deleted). fault: why the signature proves
-- nothing here. chain: begins, follows, awaits (the record before is not here), broken.
CREATE TABLE evidence_record (
  tenant TEXT NOT NULL, device TEXT NOT NULL, event_id TEXT COLLATE "C" NOT NULL,
  case_id TEXT, stage TEXT, number BIGINT, previous TEXT, digest TEXT NOT NULL, link TEXT,
  jws TEXT NOT NULL, fault TEXT, chain TEXT NOT NULL DEFAULT 'awaits',
  received_at TIMESTAMPTZ NOT NULL DEFAULT now(), hour TIMESTAMPTZ REFERENCES evidence_hour,
  PRIMARY KEY (tenant, device, event_id),
  CHECK (chain IN ('begins', 'follows', 'awaits', 'broken'))
);
CREATE INDEX evidence_record_in_chain ON evidence_record (tenant, device, number);
CREATE INDEX evidence_record_of_case ON evidence_record (tenant, device, case_id);
CREATE INDEX evidence_record_of_no_hour ON evidence_record (received_at) WHERE hour IS NULL;
CREATE INDEX evidence_record_of_hour ON evidence_record (hour);

-- The pictures that a manifest names; sha256 is that of the copy that may leave the device, null where there is none.
CREATE TABLE evidence_named (
  tenant TEXT NOT NULL, device TEXT NOT NULL, event_id TEXT COLLATE "C" NOT NULL, nth BIGINT NOT NULL,
  case_id TEXT NOT NULL, stage TEXT NOT NULL, role TEXT NOT NULL, file TEXT NOT NULL,
  captured_at TIMESTAMPTZ, original_sha256 TEXT, sha256 TEXT, not_redacted TEXT,
  PRIMARY KEY (tenant, device, event_id, nth),
  FOREIGN KEY (tenant, device, event_id) REFERENCES evidence_record ON DELETE CASCADE
);
CREATE INDEX evidence_named_by_hash ON evidence_named (sha256);
CREATE INDEX evidence_named_of_case ON evidence_named (tenant, device, case_id);

-- Where one picture may be put by HTTPS, once. Who has the token may: its hash alone is kept.
CREATE TABLE evidence_place (
  token_sha256 TEXT PRIMARY KEY, tenant TEXT NOT NULL, device TEXT NOT NULL,
  case_id TEXT NOT NULL, sha256 TEXT NOT NULL, most_bytes BIGINT NOT NULL,
  until TIMESTAMPTZ NOT NULL, used_at TIMESTAMPTZ
);

-- What was handed over, by whom and what for; jws is the platform's signature over the list of its files.
CREATE TABLE handover (
  handover_id UUID PRIMARY KEY, tenant TEXT NOT NULL, device TEXT NOT NULL, case_id TEXT NOT NULL,
  account TEXT NOT NULL, reason TEXT NOT NULL, at TIMESTAMPTZ NOT NULL,
  sha256 TEXT NOT NULL, size_bytes BIGINT NOT NULL, jws TEXT NOT NULL
);
CREATE INDEX handover_of_case ON handover (tenant, device, case_id);
