"""When a service is left alone."""

from pipelines.transport.circuit import MOST_TOKENS, REST_SECONDS, THRESHOLD, Circuit


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def broken(clock: Clock) -> Circuit:
    circuit = Circuit(clock)
    for _ in range(THRESHOLD):
        circuit.failed()
    return circuit


def test_a_few_failures_change_nothing() -> None:
    circuit = Circuit(Clock())
    for _ in range(THRESHOLD - 1):
        circuit.failed()

    assert circuit.wait_seconds() == 0


def test_a_success_forgets_the_failures_before_it() -> None:
    clock = Clock()
    circuit = broken(clock)
    circuit.succeeded()
    circuit.failed()

    assert circuit.wait_seconds() == 0


def test_an_open_circuit_lets_one_call_ask_after_its_rest() -> None:
    clock = Clock()
    circuit = broken(clock)
    refused = circuit.wait_seconds()

    clock.now += REST_SECONDS
    asking, others = circuit.wait_seconds(), circuit.wait_seconds()

    assert (refused, asking, others) == (REST_SECONDS, 0, REST_SECONDS)


def test_a_call_that_asked_and_never_came_back_is_followed_by_another() -> None:
    clock = Clock()
    circuit = broken(clock)
    clock.now += REST_SECONDS
    circuit.wait_seconds()

    clock.now += REST_SECONDS

    assert circuit.wait_seconds() == 0


def test_retries_run_out_and_come_back_with_time_and_successes() -> None:
    clock = Clock()
    circuit = Circuit(clock)
    granted = sum(circuit.may_retry() for _ in range(3 * int(MOST_TOKENS)))

    clock.now += 1
    after_a_second = [circuit.may_retry(), circuit.may_retry()]
    for _ in range(5):
        circuit.succeeded()

    assert granted == MOST_TOKENS
    assert after_a_second == [True, False]
    assert circuit.may_retry()
