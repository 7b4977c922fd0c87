-- Accounts of the desk, their sessions, and who saw what. Keys and tokens are here as SHA-256 alone.

CREATE TABLE account (
    name          text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._-]{1,31}$'),
    person        text NOT NULL CHECK (length(person) BETWEEN 1 AND 60),
    role          text NOT NULL CHECK (role IN ('viewer', 'reviewer', 'administrator')),
    language      text CHECK (language IN ('zh_CN', 'en')),
    password_hash text,                                    -- Argon2id; NULL: the link was not used yet
    made_at       timestamptz NOT NULL DEFAULT now(),
    made_by       text NOT NULL,
    closed_at     timestamptz                              -- closed for good; kept, for the log names it
);

-- What gives an account its password: once, for a while. Without an account: it makes the first administrator.
CREATE TABLE account_link (
    token_hash bytea PRIMARY KEY,
    account    text REFERENCES account,
    made_by    text NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT now(),
    not_after  timestamptz NOT NULL,
    used_at    timestamptz
);

CREATE TABLE desk_session (
    key_hash bytea PRIMARY KEY,
    account  text NOT NULL REFERENCES account,
    began_at timestamptz NOT NULL DEFAULT now(),
    seen_at  timestamptz NOT NULL DEFAULT now(),
    peer     text NOT NULL,
    browser  text NOT NULL
);
CREATE INDEX desk_session_account ON desk_session (account);

-- Browsers at which somebody has signed in before: strangers' wrong passwords do not lock these out.
CREATE TABLE known_browser (
    key_hash bytea,
    account  text REFERENCES account,
    last_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key_hash, account)
);

CREATE TABLE access_log (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    account  text,                                         -- NULL: nobody was signed in
    role     text,
    what     text NOT NULL,                                -- saw, did, refused, signed_in, sign_in_failed, …
    tenant   text,
    device   text,
    case_id  text,
    picture  text,                                         -- SHA-256, hexadecimal
    method   text NOT NULL,
    path     text NOT NULL,
    status   smallint NOT NULL,
    peer     text NOT NULL,
    detail   text
);
CREATE INDEX access_log_account ON access_log (account, number DESC);
CREATE INDEX access_log_case ON access_log (case_id, number DESC) WHERE case_id IS NOT NULL;

CREATE FUNCTION access_log_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the access log is only ever added to' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER access_log_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON access_log
    FOR EACH STATEMENT EXECUTE FUNCTION access_log_stays();
