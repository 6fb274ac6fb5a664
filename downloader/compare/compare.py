"""`downloader get` beside aria2c and beside Python, on the same list, in turns.

cargo build --release -p downloader
python3 downloader/compare/compare.py target/release/downloader [--rounds 5] [--images 1000] [--python PYTHON]
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--python", default=sys.executable)
    given = parser.parse_args()
    program = os.path.abspath(given.program)
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        serve = [program, "serve", "--images", str(given.images)]
        server = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True)
        try:
            with open("list", "w") as file:
                file.writelines(server.stdout.readline() for _ in range(given.images))
            get = [program, "get", "list", "-o", "out", "--per-host", "16", "--quiet"]
            ways = {
                "get, download only": get + ["--download-only"],
                "aria2c, download only": ["aria2c", "-j16", "-q", "-i", "list", "-d", "out"],
                "get, all of it": get,
                "Python, all of it": [given.python, os.path.join(HERE, "download.py"), "list", "out"],
            }
            rates = {name: [] for name in ways}
            cpu = {name: [] for name in ways}
            for _ in range(given.rounds):
                for name, command in ways.items():
                    took, used = timed(command, given.images)
                    rates[name].append(given.images / took)
                    cpu[name].append(1e6 * used / given.images)
        finally:
            server.terminate()
            server.wait()
    for name, rate in rates.items():
        print(f"{name:22} {show(rate)} images/s, {show(cpu[name])} µs of CPU an image")
    names = list(ways)
    for ours, theirs in (names[:2], names[2:]):
        print(f"{ours} / {theirs}: {show([a / b for a, b in zip(rates[ours], rates[theirs])], 2)}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"largest of all processes: {peak / 1024:.0f} MiB")


def timed(command, images):
    """Returns how long a command takes and how much CPU time, in seconds."""
    shutil.rmtree("out", ignore_errors=True)
    begin, used = time.monotonic(), cpu_seconds()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    took, used = time.monotonic() - begin, cpu_seconds() - used
    assert len(os.listdir("out")) == images, f"{command} has not stored all"
    return took, used


def cpu_seconds():
    """Of all children so far, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def show(figures, digits=0):
    return f"{statistics.median(figures):.{digits}f} ({min(figures):.{digits}f} – {max(figures):.{digits}f})"


main()
