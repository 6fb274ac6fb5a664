"""Starts processes that do nothing and joins them, one after the other; prints seconds for each.

The first isn't counted: it starts the fork server and the resource tracker, too.
"""

import multiprocessing
import os
import time

import sides


def nothing():
    pass


def measure(scene):
    if scene["cores"]:
        os.sched_setaffinity(0, scene["cores"])
    start_and_join()
    count = 0
    begun = time.monotonic()
    over = begun + scene["seconds"]
    while time.monotonic() < over or count < 3:
        start_and_join()
        count += 1
    return (time.monotonic() - begun) / count


def start_and_join():
    process = multiprocessing.Process(target=nothing)
    process.start()
    process.join()
    if process.exitcode != 0:
        raise SystemExit(f"a child ended with exit code {process.exitcode}")


if __name__ == "__main__":
    sides.main(measure)
