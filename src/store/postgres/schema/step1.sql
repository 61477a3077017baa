-- Times are seconds since 1970-01-01 UTC by the clock of the process that wrote them, unless a column says otherwise.
CREATE TABLE sealgate.meta (name text COLLATE "C" PRIMARY KEY, value bigint NOT NULL);

CREATE TABLE sealgate.accounts (
    name text COLLATE "C" PRIMARY KEY,
    kind smallint NOT NULL, -- 0: a user; 1: a client
    scope text NOT NULL,
    claims text NOT NULL,
    disabled boolean NOT NULL,
    created bigint NOT NULL,
    version bigint NOT NULL,
    salt bytea NOT NULL,
    hash bytea NOT NULL,
    memory integer NOT NULL,
    passes integer NOT NULL,
    lanes integer NOT NULL
);
CREATE INDEX accounts_by_hash ON sealgate.accounts (kind, hash);

CREATE TABLE sealgate.revoked_tokens (id text COLLATE "C" PRIMARY KEY, expires bigint NOT NULL);
CREATE INDEX revoked_tokens_by_end ON sealgate.revoked_tokens (expires);

CREATE TABLE sealgate.revoked_users (
    name text COLLATE "C" PRIMARY KEY, before bigint NOT NULL, expires bigint NOT NULL
);
CREATE INDEX revoked_users_by_end ON sealgate.revoked_users (expires);

CREATE TABLE sealgate.sessions (
    id text COLLATE "C" PRIMARY KEY,
    account text COLLATE "C" NOT NULL,
    refresh text NOT NULL,
    expires bigint NOT NULL,
    access_expires bigint NOT NULL,
    started bigint NOT NULL,
    refreshed bigint NOT NULL
);
CREATE INDEX sessions_by_account ON sealgate.sessions (account, expires);
CREATE INDEX sessions_by_end ON sealgate.sessions (expires);

CREATE TABLE sealgate.unlocked_users (
    name text COLLATE "C" PRIMARY KEY,
    at bigint NOT NULL, -- in milliseconds
    expires bigint NOT NULL,
    noted timestamptz NOT NULL DEFAULT clock_timestamp() -- the same by the clock of the database, as those of wrong passwords are
);
CREATE INDEX unlocked_users_by_end ON sealgate.unlocked_users (expires);

CREATE TABLE sealgate.api_keys (
    id text COLLATE "C" PRIMARY KEY,
    hash bytea NOT NULL,
    owner text COLLATE "C" NOT NULL,
    scope text NOT NULL,
    created bigint NOT NULL,
    expires bigint,
    max_requests integer,
    period bigint,
    used bigint,
    revoked bigint
);
CREATE INDEX api_keys_by_owner ON sealgate.api_keys (owner, id);

-- What other processes have to know of at once. Transactions are not committed in the order of their numbers, so a reader
-- remembers which ones had ended when it last read, and reads the entries of all others.
CREATE TABLE sealgate.changes (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    made timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind smallint NOT NULL, -- 1: a token or session is revoked; 2: a user's tokens are; 3: an account has changed
    key text COLLATE "C" NOT NULL,
    number bigint, -- of 2: the time until which they were issued; of 3: 0 enabled, 1 disabled, 2 removed
    expires bigint NOT NULL
);
CREATE INDEX changes_by_xid ON sealgate.changes (xid);
CREATE INDEX changes_by_time ON sealgate.changes (made);

-- A crash of the database empties it, and so does the promotion of a standby: the numbers of transactions seen before may then
-- belong to others. Readers fill it again.
CREATE UNLOGGED TABLE sealgate.server (one boolean PRIMARY KEY DEFAULT true CHECK (one), id uuid NOT NULL);

CREATE TABLE sealgate.ring (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint NOT NULL,
    sealed bytea NOT NULL,
    previous bytea
);

CREATE TABLE sealgate.key_usage (id text COLLATE "C" PRIMARY KEY, messages bigint NOT NULL);

-- The processes that use the store, and when each last reported, by the clock of the database.
CREATE TABLE sealgate.nodes (id text COLLATE "C" PRIMARY KEY, host text NOT NULL, version text NOT NULL, seen timestamptz NOT NULL);

-- Wrong passwords, by keyed hashes of names and places; times by the clock of the database. Logged: a crash or a failover of the
-- database must not give free guesses, and the password's hash takes longer than the write.
CREATE TABLE sealgate.failures (
    key bytea PRIMARY KEY,
    count integer NOT NULL, -- 0: a network that only waits
    at timestamptz NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX failures_by_time ON sealgate.failures (at);
CREATE TABLE sealgate.known_places (
    name bytea NOT NULL, place bytea NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (name, place)
);
CREATE INDEX known_places_by_time ON sealgate.known_places (at);

INSERT INTO sealgate.meta VALUES
    ('accounts', 0), ('api_keys', 1), ('pruned', 0), ('read_only', 0),
    ('stand_in_key', ('x' || substr(md5(gen_random_uuid()::text), 1, 16))::bit(64)::bigint);

-- Refuses changes of a store whose contents have been copied to another one.
CREATE FUNCTION sealgate.check_writable() RETURNS void LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF (SELECT value FROM sealgate.meta WHERE name = 'read_only') <> 0 THEN
        RAISE EXCEPTION 'the store has been copied to another one' USING ERRCODE = 'SG001';
    END IF;
END
$$;
