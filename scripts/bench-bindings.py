#!/usr/bin/env python3
"""Backs up and restores one file by the tool, which is C, by Python and by Go: what the bindings cost beside it.

Run by `make bench-bindings`; everything happens in memory, unless PXDS_BENCH_DIR says otherwise. Each is a process of
its own, start and end included. Rounds are paired: all take turns in each, in another order every time, and a ratio is
the median of the rounds'.

"Python, its start" is the interpreter with an empty program: 10 to 40 ms, which no binding can change, and which count
the more the faster the machine is. So rows of Python have a second pair of ratios, with the start of the same round
taken off.

"stream" has the data pass through the language, where the others let the library read and write the file. A stream is
read on the caller's thread alone, until there is work for all threads, so reading and storing take turns, where a
descriptor is read by whichever thread is free. "file" reads the snapshot as a file, piece by piece, and writes each
piece before it asks for the next: the library loads chunks on several threads, and none of them while the program
writes. Neither is what a language adds: programs in C that do the same, pxds_backup_add_stream() with read(), and
pxds_reader_read_at() with write(), take as long as these. What is wanted whole is faster by restore() or
Restorer.write(), where writing overlaps with loading.

Go is left out where there is none.
"""

import argparse
import compileall
import filecmp
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = f"{ROOT}/build/pxds"

START = "Python, its start"

PYTHON_BACKUP = """
import sys, pxds
with pxds.Store.open_or_create(sys.argv[1]) as store:
    print(store.backup("host/bench", {"data.didx": sys.argv[2]}))
"""
PYTHON_STREAM = """
import sys, pxds
class Stream:
    def __init__(self, path):
        self.readinto = open(path, "rb", buffering=0).readinto
with pxds.Store.open_or_create(sys.argv[1]) as store:
    print(store.backup("host/bench", {"data.didx": Stream(sys.argv[2])}))
"""
PYTHON_RESTORE = """
import sys, pxds
with pxds.Store.open(sys.argv[1]) as store:
    store.snapshot(sys.argv[2]).restore(sys.argv[3], sys.argv[4])
"""
PYTHON_WRITE = """
import sys, pxds
with pxds.Store.open(sys.argv[1]) as store, open(sys.argv[4], "wb", buffering=0) as out:
    with store.open_snapshot(sys.argv[2]) as snapshot:
        store.restorer().write(snapshot.index(sys.argv[3]), out)
"""
PYTHON_FILE = """
import sys, pxds
room = memoryview(bytearray(4 << 20))
with pxds.Store.open(sys.argv[1]) as store, open(sys.argv[4], "wb", buffering=0) as out:
    with store.snapshot(sys.argv[2]).open_file(sys.argv[3]) as file:
        for count in iter(lambda: file.readinto(room), 0):
            out.write(room[:count])
"""


def say(*words):
    print(*words, flush=True)


def generate(path, size):
    """Half of it compresses well, half not at all; nothing comes twice."""
    words, noise = [b"%06d line of text\n" % number for number in range(1 << 16)], random.Random(1)
    with open(path, "wb") as file:
        while file.tell() < size:
            file.write(b"".join(noise.choices(words, k=25000)))
            file.write(os.urandom(500000))
        file.truncate(size)


def python_package(directory):
    """The package without a library, where Python finds it."""
    done = subprocess.run([sys.executable, f"{ROOT}/scripts/wheel.py", directory], stdout=subprocess.PIPE, check=True)
    with zipfile.ZipFile(done.stdout.decode().split()[-1]) as wheel:
        wheel.extractall(f"{directory}/python")
    # As pip leaves it.
    compileall.compile_dir(f"{directory}/python", quiet=1)
    return f"{directory}/python"


def go_program(directory):
    """The program in Go, built against the library in build/; None without Go."""
    source = f"{ROOT}/bindings/go/cmd/pxds-go-bench"
    if shutil.which("go") is None or not os.path.isdir(source):
        say("no Go (Debian: golang-go): it is left out")
        return None
    with open(f"{directory}/pxds.pc", "w", encoding="ascii") as file:
        file.write("Name: pxds\nDescription: that in build/\nVersion: 0\n"
                   f"Libs: -L{ROOT}/build -lpxds\nCflags: -I{ROOT}/include\n")
    env = {**os.environ, "GOPROXY": "off", "GOCACHE": f"{ROOT}/build/go", "PKG_CONFIG_PATH": directory}
    program = f"{directory}/pxds-go-bench"
    subprocess.run(["go", "build", "-o", program, f"./{os.path.relpath(source, f'{ROOT}/bindings/go')}"],
                   cwd=f"{ROOT}/bindings/go", env=env, check=True)
    return program


def contenders(directory):
    """The commands of each: backup, to which store and file are added, and restore."""
    found = {"C": ([TOOL, "backup"], [TOOL, "restore"])}
    for name, backup, restore in (("Python", PYTHON_BACKUP, PYTHON_RESTORE),
                                  ("Python, stream", PYTHON_STREAM, PYTHON_WRITE),
                                  ("Python, file", None, PYTHON_FILE)):
        found[name] = (backup and [sys.executable, "-c", backup], [sys.executable, "-c", restore])
    program = go_program(directory)
    if program:
        found["Go, stream"] = ([program, "backup"], [program, "restore"])
    return found


def run(command, env):
    """Wall and processor seconds of a command, and what it prints."""
    with tempfile.TemporaryFile() as out:
        start = time.monotonic()
        with subprocess.Popen(command, env=env, stdout=out) as process:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - start
            process.returncode = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1
        if process.returncode:
            sys.exit(f"exit status {process.returncode}: {command}")
        out.seek(0)
        return (seconds, usage.ru_utime + usage.ru_stime), out.read().decode()


def one_round(names, commands, directory, file, env, costs):
    for name in names:
        store, out = f"{directory}/store", f"{directory}/out"
        subprocess.run([TOOL, "init", store], check=True, stdout=subprocess.DEVNULL)
        backup, restore = commands[name]
        is_tool = name == "C" or backup is None
        arguments = [store, "host/bench", f"data.didx={file}"] if is_tool else [store, file]
        cost, _ = run([*(backup or commands["C"][0]), *arguments], env)
        if backup is not None:
            costs[name, "backup"].append(cost)
        (snapshot,) = snapshots(store)
        cost, _ = run([*restore, store, snapshot, "data.didx", out], env)
        costs[name, "restore"].append(cost)
        if not filecmp.cmp(file, out, shallow=False):
            sys.exit(f"{name} has not restored what it stored")
        os.unlink(out)
        shutil.rmtree(store)
    costs[START].append(run([sys.executable, "-c", "pass"], env)[0])


def snapshots(store):
    return [f"host/bench/{name}" for name in os.listdir(f"{store}/host/bench") if name.endswith("Z")]


def ratios(mine, c):
    """Wall and processor time beside C, in percent more."""
    return " ".join(f"{100 * statistics.median(a[i] / b[i] for a, b in zip(mine, c)) - 100:+6.1f}%" for i in (0, 1))


def report(names, costs, size):
    starts = costs[START]
    say(f"{'':18} {'':8} {'MB/s':>8} {'CPU s':>8}   beside C: {'wall':>7} {'CPU':>7}   without its start: {'wall':>7}"
        f" {'CPU':>7}")
    say(f"{START:18} {'':8} {1000 * min(cost[0] for cost in starts):5.0f} ms {min(cost[1] for cost in starts):8.2f}")
    for role in ("backup", "restore"):
        for name in names:
            mine, c = costs[name, role], costs["C", role]
            if not mine:
                continue
            best, least = min(cost[0] for cost in mine), min(cost[1] for cost in mine)
            row = f"{name:18} {role:8} {size / 1e6 / best:8.0f} {least:8.2f}             {ratios(mine, c)}"
            if name.startswith("Python"):
                without = [(a[0] - b[0], a[1] - b[1]) for a, b in zip(mine, starts)]
                row += f"{'':22}{ratios(without, c)}"
            say(row)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    base = os.environ.get("PXDS_BENCH_DIR") or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    with tempfile.TemporaryDirectory(prefix="pxds-bench-", dir=base) as directory:
        file, size = f"{directory}/data", options.mb * 1000000
        generate(file, size)
        commands = contenders(directory)
        env = {**os.environ, "PYTHONPATH": python_package(directory), "PXDS_LIBRARY": f"{ROOT}/build/libpxds.so",
               "LD_LIBRARY_PATH": f"{ROOT}/build"}
        names = list(commands)
        costs = {START: [], **{(name, role): [] for name in commands for role in ("backup", "restore")}}
        say(f"{options.mb} MB, {options.rounds} rounds; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
        for number in range(options.rounds):
            order = names[number % len(names):] + names[:number % len(names)]
            one_round(order, commands, directory, file, env, costs)
        report(names, costs, size)


if __name__ == "__main__":
    main()
