-- For measure.py, after the store's own tables: the check of a limit, and accounts. In this plain form the check keeps no leases.
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

INSERT INTO sealgate.accounts SELECT 'user-' || i, 0, 'secure-data encrypt decrypt', '', false, 1, i, '\x00', '\x00', 19456, 2, 1
    FROM generate_series(1, 100000) AS i;
