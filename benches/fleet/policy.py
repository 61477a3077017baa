"""The shared limit of one key: what the store keeps of it, and what each node does before it asks the store.

Times are seconds, passed in by the caller. The same rules as the limiter's, without its clocks and messages."""

import heapq
import math
from collections import deque
from dataclasses import dataclass

DRIFT = 0.001
"""How far a node's clock may run away from the store's, as a share."""

RATE_MEMORY = 1.0
"""Seconds after which a node has forgotten most of how often it was asked."""


@dataclass(frozen=True)
class Policy:
    """A limit, and how nodes share it."""

    limit: int
    window: float
    nodes: int
    lease: "float | None" = None
    """Seconds of a lease; None: what the limiter takes."""

    @property
    def lease_seconds(self):
        if self.lease is not None:
            return self.lease
        return min(1.0, self.window / 50)


class Window:
    """The store's entries of one key. The sum of those that have not expired never exceeds the limit."""

    def __init__(self, policy):
        self.policy = policy
        self.live = 0
        self._entries = {}  # id: (expires, weight, granted at)
        self._order = []  # (expires, id); an id whose entry has changed or gone is skipped
        self._next = 0

    def drop(self, now):
        """Removes what has expired."""
        while self._order and self._order[0][0] <= now:
            expires, number = heapq.heappop(self._order)
            entry = self._entries.get(number)
            if entry is not None and entry[0] == expires:
                self.live -= entry[1]
                del self._entries[number]

    def first_expiry(self):
        """When the next entry expires."""
        while True:
            expires, number = self._order[0]
            entry = self._entries.get(number)
            if entry is not None and entry[0] == expires:
                return expires
            heapq.heappop(self._order)

    def _put(self, number, expires, weight, granted):
        self._entries[number] = (expires, weight, granted)
        heapq.heappush(self._order, (expires, number))

    def take(self, now, wanted):
        """Permits for one request that wants a lease of `wanted`: how many, and the lease's number if it is one; (0, None) if
        there is none left."""
        self.drop(now)
        left = self.policy.limit - self.live
        if left < 1:
            return 0, None
        count = max(1, min(wanted, left // (2 * self.policy.nodes)))
        number = self._next
        self._next += 1
        lease = self.policy.lease_seconds if count > 1 else 0.0
        self._put(number, now + lease + self.policy.window, count, now)
        self.live += count
        return count, (number if count > 1 else None)

    def give_back(self, number, unused, age):
        """The node has not used so many of a lease, and the others until it was so old."""
        entry = self._entries.pop(number, None)
        if entry is None:
            return
        _, weight, granted = entry
        self.live -= unused
        if weight > unused:
            self._put(number, granted + age + self.policy.window, weight - unused, granted)


class Node:
    """What one node knows of one key."""

    __slots__ = ("lease", "left", "sent", "used", "taken", "refused_until", "rate", "seen")

    def __init__(self, now):
        self.lease = None
        self.left = 0
        self.sent = now
        self.used = now
        self.taken = 0
        self.refused_until = -math.inf
        self.rate = 0.0
        self.seen = now

    def notice(self, now, others=0.0):
        """One more request; `others`: the rate of those that were refused without a call since the last one."""
        kept = math.exp(-(now - self.seen) / RATE_MEMORY)
        self.rate = self.rate * kept + others * (1 - kept) + 1 / RATE_MEMORY
        self.seen = now


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
        self.timers = []  # (when a lease ends, node, lease)

    def counted(self, now):
        """How many were admitted in the window that ends now."""
        start = now - self.policy.window
        while self.admissions and self.admissions[0] <= start:
            self.admissions.popleft()
        return len(self.admissions)

    def end_leases(self, now):
        """Returns what is left of the leases that have ended."""
        while self.timers and self.timers[0][0] <= now:
            _, index, lease = heapq.heappop(self.timers)
            node = self.nodes[index]
            if node.lease == lease:
                if node.left:
                    self.totals.returns += 1
                    self._return(node)
                else:
                    node.lease = None

    def _return(self, node):
        age = min(max(0.0, node.used - node.sent) * (1 + DRIFT), self.policy.lease_seconds)
        self.totals.unused += node.left
        self.window.give_back(node.lease, node.left, age)
        node.lease = None
        node.left = 0

    def request(self, index, now, others=0.0):
        """One request at a node: whether it is admitted. `others`: see `Node.notice`."""
        self.end_leases(now)
        node = self.nodes.get(index)
        if node is None:
            node = self.nodes[index] = Node(now)
        node.notice(now, others)
        self.totals.requests += 1
        if now < node.refused_until:
            return self._refuse(now)
        if node.lease is not None and node.left:
            node.left -= 1
            node.used = now
            return self._admit(now)
        self.totals.asks += 1
        if node.lease is not None:
            self._return(node)  # used up before its end: the ask carries it
        seconds = self.policy.lease_seconds
        count, lease = self.window.take(now, int(node.rate * seconds))
        if count == 0:
            node.refused_until = self.window.first_expiry()
            return self._refuse(now)
        self.totals.granted += count
        if lease is not None:
            self.totals.leased += count
            node.lease, node.left, node.sent, node.used = lease, count - 1, now, now
            heapq.heappush(self.timers, (now + seconds * (1 - DRIFT), index, lease))
        return self._admit(now)

    def _admit(self, now):
        self.totals.admitted += 1
        self.admissions.append(now)
        return True

    def _refuse(self, now):
        self.totals.refused += 1
        if self.counted(now) < self.policy.limit:
            self.totals.early += 1
        return False
