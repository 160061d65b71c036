"""A slow or dead dependency costs at most its budget, and soon nothing at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from colisten.errors import EventRefused, FilterRefused, UserUnreadable
from colisten.serving.circuit_breaker import CallFailed, CallRefused, CircuitBreaker
from tests.serving.load import busy

Make = Callable[..., CircuitBreaker]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[CircuitBreaker] = []

    def build(budget: float = 0.05, **options: Any) -> CircuitBreaker:
        options = {"failures": 3, "rest_seconds": 0.2, "threads": 4} | options
        made.append(CircuitBreaker("index", budget, **options))
        return made[-1]

    yield build
    for breaker in made:
        breaker.close()


def refuse() -> None:
    raise OSError("connection refused")


def test_a_result_passes_through(make: Make) -> None:
    assert make().call(lambda: 7) == 7


def test_an_error_is_named(make: Make) -> None:
    with pytest.raises(CallFailed) as caught:
        make().call(refuse)
    assert caught.value.reason == "index_error"


def test_a_timeout_raised_by_the_work_is_an_error_not_lateness(
    make: Make,
) -> None:
    def work() -> None:
        raise TimeoutError("socket")

    with pytest.raises(CallFailed) as caught:
        make().call(work)
    assert caught.value.reason == "index_error"


def test_slow_work_costs_its_budget_and_no_more(make: Make) -> None:
    gate = threading.Event()
    started = time.monotonic()
    with pytest.raises(CallFailed) as caught:
        make(budget=0.05).call(lambda: gate.wait(5))
    assert time.monotonic() - started < 1
    gate.set()
    assert caught.value.reason == "index_timeout"


@pytest.mark.undisturbed
def test_a_process_that_has_much_to_do_does_not_take_the_dependency_for_slow(make: Make) -> None:
    def work() -> int:
        for _ in range(8):
            time.sleep(0)  # as a client of a socket: lets others run, and waits for its turn
        return 7

    breaker = make(budget=0.05)
    with busy(3):
        assert [breaker.call(work) for _ in range(4)] == [7] * 4


def test_what_keeps_to_the_budget_by_itself_runs_in_the_callers_own_thread(make: Make) -> None:
    breaker = make()
    assert breaker.call(threading.get_ident, bounded=True) == threading.get_ident()

    def late() -> None:
        raise TimeoutError

    for reason in ["index_timeout"] * 3 + ["index_resting"]:
        with pytest.raises(CallFailed) as caught:
            breaker.call(late, bounded=True)
        assert caught.value.reason == reason


def test_after_failures_in_a_row_it_is_not_asked_then_probed_once(
    make: Make,
) -> None:
    breaker = make(rest_seconds=4.0)  # the first rest is 0.2 s
    calls = 0

    def work() -> None:
        nonlocal calls
        calls += 1
        refuse()

    reasons = []
    for _ in range(6):
        with pytest.raises(CallFailed) as caught:
            breaker.call(work)
        reasons.append(caught.value.reason)
    assert reasons == ["index_error"] * 3 + ["index_resting"] * 3
    assert calls == 3
    time.sleep(0.25)
    for _ in range(4):
        with pytest.raises(CallFailed):
            breaker.call(work)
    assert calls == 4
    time.sleep(0.45)  # the second rest is twice the first
    assert breaker.call(lambda: "back") == "back"
    assert breaker.call(lambda: "stays") == "stays"


def test_rests_grow_while_an_outage_lasts_and_end_at_the_longest(
    make: Make,
) -> None:
    breaker = make(failures=1, rest_seconds=0.4)
    calls = 0

    def work() -> None:
        nonlocal calls
        calls += 1
        refuse()

    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        with pytest.raises(CallFailed):
            breaker.call(work)
        time.sleep(0.002)
    # Rests of 0.02, 0.04, 0.08, 0.16, 0.32, then 0.4 s: eight or nine calls in two seconds.
    assert 5 <= calls <= 10


def test_calls_that_fail_together_are_one_outage(make: Make) -> None:
    breaker = make(budget=5.0, failures=2, rest_seconds=2.0, threads=8)
    gate = threading.Event()

    def work() -> None:
        gate.wait(5)
        refuse()

    def ask() -> None:
        with pytest.raises(CallFailed):
            breaker.call(work)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    gate.set()
    for thread in threads:
        thread.join()
    time.sleep(0.15)  # eight failures, but one first rest of 0.1 s
    assert breaker.call(lambda: "back") == "back"


def refuse_the_event() -> None:
    raise EventRefused("No such moment.", field="timestamp")


def lament_the_row() -> None:
    raise UserUnreadable("The history is torn.")


def refuse_the_filter() -> None:
    raise FilterRefused("No such column.", column="genre")


@pytest.mark.parametrize("fault", [refuse_the_event, refuse_the_filter, lament_the_row])
def test_the_fault_of_one_message_or_user_is_no_outage(
    make: Make, fault: Callable[[], None]
) -> None:
    breaker = make()
    for _ in range(10):
        with pytest.raises(CallRefused, match="index_refused"):
            breaker.call(fault)
    assert breaker.call(lambda: 7) == 7


def test_the_fault_of_one_message_is_no_recovery_either(
    make: Make,
) -> None:
    breaker = make(rest_seconds=60.0)  # the first rest is 3 s
    for work in (refuse, refuse, refuse_the_event, refuse):
        with pytest.raises(CallFailed):
            breaker.call(work)
    with pytest.raises(CallFailed, match="index_resting"):
        breaker.call(lambda: 7)


def test_a_probe_that_tells_nothing_is_followed_by_another(
    make: Make,
) -> None:
    breaker = make(budget=5.0, failures=1, rest_seconds=1.0)  # the first rest is 0.05 s
    with pytest.raises(CallFailed):
        breaker.call(refuse)
    time.sleep(0.06)
    with pytest.raises(CallRefused):
        breaker.call(refuse_the_event)
    assert breaker.call(lambda: "back") == "back"


def test_one_success_forgets_earlier_failures(make: Make) -> None:
    breaker = make()
    for _ in range(5):
        for _ in range(2):
            with pytest.raises(CallFailed, match="index_error"):
                breaker.call(refuse)
        breaker.call(lambda: None)


def hang() -> None:
    time.sleep(0.3)


@pytest.mark.parametrize("fault", [refuse, hang])
def test_what_fails_for_one_key_alone_is_no_outage(make: Make, fault: Callable[[], None]) -> None:
    breaker = make(budget=0.1, rest_seconds=60.0)
    for _ in range(12):
        with pytest.raises(CallFailed, match=r"index_(error|timeout)"):
            breaker.call(fault, neutral=lambda: "well")
        assert breaker.call(lambda: 7, neutral=lambda: "well") == 7


def test_an_outage_is_one_where_nothing_in_particular_is_not_answered_either(make: Make) -> None:
    breaker = make(rest_seconds=4.0)  # the first rest is 0.2 s
    up = threading.Event()
    asked = 0

    def neutral() -> None:
        nonlocal asked
        asked += 1
        if not up.is_set():
            refuse()

    for reason in ["index_error"] * 3 + ["index_resting"] * 5:
        with pytest.raises(CallFailed) as caught:
            breaker.call(refuse, neutral=neutral)
        assert caught.value.reason == reason
    assert asked == 1
    time.sleep(0.25)
    with pytest.raises(CallFailed, match="index_resting"):
        breaker.call(lambda: "too early", neutral=neutral)
    assert asked == 2
    up.set()
    time.sleep(0.45)
    # A key whose own data are at fault does not hold a breaker open that would close.
    with pytest.raises(CallFailed, match="index_error"):
        breaker.call(refuse, neutral=neutral)
    assert breaker.call(lambda: "back", neutral=neutral) == "back"


def test_failures_beside_the_neutral_question_do_not_answer_it(make: Make) -> None:
    breaker = make(budget=2.0, failures=2, rest_seconds=60.0, threads=16)
    gate, asked = threading.Event(), threading.Event()

    def neutral() -> None:
        asked.set()
        gate.wait(5)

    def ask() -> None:
        with pytest.raises(CallFailed, match="index_error"):
            breaker.call(refuse, neutral=neutral)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert asked.wait(5)
    for _ in range(4):
        ask()
    gate.set()
    for thread in threads:
        thread.join()
    assert breaker.call(lambda: 7, neutral=neutral) == 7
