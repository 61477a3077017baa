"""The model of a fleet (benches/fleet): it keeps the limiter's promises, and samples stand for all users."""

import json
import random
import sys
from pathlib import Path

import pytest

FLEET = Path(__file__).resolve().parents[2] / "benches" / "fleet"
sys.path.insert(0, str(FLEET))
import measure  # noqa: E402
import run  # noqa: E402
import simulate  # noqa: E402
from policy import KEPT, Key, Policy, Totals, Window  # noqa: E402

LEASING = Policy(400, 10.0, 5)
SMALL = Policy(5, 60.0, 10)


def most_in_a_window(times, window):
    """The highest number of times in any half-open window of that length."""
    most, first = 0, 0
    for last, now in enumerate(times):
        while times[first] <= now - window:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize("policy", [LEASING, SMALL, Policy(1, 1.0, 3), Policy(1000, 1.0, 2, lease=0.5), Policy(50, 2.0, 1)])
@pytest.mark.parametrize("load", [0.5, 1.0, 3.0])
def test_no_window_has_more_admissions_than_the_limit(policy, load):
    admitted = []
    rate = load * policy.limit / policy.window
    simulate.user(policy, rate, 5 * policy.window, random.Random(1), record=admitted)
    assert admitted
    assert most_in_a_window(admitted, policy.window) <= policy.limit


def test_bursts_and_pauses_do_not_break_it_either():
    chance = random.Random(2)
    now, arrivals = 0.0, []
    for _ in range(60):
        now += chance.choice([0.01, 0.3, 2.0, 11.0])
        for _ in range(chance.randrange(1, 300)):
            now += chance.random() * 0.004
            arrivals.append((now, chance.randrange(5)))
    results = list(simulate.plain(LEASING, arrivals))
    admitted = [now for (now, _), is_admitted in zip(arrivals, results) if is_admitted]
    assert LEASING.limit < len(admitted) < len(arrivals)
    assert most_in_a_window(admitted, LEASING.window) <= LEASING.limit


def test_the_stores_entries_never_exceed_the_limit_whatever_comes_back():
    chance = random.Random(3)
    window, leases, now = Window(LEASING), [], 0.0
    for _ in range(5000):
        now += chance.random() * 0.05
        count, later, lease = window.take(now, chance.randrange(80), chance.randrange(5))
        if lease is not None:
            leases.append((now, lease, count + sum(some for _, some in later)))
        if leases and chance.random() < 0.7:
            taken, lease, count = leases.pop(chance.randrange(len(leases)))
            spent, when = chance.randrange(count + 1), min(now, taken + LEASING.lease_seconds)
            window.give_back(lease, [(when, spent)] if spent else [])
            window.give_back(lease, [])
        assert 0 <= window.live <= LEASING.limit
        assert window.live == sum(weight for _, _, weight in window._entries)


def test_a_small_limit_is_never_leased_and_a_large_one_is():
    busy = simulate.user(SMALL, 2.0, 120.0, random.Random(4))
    assert busy.leased == busy.returns == 0
    large = simulate.user(Policy(4000, 10.0, 5), 300.0, 60.0, random.Random(4))
    assert large.leased > 0
    assert large.calls < large.requests / 2


def test_one_node_asks_twice_for_each_admission_and_once_for_each_refusal_kept():
    policy = Policy(5, 60.0, 1)
    totals = simulate.user(policy, 50.0, 600.0, random.Random(5))
    assert totals.asks <= 2 * totals.admitted + 1 + 600 / KEPT
    assert totals.early == 0
    assert totals.requests == pytest.approx(30_000, rel=0.05)


def test_leases_cost_a_busy_user_no_more_than_their_share_of_the_window():
    for policy in [LEASING, Policy(1000, 1.0, 2, lease=0.1)]:
        rate, seconds = 2 * policy.limit / policy.window, 20 * policy.window
        shared = simulate.user(policy, rate, seconds, random.Random(6))
        alone = simulate.user(Policy(policy.limit, policy.window, 1, lease=0.0), rate, seconds, random.Random(6))
        share = policy.lease_seconds / policy.window
        assert shared.admitted >= (1 - 2 * share) * alone.admitted
        assert alone.admitted <= (seconds / policy.window + 1) * policy.limit


@pytest.mark.parametrize("policy,rate", [(SMALL, 0.4), (LEASING, 30.0), (LEASING, 80.0)])
def test_refusals_that_are_not_drawn_one_by_one_change_nothing(policy, rate):
    seconds, chance = 40 * policy.window, random.Random(7)
    quick = simulate.per_second(simulate.user(policy, rate, seconds, chance))
    key, now, start = Key(policy), 0.0, policy.window + policy.lease_seconds
    while now < start + seconds:
        now += chance.expovariate(rate)
        if key.totals.seconds == 0 and now >= start:
            key.totals = Totals(seconds)
        key.request(chance.randrange(policy.nodes), now)
    drawn = simulate.per_second(key.totals)
    for name in ["requests", "admitted", "asks"]:
        assert getattr(quick, name) == pytest.approx(getattr(drawn, name), rel=0.1), name
    assert quick.refused == pytest.approx(drawn.refused, rel=0.1, abs=0.02 * rate)


@pytest.mark.parametrize("policy", [SMALL, LEASING])
def test_some_users_stand_for_all(policy):
    users = simulate.Users(3000, 900.0)
    sampled = simulate.fleet(policy, users, random.Random(8), events=8000)
    in_full = simulate.fleet_in_full(policy, users, random.Random(9), events=8000)
    assert sampled.requests == pytest.approx(900.0, rel=0.05)
    for name in ["requests", "admitted", "calls"]:
        assert getattr(sampled, name) == pytest.approx(getattr(in_full, name), rel=0.1), name


def test_sums_of_ranks_are_exact():
    for exponent in [0.8, 1.0, 1.3]:
        for count in [1, 999, 1000, 1001, 50_000]:
            direct = sum(i**-exponent for i in range(1, count + 1))
            assert simulate.harmonic(count, exponent) == pytest.approx(direct, rel=1e-9)
    users = simulate.Users(10**8, 10**6)
    assert users.traffic(1, 10**8 + 1) == pytest.approx(10**6)


def test_a_revocation_waits_for_a_read_and_never_longer():
    for nodes in [1, 10, 1000]:
        polled, reads = simulate.revocation_delays(nodes, 50, False, random.Random(10))
        assert 0 < polled[0] and polled[-1] <= 0.252
        assert reads == pytest.approx(4 * nodes, rel=0.01)
        woken, reads = simulate.revocation_delays(nodes, 50, True, random.Random(10))
        assert woken[-1] <= polled[-1] and woken[len(woken) // 2] < polled[len(polled) // 2]
        assert reads <= 5000 * 1.01


def test_tables_have_a_cell_for_everything(capsys, monkeypatch):
    # As small as it can be: the tables of the page take an hour.
    monkeypatch.setitem(run.EFFORT, "quick", {"events": 200, "samples": 1, "groups": 1, "windows": 1})
    monkeypatch.setattr(run, "NODES", [3, 10, 30])
    run.main(["quick", "RATE=0.001"])
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith("| ")]
    assert len(rows) > 40
    assert "nan" not in printed and "inf" not in printed and "-0" not in printed
    with pytest.raises(SystemExit):
        run.main(["quick", "RATES=1"])


def test_the_page_shows_what_was_measured():
    page = (FLEET.parents[1] / "docs" / "fleet.md").read_text()
    measured = json.loads((FLEET / "costs.json").read_text())
    assert set(measured["calls"]) == set(measure.CALLS)
    for line in run.costs_table(measured):
        assert line in page
    for table in ["calls", "waste", "hot", "revocations", "memory"]:
        assert f"<!-- bench-fleet {table} -->" in page
    assert measured["machine"]["cpu"] in page and measured["machine"]["postgresql"] in page


def test_costs_can_be_measured_again():
    measured = measure.measure_all(1)
    assert set(measured["calls"]) == set(measure.CALLS)
    assert all(call["per second"] > 0 and call["cpu_us"] >= 0 for call in measured["calls"].values())
