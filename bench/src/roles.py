"""The roles of common/src/measure/roles.rs over the transports of Python, for the same workloads.

One argument: the workload as JSON. One line on standard output: the reports of its workers as JSON.
"""

import json
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time

END = (1 << 64) - 2
MASK = (1 << 64) - 1
WARM_UP = 16
PRODUCER_BITS = 4
PRODUCERS = 1 << PRODUCER_BITS
SLOT = 100e-6
CAN_FORK = hasattr(os, "fork")


class Numbers:
    """Messages are numbers."""

    def __init__(self, size):
        pass

    def new(self, number):
        return number

    def number(self, message):
        return message


class Bytes:
    """Messages are bytes with the number at the front and at the end."""

    def __init__(self, size):
        self.size = size
        self.filler = b"." * (size - 16)

    def new(self, number):
        number = number.to_bytes(8, "little")
        return number if self.size == 8 else b"".join((number, self.filler, number))

    def number(self, message):
        if len(message) != self.size or message[:8] != message[-8:]:
            raise ValueError("a message is torn")
        return int.from_bytes(message[:8], "little")


def expect(number, got):
    if got != number:
        raise ValueError(f"message {number} was due, but {got} came")


def report(**values):
    nothing = {"count": 0, "sum": 0}
    empty = {"first_put": None, "last_get": None, "put": nothing, "got": nothing, "figures": []}
    return {**empty, **values}


def tally(count, total):
    return {"count": count, "sum": total & MASK}


def in_row(count):
    """The tally of the numbers from 0 to count - 1."""
    return tally(count, count * (count - 1) // 2)


def produce(worker, put, get, messages):
    between_looks = min(max((64 << 10) // worker["size"], 1), 64)
    producer = worker["number"] % PRODUCERS
    count = 0
    first_put = time.monotonic()
    over = first_put + worker["seconds"]
    while time.monotonic() < over:
        for _ in range(between_looks):
            put(messages.new(count << PRODUCER_BITS | producer))
            count += 1
    put(messages.new(END))
    total = (count * (count - 1) // 2 << PRODUCER_BITS) + count * producer
    return report(first_put=first_put, put=tally(count, total))


def consume(worker, put, get, messages):
    due = [0] * PRODUCERS
    count = total = 0
    ends = worker["ends"]
    while True:
        number = messages.number(get())
        if number == END:
            ends -= 1
            if ends == 0:
                return report(last_get=time.monotonic(), got=tally(count, total))
            continue
        producer = number % PRODUCERS
        if number < due[producer]:
            raise ValueError(f"{number} came when {due[producer]} or more was due")
        due[producer] = number + 1
        count += 1
        total += number


def ask(worker, put, get, messages):
    count = 0
    first_put = over = time.monotonic()
    while count <= WARM_UP or time.monotonic() < over:
        if count == WARM_UP:
            first_put = time.monotonic()
            over = first_put + worker["seconds"]
        put(messages.new(count))
        expect(count, messages.number(get()))
        count += 1
    last_get = time.monotonic()
    put(messages.new(END))
    row = in_row(count)
    seconds = (last_get - first_put) / (count - WARM_UP)
    return report(first_put=first_put, last_get=last_get, put=row, got=row, figures=[seconds])


def answer(worker, put, get, messages):
    count = 0
    while True:
        message = get()
        number = messages.number(message)
        if number == END:
            return report(put=in_row(count), got=in_row(count))
        expect(count, number)
        put(message)
        count += 1


def lead(worker, put, get, messages):
    result = ask(worker, put, get, messages)
    expect(result["got"]["count"], messages.number(get()))
    return result


def follow(worker, put, get, messages):
    count = 0
    while True:
        put(messages.new(count))
        number = messages.number(get())
        if number == END:
            return report(put=in_row(count), got=in_row(count))
        expect(count, number)
        count += 1


def tick(worker, put, get, messages):
    count = total = 0
    first_put = slot = time.monotonic()
    over = first_put + worker["seconds"]
    while slot < over:
        slot += SLOT
        time.sleep(max(slot - time.monotonic(), 0))
        reading = time.monotonic_ns()
        put(reading)
        count += 1
        total += reading
    put(END)
    return report(first_put=first_put, put=tally(count, total))


def listen(worker, put, get, messages):
    ages = []
    total = 0
    while True:
        reading = get()
        if reading == END:
            break
        ages.append((time.monotonic_ns() - reading) / 1e9)
        total += reading
    return report(last_get=time.monotonic(), got=tally(len(ages), total), figures=ages)


def wake(worker, put, get, messages):
    first_put = time.monotonic()
    time.sleep(worker["seconds"])
    put(0)
    return report(first_put=first_put, put=tally(1, 0))


def wait(worker, put, get, messages):
    begun, slept, computed = time.monotonic(), times_slept(), time.process_time()
    number = get()
    computed, after = time.process_time() - computed, times_slept()
    last_get = time.monotonic()
    seconds = last_get - begun
    figures = [computed / seconds]
    if slept is not None:
        figures.append(max(after - slept - 1, 0) / seconds)
    return report(last_get=last_get, got=tally(1, number), figures=figures)


def times_slept(pid="self"):
    if not os.path.isdir("/proc/self/task"):
        return None
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/status") as status:
                switches = [line for line in status if line.startswith("voluntary_ctxt_switches:")]
        except OSError:
            continue  # one that ends just now counts no more
        total += int(switches[0].split()[1])
    return total


ROLES = (produce, consume, ask, answer, lead, follow, tick, listen, wake, wait)
ROLES = {role.__name__.capitalize(): role for role in ROLES}


def work(worker, put, get, is_bytes, barrier, tell):
    """Runs in each worker."""
    try:
        if worker["core"] is not None:
            os.sched_setaffinity(0, [worker["core"]])
        messages = (Bytes if is_bytes else Numbers)(worker["size"])
        barrier.wait()
        outcome = ROLES[worker["role"]](worker, put, get, messages)
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}"
    tell(outcome)


def queue_ends(workload, new_queue):
    """What each worker puts with and gets with, over one queue or two."""
    queues = [new_queue(workload["capacity"] or 0) for _ in range(2)]
    return [(queues[into].put, queues[out].get) for into, out in workload["channels"]]


def pipe_ends(workload):
    ends = multiprocessing.Pipe()
    if workload["is_bytes"]:
        return [(end.send_bytes, end.recv_bytes) for end in ends]
    return [(end.send, end.recv) for end in ends]


def processes(workload, ends):
    """Runs the workers as processes, and ends them."""
    barrier = multiprocessing.Barrier(len(ends))
    reports = multiprocessing.SimpleQueue()
    workers = [
        multiprocessing.Process(
            target=work, args=(worker, *end, workload["is_bytes"], barrier, reports.put)
        )
        for worker, end in zip(workload["workers"], ends)
    ]
    return outcomes_of(workers, reports)


def threads(workload):
    barrier = threading.Barrier(len(workload["workers"]))
    reports = queue.SimpleQueue()
    ends = queue_ends(workload, queue.Queue)
    workers = [
        threading.Thread(target=work, args=(worker, *end, workload["is_bytes"], barrier, reports.put))
        for worker, end in zip(workload["workers"], ends)
    ]
    return outcomes_of(workers, reports)


def outcomes_of(workers, reports):
    for worker in workers:
        worker.daemon = True
        worker.start()
    outcomes = []
    for _ in workers:
        outcomes.append(reports.get())
        if isinstance(outcomes[-1], str):
            sys.exit(outcomes[-1])
    for worker in workers:
        worker.join()
    return outcomes


def main(measure):
    """Prints what the function makes of the workload.

    Whatever ends the driver ends this process and all it has started. On Windows the system does.
    """
    if CAN_FORK and os.fork() == 0:
        os.close(1)
        sys.stdin.buffer.read()
        os.killpg(0, signal.SIGKILL)
    workload = json.loads(sys.argv[1])
    multiprocessing.set_start_method(workload.get("start_method", "fork" if CAN_FORK else "spawn"))
    print(json.dumps(measure(workload)), flush=True)


def take(items, ready):
    ready.put(None)
    items.get()


def after_kills(workload):
    """Kills consumers that wait in get, then runs the workload over the same queue."""
    items = multiprocessing.Queue(workload["capacity"])
    ready = multiprocessing.SimpleQueue()
    consumers = [
        multiprocessing.Process(target=take, args=(items, ready))
        for _ in range(workload["killed"])
    ]
    for consumer in consumers:
        consumer.start()
    for consumer in consumers:
        ready.get()
    # From outside nothing shows that a process is inside get.
    time.sleep(workload["until_they_wait"])
    for consumer in consumers:
        consumer.kill()
        consumer.join()
    return processes(workload, [(items.put, items.get)] * 2)


def measure(workload):
    if "killed" in workload:
        return after_kills(workload)
    transport = workload["transport"]
    if transport == "threads":
        return threads(workload)
    return processes(
        workload, pipe_ends(workload) if transport == "pipe" else queue_ends(workload, multiprocessing.Queue)
    )


if __name__ == "__main__":
    main(measure)
