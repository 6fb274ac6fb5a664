"""The calls of executor.rs, over concurrent.futures; prints seconds for each round of them."""

import concurrent.futures
import multiprocessing
import time

import sides


def square(number):
    return number * number


def round_of(executor, calls):
    futures = [executor.submit(square, number) for number in range(calls)]
    for number, future in enumerate(futures):
        if future.result() != number * number:
            raise SystemExit("a result is wrong")


def measure(work):
    if work["kind"] == "threads":
        executor = concurrent.futures.ThreadPoolExecutor(work["workers"])
    else:
        context = multiprocessing.get_context("fork")
        executor = concurrent.futures.ProcessPoolExecutor(work["workers"], mp_context=context)
    with executor:
        round_of(executor, 100)
        begun = time.monotonic()
        count = 0
        while count < 1 or time.monotonic() - begun < work["seconds"]:
            round_of(executor, work["calls"])
            count += 1
        return (time.monotonic() - begun) / count


if __name__ == "__main__":
    sides.main(measure)
