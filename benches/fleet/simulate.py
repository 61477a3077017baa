"""One key at a given rate, and fleets of many: users with Zipf rates, whose requests reach any node.

Users do not influence one another in the limiter, so a fleet is a sum over users. `fleet` groups users by rank and simulates
some of each group; `fleet_in_full` simulates every user, and a test compares the two."""

import heapq
import math
import random
from dataclasses import fields

from policy import Key, Policy, Totals


def user(policy, rate, seconds, chance, sticky=False, record=None):
    """Totals of one user with Poisson arrivals over `seconds`, after one window and one lease that are not counted.

    Requests that a node refuses without asking change nothing, so they are not drawn one by one: their number enters as its
    expectation. `record` collects the times of all admissions."""
    count = 1 if sticky else policy.nodes
    each = rate / count
    key = Key(policy)
    active = list(range(count))
    refusing = []  # (until, node)
    now, start = 0.0, policy.window + policy.lease_seconds
    end = start + seconds
    is_counted = False
    while now < end:
        step = chance.expovariate(each * len(active)) if active else math.inf
        then = min(now + step, end)
        if not is_counted:
            then = min(then, start)
        is_request = then == now + step
        if refusing and refusing[0][0] <= then:
            then, is_request = refusing[0][0], False
        if key.timers and key.timers[0][0] <= then:
            then, is_request = key.timers[0][0], False
        span = then - now
        totals = key.totals
        key.window.drop(now)
        counted = key.counted(now)
        totals.held += (key.window.live - counted) * span
        expected = each * len(refusing) * span
        totals.requests += expected
        totals.refused += expected
        if counted < policy.limit:
            totals.early += expected
        now = then
        key.end_leases(now)
        if not is_counted and now >= start:
            key.totals, is_counted = Totals(), True
        while refusing and refusing[0][0] <= now:
            _, index = heapq.heappop(refusing)
            active.append(index)
        if not is_request:
            continue
        place = chance.randrange(len(active))
        index = active[place]
        before = key.nodes.get(index)
        was_refusing = before is not None and before.refused_until > -math.inf
        if key.request(index, now, each if was_refusing else 0.0):
            if record is not None:
                record.append(now)
            if was_refusing:
                before.refused_until = -math.inf
        else:
            active[place] = active[-1]
            active.pop()
            heapq.heappush(refusing, (key.nodes[index].refused_until, index))
    key.totals.seconds = seconds
    return key.totals


def per_second(totals):
    """The same for one second."""
    return Totals(1.0, *(getattr(totals, field.name) / totals.seconds for field in fields(Totals)[1:]))


def add(sums, totals, weight):
    """Adds the totals of so many users."""
    for field in fields(Totals)[1:]:
        setattr(sums, field.name, getattr(sums, field.name) + weight * getattr(totals, field.name))


def harmonic(count, exponent):
    """The sum of 1/i^exponent for i from 1 to count."""
    exact = min(count, 1000)
    value = sum(i**-exponent for i in range(1, exact + 1))
    if count > exact:
        # Euler and Maclaurin: the integral, half of both ends, and the first derivative's part.
        power = 1 - exponent
        integral = math.log(count / exact) if power == 0 else (count**power - exact**power) / power
        value += integral + (count**-exponent - exact**-exponent) / 2
        value += exponent * (exact ** (-exponent - 1) - count ** (-exponent - 1)) / 12
    return value


class Users:
    """So many users with `total` requests per second, of which the one of rank i has a share like 1/i^exponent."""

    def __init__(self, count, total, exponent=1.0):
        self.count, self.exponent = count, exponent
        self._scale = total / harmonic(count, exponent)

    def rate(self, rank):
        return self._scale * rank**-self.exponent

    def traffic(self, first, after):
        """Requests per second of the ranks from `first` up to the one before `after`."""
        until = harmonic(first - 1, self.exponent) if first > 1 else 0.0
        return self._scale * (harmonic(after - 1, self.exponent) - until)


def is_never_limited(policy, rate):
    """Whether so slow a user is never refused (beyond one request in ten million) and never leases."""
    mean = rate * policy.window
    return mean + 8 * math.sqrt(mean) + 2 <= policy.limit and rate * policy.lease_seconds < 0.01


def seconds_for(policy, rate, events):
    """How long to simulate a user for so many events, within reason."""
    busiest = min(rate, policy.limit / policy.window * (1 + policy.nodes))
    return max(policy.window, min(20 * policy.window, events / max(busiest, 1e-9) - policy.window))


def fleet(policy, users, chance, events=20_000, samples=4, groups=6, sticky=False):
    """Totals per second of all users: `groups` groups of ranks in each decade, `samples` users of each."""
    sums = Totals(1.0)
    first = 1
    while first <= users.count:
        after = max(first + 1, min(users.count + 1, math.ceil(first * 10 ** (1 / groups))))
        count = after - first
        traffic = users.traffic(first, after)
        number = min(samples, count)
        # Half-way ranks of equal parts; then scaled, so that together they have the group's traffic.
        ranks = [first + (i + 0.5) * count / number - 0.5 for i in range(number)]
        rates = [users.rate(rank) for rank in ranks]
        scale = traffic / count * number / sum(rates)
        for rate in (rate * scale for rate in rates):
            add(sums, _user_per_second(policy, rate, chance, events, sticky), count / number)
        first = after
    return sums


def fleet_in_full(policy, users, chance, events=20_000, sticky=False):
    """The same by simulating every user."""
    sums = Totals(1.0)
    for rank in range(1, users.count + 1):
        rate = users.rate(rank)
        seconds = seconds_for(policy, rate, events)
        add(sums, per_second(user(policy, rate, seconds, chance, sticky)), 1)
    return sums


def _user_per_second(policy, rate, chance, events, sticky):
    if is_never_limited(policy, rate):
        return Totals(1.0, requests=rate, admitted=rate, asks=rate, granted=rate)
    return per_second(user(policy, rate, seconds_for(policy, rate, events), chance, sticky))


def plain(policy, arrivals):
    """Simulates each request instead of a sample, for tests. `arrivals` are (time, node) in order; yields whether each is admitted."""
    key = Key(policy)
    for now, index in arrivals:
        yield key.request(index, now)


def revocation_delays(nodes, changes, notified, chance, count=20_000, poll=0.25, coalesce=0.005, trip=0.001, reads=5000):
    """Delays of `count` revocations at one node, shortest first, and the fleet's reads per second. `changes`: revocations in the
    whole fleet per second; `reads`: of the change log, at most so many in the fleet, so a node waits between its own."""
    gap = max(nodes / reads, 0.0) if notified else poll
    now, last, delays, done, waiting, due = 0.0, 0.0, [], 0, [], poll
    while len(delays) < count:
        arrival = now + chance.expovariate(changes)
        while due <= arrival:
            delays.extend(due + trip - made for made in waiting if made <= due)
            waiting = [made for made in waiting if made > due]
            last, done = due, done + 1
            due = last + poll
            if waiting and notified:
                due = min(due, max(last + gap, waiting[0] + coalesce))
        now = arrival
        waiting.append(now)
        if notified:
            due = min(due, max(last + gap, now + coalesce * chance.random() + trip / 2))
    return sorted(delays), nodes * done / now


def main():
    """Prints one user's totals: simulate.py LIMIT WINDOW NODES RATE [LEASE]."""
    import sys

    limit, window, nodes, rate = (float(word) for word in sys.argv[1:5])
    lease = float(sys.argv[5]) if len(sys.argv) > 5 else None
    policy = Policy(int(limit), window, int(nodes), lease)
    totals = per_second(user(policy, rate, seconds_for(policy, rate, 200_000), random.Random(1)))
    print(f"admitted {totals.admitted:.1f}/s, early {totals.early:.2f}/s, asks {totals.asks / nodes:.2f} and returns "
          f"{totals.returns / nodes:.2f} per second and node, unused {totals.unused / max(totals.granted, 1e-9):.1%}, "
          f"held {totals.held / limit:.1%}")


if __name__ == "__main__":
    main()
