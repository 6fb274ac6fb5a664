"""Kills consumers that wait in get, then plays the scene over the same queue."""

import multiprocessing
import time

import sides


def take(queue, ready):
    ready.put(None)
    queue.get()


def measure(scene):
    queue = multiprocessing.Queue(scene["places"])
    ready = multiprocessing.SimpleQueue()
    consumers = [
        multiprocessing.Process(target=take, args=(queue, ready))
        for _ in range(scene["killed"])
    ]
    for consumer in consumers:
        consumer.start()
    for consumer in consumers:
        ready.get()
    # Nobody can see from outside that a process is inside get.
    time.sleep(scene["until_they_wait"])
    for consumer in consumers:
        consumer.kill()
        consumer.join()
    return sides.processes(scene, [(queue.put, queue.get)] * 2)


if __name__ == "__main__":
    sides.main(measure)
