"""What processes share, and what a manager has, measured as the rows of bench do.

One argument: the name of the row and the seconds, as JSON. One line on standard output: seconds for one step, or
what two processes do in a second.
"""

import multiprocessing
import threading
from multiprocessing.managers import BaseManager

import calls
import roles

STEPS = 100
HALF = 1 << 19


def enter(steps, lock):
    for _ in range(steps):
        with lock:
            pass


def count(steps, lock, total):
    for _ in range(steps):
        with lock:
            total.value += 1


def update(steps, value):
    for _ in range(steps):
        with value.get_lock():
            value.value += 1


def get(steps, value):
    for _ in range(steps):
        value.value


def fill(steps, memory, index, which):
    """Its second number is how often a half was filled, because the index begins with 0 and 1."""
    import numpy

    half = numpy.ndarray(HALF, buffer=memory.buf, offset=which * HALF * 8)
    for _ in range(steps):
        numpy.multiply(index, half[1] + 1, out=half)


def alone(seconds, step, *arguments):
    return calls.seconds_each(lambda: step(STEPS, *arguments), seconds) / STEPS


def repeat(seconds, start, tell, step, steps, *arguments):
    """Runs in each of two processes."""
    done = 0

    def call():
        nonlocal done
        step(steps, *arguments)
        done += steps

    start.wait()
    tell((steps / calls.seconds_each(call, seconds), done))


def in_two(seconds, *steps):
    """Steps per second of two processes, and how many there were."""
    start = multiprocessing.Barrier(2)
    told = multiprocessing.SimpleQueue()
    workers = [
        multiprocessing.Process(target=repeat, args=(seconds, start, told.put, *each)) for each in steps
    ]
    return [sum(each) for each in zip(*roles.outcomes_of(workers, told))]


def counted(seconds, total, step, *arguments):
    rate, done = in_two(seconds, *[(step, STEPS, *arguments)] * 2)
    calls.check(total.value == done)
    return rate


def follow(barrier):
    try:
        while True:
            barrier.wait()
    except threading.BrokenBarrierError:
        pass


def meet(seconds):
    barrier = multiprocessing.Barrier(2)
    other = multiprocessing.Process(target=follow, args=(barrier,), daemon=True)
    other.start()
    barrier.wait()
    each = calls.seconds_each(barrier.wait, seconds)
    barrier.abort()
    other.join()
    return each


def filled(seconds):
    try:
        import numpy
    except ImportError:
        raise SystemExit("numpy is not installed")
    from multiprocessing.shared_memory import SharedMemory

    memory = SharedMemory(create=True, size=2 * HALF * 8)
    index = numpy.arange(HALF, dtype=float)
    halves = [(memory, index, which) for which in range(2)]
    try:
        # The pages are there before the time begins.
        for half in halves:
            fill(1, *half)
        rate, done = in_two(seconds, *[(fill, 1, *half) for half in halves])
        numbers = numpy.ndarray((2, HALF), buffer=memory.buf)
        calls.check((numbers == numpy.outer(numbers[:, 1], index)).all() and numbers[:, 1].sum() == done + 2)
        del numbers
    finally:
        memory.close()
        memory.unlink()
    return rate * HALF


class Tally:
    """In the server, which runs a thread for each client."""

    def __init__(self):
        self.lock, self.total = threading.Lock(), 0

    def add(self, more):
        with self.lock:
            self.total += more
            return self.total


class Server(BaseManager):
    pass


Server.register("Tally", Tally)


def call(steps, tally):
    for _ in range(steps):
        tally.add(1)


def one_client(seconds):
    with Server() as server:
        return alone(seconds, call, server.Tally())


def two_clients(seconds):
    with Server() as server:
        tally = server.Tally()
        rate, done = in_two(seconds, *[(call, STEPS, tally)] * 2)
        calls.check(tally.add(0) == done)
        return rate


def measure(work):
    lock, total, value = multiprocessing.Lock(), multiprocessing.RawValue("Q"), multiprocessing.Value("Q")
    rows = {
        "lock-alone": lambda seconds: alone(seconds, enter, lock),
        "lock-contended": lambda seconds: counted(seconds, total, count, lock, total),
        "value-update": lambda seconds: alone(seconds, update, value),
        "value-update-contended": lambda seconds: counted(seconds, value, update, value),
        "value-get": lambda seconds: alone(seconds, get, value),
        "semaphore": lambda seconds: alone(seconds, enter, multiprocessing.Semaphore(3)),
        "barrier": meet,
        "array-slice": filled,
        "manager-call": one_client,
        "manager-two-clients": two_clients,
    }
    return rows[work["row"]](work["seconds"])


if __name__ == "__main__":
    roles.main(measure)
