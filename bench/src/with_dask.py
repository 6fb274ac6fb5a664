"""A cluster of Dask on this machine, measured as the rows cluster-* of bench do.

One argument: the number of workers, as JSON. Each line on standard input is a question, as JSON: what to
measure, of how many calls, for how many seconds. Its answer is a line on standard output: the seconds of
one round. The program ends when its standard input is closed.
"""

import json
import logging
import os
import queue
import signal
import sys
import threading

import calls


def same(data):
    return data


def submit(client, work):
    futures = [client.submit(calls.square, number, pure=False) for number in range(work["calls"])]
    calls.check([future.result() for future in futures] == [n * n for n in range(work["calls"])])


def map_all(client, work):
    futures = client.map(calls.square, range(work["calls"]), pure=False)
    calls.check(client.gather(futures) == [n * n for n in range(work["calls"])])


def echo(client, work):
    calls.check(client.submit(same, work["data"], pure=False).result() == work["data"])


WHAT = {"round-trip": submit, "submit": submit, "map": map_all, "echo": echo}


def questions():
    """Gives what is asked. Whatever ends the driver ends this process and all it has started."""
    asked = queue.SimpleQueue()

    def read():
        for line in sys.stdin:
            asked.put(json.loads(line))
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield asked.get()


def main():
    # What workers keep goes with this program's folder.
    os.environ["DASK_TEMPORARY_DIRECTORY"] = os.path.dirname(os.path.abspath(__file__))
    from distributed import Client, LocalCluster

    workers = json.loads(sys.argv[1])
    with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        host="127.0.0.1",
        silence_logs=logging.CRITICAL,
    ) as cluster, Client(cluster) as client:
        client.wait_for_workers(workers)
        submit(client, {"calls": 100})
        for work in questions():
            work["data"] = b"." * work["bytes"]
            call = WHAT[work["what"]]
            calls.seconds_each(lambda: call(client, work), 0, 16 if work["calls"] == 1 else 1)
            print(calls.seconds_each(lambda: call(client, work), work["seconds"]), flush=True)


if __name__ == "__main__":
    main()
