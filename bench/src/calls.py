"""Start and join, multiprocessing.Pool and concurrent.futures, measured as the rows of bench do.

One argument: what to measure, as JSON. One line on standard output: seconds for one call, or bytes, or
wake-ups per second.
"""

import multiprocessing
import os
import time

import roles


def seconds_each(call, seconds, least=1):
    """Calls for so many seconds; returns how long one call takes."""
    count = 0
    begun = time.monotonic()
    while count < least or time.monotonic() - begun < seconds:
        call()
        count += 1
    return (time.monotonic() - begun) / count


def nothing():
    pass


def start_and_join():
    process = multiprocessing.Process(target=nothing)
    process.start()
    process.join()
    if process.exitcode != 0:
        raise SystemExit(f"a child ended with exit code {process.exitcode}")


def start_join(work):
    """The first isn't counted: it starts the fork server and the resource tracker, too."""
    if work["core"] is not None:
        os.sched_setaffinity(0, [work["core"]])
    start_and_join()
    return seconds_each(start_and_join, work["seconds"], least=3)


def square(number):
    return number * number


def length(data):
    return len(data)


def data(length):
    return b"." * length


def same(data):
    return data


def nap(seconds):
    time.sleep(seconds)


def check(right):
    if not right:
        raise SystemExit("a result is wrong")


def map_of(chunk):
    def call(pool, work):
        numbers = range(work["items"])
        results = pool.map(square, numbers, chunksize=chunk)
        check(results[-1] == numbers[-1] ** 2 and len(results) == len(numbers))

    return call


def apply(pool, work):
    check(pool.apply(square, (7,)) == 49)


def arguments(pool, work):
    check(pool.apply(length, (work["data"],)) == work["bytes"])


def results(pool, work):
    check(len(pool.apply(data, (work["bytes"],))) == work["bytes"])


def echo(pool, work):
    check(pool.apply(same, (work["data"],)) == work["data"])


CALLS = {
    "map-1": map_of(1),
    "map-many": map_of(1),
    "map": map_of(None),
    "map-million": map_of(None),
    "echo": echo,
    "apply": apply,
    "arguments": arguments,
    "results": results,
}


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def memory(pool, work):
    """Bytes of this process for each task that waits."""
    busy = [pool.apply_async(nap, (60,)) for _ in range(work["workers"])]
    before = resident()
    waiting = [pool.apply_async(square, (number,)) for number in range(work["items"])]
    grown = resident() - before
    check(not any(result.ready() for result in busy + waiting))
    return grown / work["items"]


def idle(pool, work):
    """Wake-ups per second of the pool's processes, without those of this thread."""
    pids = [process.pid for process in pool._pool] + [os.getpid()]
    time.sleep(0.1)
    before = sum(map(roles.times_slept, pids))
    time.sleep(work["seconds"])
    return (sum(map(roles.times_slept, pids)) - before - 1) / work["seconds"]


def own_pid(_):
    time.sleep(0.001)
    return os.getpid()


def wait_for_all(pool, workers):
    """Waits until all workers work: their starts would be measured otherwise."""
    there = set()
    while len(there) < workers:
        there.update(pool.map(own_pid, range(workers), chunksize=1))


def pool(work):
    with multiprocessing.Pool(work["workers"]) as workers:
        wait_for_all(workers, work["workers"])
        work["data"] = b"." * work["bytes"]
        check(workers.map(square, range(100)) == [number**2 for number in range(100)])
        if work["call"] == "memory":
            return memory(workers, work)
        if work["call"] == "idle":
            return idle(workers, work)
        call = CALLS[work["call"]]
        return seconds_each(lambda: call(workers, work), work["seconds"])


def round_of(executor, calls):
    futures = [executor.submit(square, number) for number in range(calls)]
    for number, future in enumerate(futures):
        if future.result() != number * number:
            raise SystemExit("a result is wrong")


def executor(work):
    # Here, because every child of start_join that isn't forked would import it, too.
    import concurrent.futures

    if work["kind"] == "threads":
        made = concurrent.futures.ThreadPoolExecutor(work["workers"])
    else:
        context = multiprocessing.get_context("fork")
        made = concurrent.futures.ProcessPoolExecutor(work["workers"], mp_context=context)
    with made:
        round_of(made, 100)
        return seconds_each(lambda: round_of(made, work["calls"]), work["seconds"])


def measure(work):
    return {"start-join": start_join, "pool": pool, "executor": executor}[work["what"]](work)


if __name__ == "__main__":
    roles.main(measure)
