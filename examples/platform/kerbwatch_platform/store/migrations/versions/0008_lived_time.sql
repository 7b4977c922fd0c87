-- How long the platform has lived, and which evidence folder is its own: no clock and no disk that is away deletes anything.

-- Seconds that the machine with the hourly work has lived through (store/lived.py), and what they were counted from.
CREATE TABLE lived_time (
  one BOOLEAN PRIMARY KEY DEFAULT true CHECK (one),
  lived_s DOUBLE PRECISION NOT NULL, boot_id TEXT NOT NULL, running_s DOUBLE PRECISION NOT NULL,
  at TIMESTAMPTZ NOT NULL
);

-- What stands in the mark of the evidence folder (evidence/folder.py).
CREATE TABLE evidence_folder (
  one BOOLEAN PRIMARY KEY DEFAULT true CHECK (one), id UUID NOT NULL
);

-- What keeps evidence from being looked after, for the people at the desk; gone when it is mended.
CREATE TABLE evidence_notice (
  code TEXT PRIMARY KEY, facts JSONB NOT NULL, since TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Files that no row is of, and since when by lived time.
CREATE TABLE evidence_stray (
  sha256 TEXT PRIMARY KEY, since_s DOUBLE PRECISION NOT NULL
);
