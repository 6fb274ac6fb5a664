"""Starts processes that do nothing and joins them, one after the other; prints seconds for each."""

import multiprocessing
import os
import time

import sides


def nothing():
    pass


def measure(scene):
    if scene["cores"]:
        os.sched_setaffinity(0, scene["cores"])
    count = 0
    begun = time.monotonic()
    over = begun + scene["seconds"]
    while time.monotonic() < over or count < 3:
        process = multiprocessing.Process(target=nothing)
        process.start()
        process.join()
        if process.exitcode != 0:
            raise SystemExit(f"a child ended with exit code {process.exitcode}")
        count += 1
    return (time.monotonic() - begun) / count


if __name__ == "__main__":
    sides.main(measure)
