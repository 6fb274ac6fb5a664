"""The calls of pool.rs, over multiprocessing.Pool; prints seconds for each."""

import multiprocessing
import os
import time

import sides


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


def switches(pids):
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/status") as status:
                for line in status:
                    if line.startswith("voluntary_ctxt_switches:"):
                        total += int(line.split()[1])
    return total


def idle(pool, work):
    """Wake-ups per second of the pool's processes, without those of who asks."""
    pids = [process.pid for process in pool._pool] + [os.getpid()]
    time.sleep(0.1)
    before = switches(pids)
    time.sleep(work["seconds"])
    return (switches(pids) - before - 1) / work["seconds"]


def measure(work):
    with multiprocessing.Pool(work["workers"]) as pool:
        work["data"] = b"." * work["bytes"]
        check(pool.map(square, range(100)) == [number**2 for number in range(100)])
        if work["call"] == "memory":
            return memory(pool, work)
        if work["call"] == "idle":
            return idle(pool, work)
        call = CALLS[work["call"]]
        begun = time.monotonic()
        count = 0
        while count < 1 or time.monotonic() - begun < work["seconds"]:
            call(pool, work)
            count += 1
        return (time.monotonic() - begun) / count


if __name__ == "__main__":
    sides.main(measure)
