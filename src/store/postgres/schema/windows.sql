-- Counts of the rate limits, by keyed hashes of names. A crash of the database empties these tables, and a standby does not
-- have their rows. Times are microseconds since 1970-01-01 UTC by the clock of the database.
CREATE UNLOGGED TABLE sealgate.windows (
    key bytea PRIMARY KEY,
    clock bigint NOT NULL, -- the last time used: it never goes back within a row
    ends bigint[] NOT NULL, -- when each entry stops counting; no two are equal
    costs integer[] NOT NULL,
    last_end bigint NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX windows_by_end ON sealgate.windows (last_end);

-- Since when the counts are complete: the row is missing after they were lost.
CREATE UNLOGGED TABLE sealgate.windows_since (one boolean PRIMARY KEY DEFAULT true CHECK (one), since bigint NOT NULL);
INSERT INTO sealgate.windows_since (since) VALUES (0);

-- The processes that count, and when each last said so. Needed only while the database is up.
CREATE UNLOGGED TABLE sealgate.counting (id text COLLATE "C" PRIMARY KEY, seen timestamptz NOT NULL);

-- Counts a request of this cost if the entries that live cost at most most_cost with it, and returns whether it did. The
-- invariant: the costs of the entries that live (now < end) never exceed the limit. Each admission has an entry that lives
-- for a span after it, so no span contains more admissions than the limit.
--   wanted: how much may be leased, at most a part-th of what is left. The lease's entry lives for hold longer: whoever holds
--   it may spend it until hold has passed since the request was sent.
--   patient: refuse if counts were lost less than span and a second (the longest hold) ago.
--   back_end and the three after it: a lease that is given back first, see give_back; 0: none.
-- granted: 0: refused; cost or more: admitted, the rest is leased. entry: its end, which identifies it. counted: what lives
-- now, this included. wait: microseconds until the request would fit; first: until the first entry ends.
CREATE FUNCTION sealgate.take(
    asked bytea, most_cost integer, span bigint, cost integer, wanted integer, part integer, hold bigint, patient boolean,
    back_end bigint, back_cost integer, unused integer, sooner bigint,
    OUT granted integer, OUT entry bigint, OUT counted integer, OUT wait bigint, OUT first bigint
) LANGUAGE plpgsql AS $$
DECLARE
    kept sealgate.windows%ROWTYPE;
    now_ bigint;
    complete bigint;
    excess integer;
BEGIN
    granted := 0;
    entry := 0;
    IF back_end <> 0 THEN
        PERFORM sealgate.give_back(asked, back_end, back_cost, unused, sooner);
    END IF;
    LOOP
        SELECT * INTO kept FROM sealgate.windows w WHERE w.key = asked FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO sealgate.windows VALUES (asked, 0, '{}', '{}', 0) ON CONFLICT DO NOTHING;
    END LOOP;
    -- Read while the row is locked, so later calls get later times.
    now_ := greatest(floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint, kept.clock + 1);
    SELECT coalesce(array_agg(e ORDER BY e), '{}'), coalesce(array_agg(c ORDER BY e), '{}'), coalesce(sum(c), 0)
        INTO kept.ends, kept.costs, counted
        FROM unnest(kept.ends, kept.costs) AS t (e, c) WHERE e > now_;
    first := coalesce(kept.ends[1] - now_, 0);
    wait := first;
    SELECT since INTO complete FROM sealgate.windows_since;
    IF NOT FOUND THEN
        INSERT INTO sealgate.windows_since (since) VALUES (now_) ON CONFLICT DO NOTHING;
        SELECT since INTO complete FROM sealgate.windows_since;
    END IF;
    IF patient AND now_ < complete + span + 1000000 THEN
        wait := complete + span + 1000000 - now_;
        first := wait;
        counted := most_cost;
        RETURN;
    END IF;
    excess := counted + cost - most_cost;
    IF excess > 0 THEN
        SELECT min(e) - now_ INTO wait
            FROM (SELECT e, sum(c) OVER (ORDER BY e) AS freed FROM unnest(kept.ends, kept.costs) AS t (e, c)) AS f
            WHERE freed >= excess;
        wait := coalesce(wait, span);
        RETURN;
    END IF;
    granted := greatest(cost, least(wanted, (most_cost - counted) / part));
    entry := now_ + span + CASE WHEN granted > cost THEN hold ELSE 0 END;
    WHILE entry = ANY (kept.ends) LOOP
        entry := entry + 1;
    END LOOP;
    kept.ends := kept.ends || entry;
    kept.costs := kept.costs || granted;
    IF cardinality(kept.ends) > 512 THEN
        -- Neighbours become one entry, which lives as long as the later one; so counts are never too low.
        SELECT array_agg(e), array_agg(c) INTO kept.ends, kept.costs FROM (
            SELECT max(e) AS e, sum(c)::integer AS c FROM unnest(kept.ends, kept.costs) AS t (e, c)
            GROUP BY e / greatest(span / 256, 1)
        ) AS merged;
    END IF;
    UPDATE sealgate.windows w
        SET clock = now_, ends = kept.ends, costs = kept.costs, last_end = greatest(kept.last_end, entry)
        WHERE w.key = asked;
    counted := counted + granted;
    IF first = 0 THEN
        first := span;
        wait := span;
    END IF;
END
$$;

-- Gives back what a lease did not spend. sooner: how long before the lease's time was up it was last spent. Does nothing if
-- there is no such lease any more.
CREATE FUNCTION sealgate.give_back(asked bytea, lease_end bigint, cost integer, unused integer, sooner bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    kept sealgate.windows%ROWTYPE;
    at_ integer;
    new_end bigint;
BEGIN
    SELECT * INTO kept FROM sealgate.windows w WHERE w.key = asked FOR UPDATE;
    at_ := array_position(kept.ends, lease_end);
    IF at_ IS NULL OR kept.costs[at_] <> cost THEN
        RETURN;
    END IF;
    new_end := lease_end - greatest(sooner, 0);
    WHILE new_end < lease_end AND new_end = ANY (kept.ends) LOOP
        new_end := new_end + 1;
    END LOOP;
    IF unused >= cost THEN
        kept.ends := kept.ends[:at_ - 1] || kept.ends[at_ + 1:];
        kept.costs := kept.costs[:at_ - 1] || kept.costs[at_ + 1:];
    ELSE
        kept.ends[at_] := new_end;
        kept.costs[at_] := cost - greatest(unused, 0);
    END IF;
    UPDATE sealgate.windows w SET ends = kept.ends, costs = kept.costs WHERE w.key = asked;
END
$$;

-- Forgets what is counted and returns how much it was. The row stays: its clock must not go back.
CREATE FUNCTION sealgate.forget_window(asked bytea) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    kept sealgate.windows%ROWTYPE;
    counted integer;
BEGIN
    SELECT * INTO kept FROM sealgate.windows w WHERE w.key = asked FOR UPDATE;
    SELECT coalesce(sum(c), 0) INTO counted FROM unnest(kept.ends, kept.costs) AS t (e, c)
        WHERE e > greatest(floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint, kept.clock);
    UPDATE sealgate.windows w SET ends = '{}', costs = '{}' WHERE w.key = asked;
    RETURN counted;
END
$$;

-- Removes rows in which nothing counts any more, and returns how many.
CREATE FUNCTION sealgate.forget_windows(at_most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    gone integer;
BEGIN
    DELETE FROM sealgate.windows WHERE key IN (
        SELECT key FROM sealgate.windows
        WHERE last_end < floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 1000000
        ORDER BY last_end LIMIT at_most FOR UPDATE SKIP LOCKED
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;
