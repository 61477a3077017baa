-- Counts of the rate limits, by keyed hashes of names. A crash of the database empties these tables, and a standby does not
-- have their rows. Times are microseconds since 1970-01-01 UTC by the clock of the database.
CREATE UNLOGGED TABLE sealgate.windows (
    key bytea PRIMARY KEY,
    clock bigint NOT NULL, -- the last time used: within a row, each call has a later one
    ends bigint[] NOT NULL, -- when each entry stops counting, in order
    costs integer[] NOT NULL,
    leases bigint[] NOT NULL, -- when the lease that the entry is for was granted, which identifies it; 0: no longer one
    askers integer[] NOT NULL, -- the nodes that asked for leases lately, what each wanted, and when
    wants integer[] NOT NULL,
    asked bigint[] NOT NULL,
    last_end bigint NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX windows_by_end ON sealgate.windows (last_end);

-- Since when the counts are complete: the row is missing after they were lost.
CREATE UNLOGGED TABLE sealgate.windows_since (one boolean PRIMARY KEY DEFAULT true CHECK (one), since bigint NOT NULL);
INSERT INTO sealgate.windows_since (since) VALUES (0);

-- A lease has been spent: in its entry's place come others that end so much sooner, with what was spent until then. Does
-- nothing if there is no such lease any more.
CREATE FUNCTION sealgate.give_back(asked_key bytea, lease bigint, spent integer[], sooner bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    kept sealgate.windows%ROWTYPE;
    at_ integer;
BEGIN
    SELECT * INTO kept FROM sealgate.windows w WHERE w.key = asked_key FOR UPDATE;
    at_ := array_position(kept.leases, lease);
    IF at_ IS NULL OR lease = 0
        OR kept.costs[at_] < (SELECT coalesce(sum(s), 0) FROM unnest(spent) AS s WHERE s > 0) THEN
        RETURN;
    END IF;
    SELECT coalesce(array_agg(e ORDER BY e), '{}'), coalesce(array_agg(c ORDER BY e), '{}'),
            coalesce(array_agg(l ORDER BY e), '{}')
        INTO kept.ends, kept.costs, kept.leases
        FROM (
            SELECT e, c, l FROM unnest(kept.ends, kept.costs, kept.leases) AS t (e, c, l) WHERE l <> lease
            UNION ALL
            SELECT kept.ends[at_] - greatest(n, 0), s, 0 FROM unnest(spent, sooner) AS t (s, n) WHERE s > 0
        ) AS all_;
    UPDATE sealgate.windows w SET ends = kept.ends, costs = kept.costs, leases = kept.leases WHERE w.key = asked_key;
END
$$;

-- Counts a request of this cost if the entries that live cost at most most_cost with it. The invariant: the costs of the
-- entries that live (now < end) never exceed the limit. Each admission has a part of an entry that lives for a span after it,
-- so no span contains more admissions than the limit.
--   hold: 0, or how long a lease lasts: then as much as wanted is granted at once, if it is there. The lease's entry lives for
--   hold longer, for whoever holds it may spend it until hold has passed since the request was sent. If the nodes that asked
--   lately want more together than there is, each gets a part like its wants. What is missing comes from entries that end
--   soon: the lease takes their place and may spend that much from their ends on.
--   patient: refuse if counts were lost less than span and a second (the longest hold) ago.
--   back, spent, sooner: a lease that is given back first, see give_back; 0: none.
-- granted: 0: refused; cost or more: admitted. lease: identifies it; 0: none. later, amounts: what else it may spend, and how
-- long from now. counted: what lives now, all of this included. wait: microseconds until the request would fit; first: until
-- the first entry ends.
CREATE FUNCTION sealgate.take(
    asked_key bytea, most_cost integer, span bigint, cost integer, wanted integer, hold bigint, asker integer,
    patient boolean, back bigint, spent integer[], sooner bigint[],
    OUT granted integer, OUT lease bigint, OUT later bigint[], OUT amounts integer[], OUT counted integer, OUT wait bigint,
    OUT first bigint
) LANGUAGE plpgsql AS $$
DECLARE
    kept sealgate.windows%ROWTYPE;
    now_ bigint;
    complete bigint;
    room integer;
    soon bigint;
    ending bigint := 0;
    all_wants bigint := 0;
    due bigint;
    missing bigint;
    passed bigint;
    part integer;
    total integer;
    i integer;
BEGIN
    granted := 0;
    lease := 0;
    later := '{}';
    amounts := '{}';
    IF back <> 0 THEN
        PERFORM sealgate.give_back(asked_key, back, spent, sooner);
    END IF;
    LOOP
        SELECT * INTO kept FROM sealgate.windows w WHERE w.key = asked_key FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO sealgate.windows VALUES (asked_key, 0, '{}', '{}', '{}', '{}', '{}', '{}', 0) ON CONFLICT DO NOTHING;
    END LOOP;
    -- Read while the row is locked, so later calls get later times.
    now_ := greatest(floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint, kept.clock + 1);
    IF kept.ends[1] <= now_ THEN
        SELECT coalesce(array_agg(e ORDER BY e), '{}'), coalesce(array_agg(c ORDER BY e), '{}'),
                coalesce(array_agg(l ORDER BY e), '{}')
            INTO kept.ends, kept.costs, kept.leases
            FROM unnest(kept.ends, kept.costs, kept.leases) AS t (e, c, l) WHERE e > now_;
    END IF;
    SELECT coalesce(sum(c), 0) INTO counted FROM unnest(kept.costs) AS c;
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
    -- Less than nothing if the limit has been lowered.
    room := greatest(most_cost - counted, 0);
    IF room < cost THEN
        SELECT min(e) - now_ INTO wait
            FROM (SELECT e, sum(c) OVER (ORDER BY e) AS freed FROM unnest(kept.ends, kept.costs) AS t (e, c)) AS f
            WHERE freed >= counted + cost - most_cost;
        wait := coalesce(wait, span);
        IF hold = 0 OR counted > most_cost THEN
            RETURN;
        END IF;
    END IF;
    due := cost;
    IF hold > 0 THEN
        -- Some time before the lease is over, so that there is time to spend it.
        soon := now_ + hold - hold / 16;
        SELECT coalesce(sum(c), 0) INTO ending FROM unnest(kept.ends, kept.costs) AS t (e, c) WHERE e <= soon;
        SELECT coalesce(array_agg(a), '{}'), coalesce(array_agg(w), '{}'), coalesce(array_agg(t), '{}'),
                coalesce(sum(w), 0) + wanted
            INTO kept.askers, kept.wants, kept.asked, all_wants
            FROM (
                SELECT a, w, t FROM unnest(kept.askers, kept.wants, kept.asked) AS u (a, w, t)
                WHERE a <> asker AND t > now_ - 2 * hold ORDER BY t DESC LIMIT 255
            ) AS others;
        kept.askers := kept.askers || asker;
        kept.wants := kept.wants || wanted;
        kept.asked := kept.asked || now_;
        due := greatest(cost, least(wanted, (room + ending) * wanted / greatest(all_wants, 1)));
    END IF;
    total := 0;
    IF room >= cost THEN
        granted := greatest(cost, least(due, room * wanted::bigint / greatest(all_wants, 1)));
        total := granted;
    END IF;
    IF total < due AND ending > 0 THEN
        -- Of each that ends soon the same part, so that there is always something to spend.
        missing := least(due - total, ending);
        passed := 0;
        i := 1;
        WHILE kept.ends[i] <= soon LOOP
            part := (passed + kept.costs[i]) * missing / ending - passed * missing / ending;
            passed := passed + kept.costs[i];
            IF part > 0 THEN
                later := later || (kept.ends[i] - now_);
                amounts := amounts || part;
                kept.costs[i] := kept.costs[i] - part;
                kept.leases[i] := 0;
                total := total + part;
            END IF;
            i := i + 1;
        END LOOP;
        SELECT coalesce(array_agg(e ORDER BY e), '{}'), coalesce(array_agg(c ORDER BY e), '{}'),
                coalesce(array_agg(l ORDER BY e), '{}')
            INTO kept.ends, kept.costs, kept.leases
            FROM unnest(kept.ends, kept.costs, kept.leases) AS t (e, c, l) WHERE c > 0;
    END IF;
    IF total > 0 THEN
        IF total > granted OR granted > cost THEN
            lease := now_;
        END IF;
        -- It is the last to end, but for leases.
        SELECT array_agg(e ORDER BY e), array_agg(c ORDER BY e), array_agg(l ORDER BY e)
            INTO kept.ends, kept.costs, kept.leases
            FROM (
                SELECT e, c, l FROM unnest(kept.ends, kept.costs, kept.leases) AS t (e, c, l)
                UNION ALL
                SELECT now_ + span + CASE WHEN lease <> 0 THEN hold ELSE 0 END, total, lease
            ) AS all_;
        IF cardinality(kept.ends) > 512 THEN
            -- Neighbours become one entry, which lives as long as the last of them; so counts are never too low. Leases that
            -- may still be given back stay.
            SELECT array_agg(e ORDER BY e), array_agg(c ORDER BY e), array_agg(l ORDER BY e)
                INTO kept.ends, kept.costs, kept.leases
                FROM (
                    SELECT max(e) AS e, sum(c)::integer AS c, held AS l
                    FROM (
                        SELECT e, c, CASE WHEN l > now_ - 3 * hold THEN l ELSE 0 END AS held
                        FROM unnest(kept.ends, kept.costs, kept.leases) AS t (e, c, l)
                    ) AS marked
                    GROUP BY held, CASE WHEN held = 0 THEN e / greatest(span / 256, 1) ELSE held END
                ) AS merged;
        END IF;
    END IF;
    UPDATE sealgate.windows w
        SET clock = now_, ends = kept.ends, costs = kept.costs, leases = kept.leases, askers = kept.askers,
            wants = kept.wants, asked = kept.asked, last_end = greatest(kept.last_end, now_ + span + hold)
        WHERE w.key = asked_key;
    counted := counted + granted;
    IF first = 0 THEN
        first := span;
        wait := span;
    END IF;
END
$$;

-- Forgets what is counted and returns how much it was. The row stays: its clock must not go back.
CREATE FUNCTION sealgate.forget_window(asked_key bytea) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    kept sealgate.windows%ROWTYPE;
    counted integer;
BEGIN
    SELECT * INTO kept FROM sealgate.windows w WHERE w.key = asked_key FOR UPDATE;
    SELECT coalesce(sum(c), 0) INTO counted FROM unnest(kept.ends, kept.costs) AS t (e, c)
        WHERE e > greatest(floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint, kept.clock);
    UPDATE sealgate.windows w SET ends = '{}', costs = '{}', leases = '{}' WHERE w.key = asked_key;
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
