-- Rows of the platform's own come to an end (store/ends.py), by lived time as well.

-- What the clock said and how far the access log had come when the platform had lived so long.
CREATE TABLE lived_mark (
  lived_s DOUBLE PRECISION PRIMARY KEY, at TIMESTAMPTZ NOT NULL, log_number BIGINT NOT NULL
);

-- The access log: nobody changes a row, and nobody deletes one before six calendar months (184 days at most) were lived.
CREATE FUNCTION access_log_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.number > coalesce((SELECT log_number FROM lived_mark
      WHERE lived_s <= (SELECT lived_s FROM lived_time) - 184 * 86400 ORDER BY lived_s DESC LIMIT 1), 0) THEN
    RAISE EXCEPTION 'the access log is only ever added to; what is older than 184 days may end'
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN OLD;
END $$;
DROP TRIGGER access_log_stays ON access_log;
CREATE TRIGGER access_log_stays BEFORE UPDATE OR TRUNCATE ON access_log
  FOR EACH STATEMENT EXECUTE FUNCTION access_log_stays();
CREATE TRIGGER access_log_ends BEFORE DELETE ON access_log FOR EACH ROW EXECUTE FUNCTION access_log_ends();
