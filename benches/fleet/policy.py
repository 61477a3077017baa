"""The shared limit of one key: what the store keeps of it, and what each node does before it asks the store.

Times are seconds, passed in by the caller. The same rules as the limiter's (src/limiter/shared, and the store's function in
src/store/postgres/schema/windows.sql), without its clocks and messages; a node asks when a lease is over, not before."""

import bisect
import heapq
import math
from collections import deque
from dataclasses import dataclass

DRIFT = 0.001
"""How far a node's clock may run away from the store's, as a share."""

FEWEST = 100
"""Smaller limits are never leased."""

GROWTH = 8
"""How many times as much a node asks for at most as it has needed since it last asked."""

KEPT = 5.0
"""Seconds that a refusal is kept at most."""

PARTS = 16
"""Into so many parts of its time a lease is divided at most when it is given back."""

ENTRIES = 512
"""More entries of a key are merged."""


@dataclass(frozen=True)
class Policy:
    """A limit, and how nodes share it."""

    limit: int
    window: float
    nodes: int
    lease: "float | None" = None
    """Seconds of a lease; 0: none; None: what the limiter takes."""

    @property
    def lease_seconds(self):
        if self.lease is not None:
            return self.lease
        if self.limit < FEWEST:
            return 0.0
        return min(1.0, max(self.window / 50, min(self.window / 4, 0.25)))

    @property
    def part(self):
        """How long the parts of a lease are."""
        return max(self.lease_seconds / PARTS, self.window / 256)


class Window:
    """The store's entries of one key. The sum of those that have not expired never exceeds the limit."""

    def __init__(self, policy):
        self.policy = policy
        self.live = 0
        self._entries = []  # [expires, number of its lease or 0, weight], in order
        self._wants = {}  # node: (wanted, when)
        self._next = 1

    def drop(self, now):
        """Removes what has expired."""
        end = bisect.bisect_right(self._entries, [now, math.inf])
        if end:
            self.live -= sum(entry[2] for entry in self._entries[:end])
            del self._entries[:end]

    def first_expiry(self):
        """When the next entry expires."""
        return self._entries[0][0]

    def _put(self, expires, number, weight):
        bisect.insort(self._entries, [expires, number, weight])
        self.live += weight

    def take(self, now, wanted, node=0):
        """Permits for one request of a node that wants `wanted`: how many at once, those that it may use later as (when, how
        many), and the lease's number if it is one."""
        self.drop(now)
        lease = self.policy.lease_seconds
        room = self.policy.limit - self.live
        count, later, due = min(room, 1), [], 1
        if lease:
            soon = bisect.bisect_right(self._entries, [now + lease * 15 / 16, math.inf])
            ending = sum(entry[2] for entry in self._entries[:soon])
            self._wants = {n: (w, at) for n, (w, at) in self._wants.items() if at > now - 2 * lease}
            self._wants[node] = (wanted, now)
            together = sum(w for w, _ in self._wants.values())
            due = max(1, min(wanted, (room + ending) * wanted // together))
            if room:
                count = max(1, min(due, room * wanted // together))
            missing, passed = min(due - count, ending), 0
            if missing:
                for entry in self._entries[:soon]:
                    some = (passed + entry[2]) * missing // ending - passed * missing // ending
                    passed += entry[2]
                    if some:
                        later.append((entry[0], some))
                        entry[1] = 0
                        entry[2] -= some
                self.live -= missing
                self._entries[:soon] = [entry for entry in self._entries[:soon] if entry[2]]
        total = count + sum(some for _, some in later)
        if not total:
            return 0, later, None
        is_lease = total > 1 or not count
        number = 0
        if is_lease:
            number, self._next = self._next, self._next + 1
        self._put(now + self.policy.window + (lease if is_lease else 0.0), number, total)
        if len(self._entries) > ENTRIES:
            self._merge(now)
        return count, later, number or None

    def _merge(self, now):
        """Neighbours become one entry, which lasts as long as the last of them, but for leases that may still come back."""
        kept = [entry for entry in self._entries if entry[1] and entry[0] > now + self.policy.window - self.policy.lease_seconds]
        merged = {}
        for entry in self._entries:
            if entry not in kept:
                place = entry[0] // (self.policy.window / 256)
                expires, weight = merged.get(place, (0.0, 0))
                merged[place] = (max(expires, entry[0]), weight + entry[2])
        self._entries = sorted(kept + [[expires, 0, weight] for expires, weight in merged.values()])

    def give_back(self, number, spent):
        """A lease is over: `spent` has when each part of it was used, and how many."""
        found = next((i for i, entry in enumerate(self._entries) if entry[1] == number), None)
        if found is None or self._entries[found][2] < sum(weight for _, weight in spent):
            return
        entry = self._entries.pop(found)
        self.live -= entry[2]
        for when, weight in spent:
            self._put(min(when + self.policy.window, entry[0]), 0, weight)


class Node:
    """What one node knows of one key."""

    __slots__ = ("lease", "left", "later", "spent", "ends", "paused_until", "refused_until", "asked", "wished", "refused")

    def __init__(self):
        self.lease = None
        self.left = 0
        self.later = deque()
        self.spent = {}
        self.ends = -math.inf
        self.paused_until = -math.inf
        self.refused_until = -math.inf
        self.asked = None
        self.wished = 0.0
        self.refused = 0.0

    def wanted(self, policy, now):
        """How much to ask for."""
        if self.asked is None or not policy.lease_seconds:
            return 1
        needed = int(self.wished * policy.lease_seconds / max(now - self.asked, 1e-9))
        more = needed // 16 + math.isqrt(needed) if needed >= 2 else 0
        return max(1, min(needed + more, int(self.wished * GROWTH), policy.limit))


@dataclass
class Totals:
    """What happened to the requests of a key, or of many."""

    seconds: float = 0.0
    requests: float = 0.0
    admitted: float = 0.0
    refused: float = 0.0
    early: float = 0.0
    """Refused although fewer than the limit had been admitted in the window."""
    asks: float = 0.0
    returns: float = 0.0
    """Returns of leases that did not travel with an ask."""
    granted: float = 0.0
    leased: float = 0.0
    unused: float = 0.0
    held: float = 0.0
    """Permits that the store counts and that nobody has used, times seconds."""

    @property
    def calls(self):
        return self.asks + self.returns


class Key:
    """One key in a fleet: the store's window and the nodes' shares of it."""

    def __init__(self, policy):
        self.policy = policy
        self.window = Window(policy)
        self.nodes = {}
        self.totals = Totals()
        self.admissions = deque()
        self.timers = []  # (when a lease that nobody has taken along is given back, node, lease)

    def counted(self, now):
        """How many were admitted in the window that ends now."""
        start = now - self.policy.window
        while self.admissions and self.admissions[0] <= start:
            self.admissions.popleft()
        return len(self.admissions)

    def end_leases(self, now):
        """Returns what is left of the leases that have been over for a while."""
        while self.timers and self.timers[0][0] <= now:
            _, index, lease = heapq.heappop(self.timers)
            node = self.nodes[index]
            if node.lease == lease:
                self.totals.returns += 1
                self._return(node, now)

    def _return(self, node, now):
        unused = node.left + sum(some for when, some in node.later if when <= now)
        spent = list(node.spent.items())
        # What it could not use yet stays where it was taken from.
        kept = sum(some for when, some in node.later if when > now)
        if kept:
            spent.append((math.inf, kept))
        self.totals.unused += unused + kept
        self.window.give_back(node.lease, spent)
        node.lease = None
        node.left = 0
        node.later.clear()
        node.spent = {}

    def _spend(self, node, now):
        """Uses a permit of the node's lease, if there is one."""
        if node.lease is None or now >= node.ends:
            return False
        while node.later and node.later[0][0] <= now:
            node.left += node.later.popleft()[1]
        if not node.left:
            return False
        node.left -= 1
        self._note(node, now)
        return True

    def _note(self, node, now):
        started = node.ends - self.policy.lease_seconds * (1 - DRIFT)
        part = self.policy.part
        end = min(started + (int((now - started) / part) + 1) * part, node.ends) * (1 + 1e-12)
        node.spent[end] = node.spent.get(end, 0) + 1

    def request(self, index, now, others=0.0):
        """One request at a node: whether it is admitted. `others`: the rate of those that were refused without a call since
        the last refusal."""
        self.end_leases(now)
        node = self.nodes.get(index)
        if node is None:
            node = self.nodes[index] = Node()
        self.totals.requests += 1
        node.wished += 1 + others * (now - node.refused)
        if now < node.refused_until:
            return self._refuse(node, now)
        if self._spend(node, now):
            return self._admit(now)
        if node.later and now < node.ends:
            node.refused_until = min(node.later[0][0], node.ends)
            return self._refuse(node, now)
        if now < node.paused_until:
            node.refused_until = node.paused_until
            return self._refuse(node, now)
        return self._ask(index, node, now)

    def _ask(self, index, node, now):
        self.totals.asks += 1
        if node.lease is not None:
            self._return(node, now)
        seconds = self.policy.lease_seconds
        wanted = node.wanted(self.policy, now)
        count, later, lease = self.window.take(now, wanted, index)
        node.asked, node.wished = now, 1.0
        total = count + sum(some for _, some in later)
        if total < wanted or not count:
            node.paused_until = now + seconds
        if lease is not None:
            self.totals.leased += total
            node.lease, node.left, node.later = lease, max(count - 1, 0), deque(later)
            node.ends = now + seconds * (1 - DRIFT)
            if count:
                self._note(node, now)
            heapq.heappush(self.timers, (now + seconds + 0.35, index, lease))
        self.totals.granted += total
        if count:
            return self._admit(now)
        first = self.window.first_expiry()
        node.refused_until = later[0][0] if later else max(node.paused_until, min(first, now + KEPT))
        return self._refuse(node, now)

    def _admit(self, now):
        self.totals.admitted += 1
        self.admissions.append(now)
        return True

    def _refuse(self, node, now):
        node.refused = now
        self.totals.refused += 1
        if self.counted(now) < self.policy.limit:
            self.totals.early += 1
        return False
