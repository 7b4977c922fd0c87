-- What the figures need.

-- How many events of a month were there when its Parquet file was written last.
CREATE TABLE archived (
  month TEXT PRIMARY KEY, events BIGINT NOT NULL, written_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
