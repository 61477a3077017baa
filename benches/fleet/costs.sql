-- What a fleet asks of PostgreSQL, for measure.py: the same work as the store's statements, in tables of its own.
CREATE SCHEMA bench;

-- The limiter: one row for each key, emptied by a crash; expiries in microseconds, each for one permit or, packed, for a lease's.
CREATE UNLOGGED TABLE bench.windows (
    key bytea PRIMARY KEY,
    entries bigint[] NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE FUNCTION bench.take(its_key bytea, most int, seconds int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    now_us bigint;
    kept bigint[];
    alive bigint[];
BEGIN
    SELECT entries INTO kept FROM bench.windows WHERE key = its_key FOR UPDATE;
    now_us := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    IF NOT FOUND THEN
        INSERT INTO bench.windows VALUES (its_key, ARRAY[now_us + seconds * 1000000::bigint]) ON CONFLICT DO NOTHING;
        RETURN 1;
    END IF;
    SELECT array_agg(expires) INTO alive FROM unnest(kept) AS expires WHERE expires > now_us;
    IF coalesce(cardinality(alive), 0) >= most THEN
        RETURN 0;
    END IF;
    UPDATE bench.windows SET entries = coalesce(alive, '{}') || (now_us + seconds * 1000000::bigint) WHERE key = its_key;
    RETURN 1;
END $$;

-- Many checks in one call, as a node under load sends them.
CREATE FUNCTION bench.take_all(keys bytea[], most int, seconds int) RETURNS SETOF int LANGUAGE plpgsql AS $$
DECLARE
    each bytea;
BEGIN
    FOREACH each IN ARRAY keys LOOP
        RETURN NEXT bench.take(each, most, seconds);
    END LOOP;
END $$;

CREATE TABLE bench.changes (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    made timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind smallint NOT NULL,
    key text COLLATE "C",
    number bigint,
    expires bigint
);
CREATE INDEX ON bench.changes (xid);
CREATE TABLE bench.revoked_tokens (id text COLLATE "C" PRIMARY KEY, expires bigint NOT NULL);
CREATE TABLE bench.accounts (name text COLLATE "C" PRIMARY KEY, hash text NOT NULL, scopes text NOT NULL, disabled boolean NOT NULL);
CREATE TABLE bench.sessions (
    id bytea PRIMARY KEY,
    name text COLLATE "C" NOT NULL REFERENCES bench.accounts ON DELETE CASCADE,
    current bytea NOT NULL,
    made bigint NOT NULL,
    expires bigint NOT NULL
);
CREATE INDEX ON bench.sessions (name);
CREATE UNLOGGED TABLE bench.lockouts (key bytea PRIMARY KEY, failures int NOT NULL, last timestamptz NOT NULL);

INSERT INTO bench.accounts SELECT 'user-' || i, repeat('x', 97), 'secure-data encrypt decrypt', false FROM generate_series(1, 100000) AS i;
