#!/usr/bin/env python3
"""Measures build/pxds beside borg, restic and casync: `make bench-peers`.

usage: bench-peers.py [--only TOOL...] [--mb N] [--rounds N] [--files FIRST SECOND] [--json PATH]
                      [--cargo COMMAND] [--no-install]

Missing tools are installed with apt-get, which asks nothing. Each tool stores the first of two
generations of one file, the second, the second again, and restores the first, in a repository of its
own that is new in each round; the tools take turns within each role. Everything is in
$PXDS_BENCH_DIR, or else in /dev/shm. Every tool reads the whole file each time: the caches by which
borg and restic pass over files that have not changed are not used. What is restored is compared.

The figures are those of the whole process: wall time, user and system time, and the most memory that
one process had (not less than the 15 to 25 MB that this script had when it started it).
"""

import argparse
import filecmp
import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROLES = ("new", "second", "duplicate", "restore")
# How many times as fast as borg 1.2 pxds is to be.
BARS = {"new": 2.5, "second": 2.9, "duplicate": 3.8, "restore": 2.3}


def fail(message):
    sys.exit(f"bench-peers: {message}")


# ---- the tools ----


class Tool:
    """A tool with its repository, its caches and what it restores below one directory."""

    name = program = package = settings = ""

    def __init__(self, base, first, second):
        self.dir = f"{base}/{self.name.replace(' ', '-')}"
        self.repository = f"{self.dir}/repository"
        self.out = f"{self.dir}/out"
        self.first, self.second = first, second
        self.env = dict(os.environ, HOME=self.dir, XDG_CACHE_HOME=f"{self.dir}/cache",
                        XDG_CONFIG_HOME=f"{self.dir}/config", TMPDIR=self.dir, LC_ALL="C.UTF-8")

    def version(self):
        """What the tool calls itself."""
        done = subprocess.run([self.program, "--version"], env=self.env, check=True, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout.splitlines()[0].strip()

    def begin(self):
        """Makes an empty repository, which is not measured."""
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.out)
        for command in self.create():
            run(command, self.env, self.out)

    def create(self):
        return []

    def store(self, number, file):
        """The command that stores `file`, the time with this number."""
        raise NotImplementedError

    def restore(self):
        """The command that restores the first generation into self.out."""
        raise NotImplementedError

    def restored(self):
        """Where it is then."""
        return f"{self.out}/file"

    def command(self, role):
        if role == "restore":
            return self.restore()
        return self.store(ROLES.index(role), self.first if role == "new" else self.second)


class Pxds(Tool):
    """The tool as it is installed."""

    name, program = "pxds", f"{ROOT}/build/pxds"
    average = "4M"
    settings = "put --sync none, average 4 MiB; get"

    def create(self):
        return [[self.program, "init", self.repository]]

    def store(self, number, file):
        return [self.program, "put", self.repository, file, f"{self.repository}/{number}.didx",
                "--sync", "none", "--avg", self.average]

    def restore(self):
        return [self.program, "get", self.repository, f"{self.repository}/0.didx", f"{self.out}/file"]


class PxdsSmall(Pxds):
    name, average = "pxds 64 KiB", "64K"
    settings = "put --sync none, average 64 KiB; get"


class Borg(Tool):
    name, program, package = "borg", "borg", "borgbackup"
    settings = "no encryption, zstd,1, --files-cache disabled"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.env.update(BORG_BASE_DIR=f"{self.dir}/base", BORG_REPO=self.repository,
                        BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes")

    def create(self):
        return [["borg", "init", "--encryption", "none"]]

    def store(self, number, file):
        return ["borg", "create", "--compression", "zstd,1", "--files-cache", "disabled", f"::{number}", file]

    def restore(self):
        return ["borg", "extract", "::0"]

    def restored(self):
        return self.out + self.first


class Restic(Tool):
    name, program, package = "restic", "restic", "restic"
    settings = "as it is, which always encrypts; --force"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.env.update(RESTIC_REPOSITORY=self.repository, RESTIC_PASSWORD="a password")

    def version(self):
        return subprocess.run(["restic", "version"], check=True, text=True, env=self.env,
                              stdout=subprocess.PIPE).stdout.splitlines()[0].strip()

    def create(self):
        return [["restic", "init"]]

    def store(self, number, file):
        return ["restic", "backup", "--quiet", "--force", "--tag", f"time-{number}", file]

    def restore(self):
        return ["restic", "restore", "--quiet", "--tag", "time-0", "--target", self.out, "latest"]

    def restored(self):
        return self.out + self.first


class Casync(Tool):
    name, program, package = "casync", "casync", "casync"
    settings = "as it is: average 64 KiB"
    options = ()

    def store(self, number, file):
        return ["casync", "make", *self.options, f"--store={self.repository}",
                f"{self.dir}/{number}.caibx", file]

    def restore(self):
        return ["casync", "extract", f"--store={self.repository}", f"{self.dir}/0.caibx", f"{self.out}/file"]


class CasyncLarge(Casync):
    name = "casync 4 MiB"
    settings = "average 4 MiB"
    options = ("--chunk-size=1048576:4194304:16777216",)


TOOLS = (Pxds, PxdsSmall, Borg, Restic, Casync, CasyncLarge)


def install(tools):
    """Installs what is missing, or ends with what to do."""
    missing = sorted({tool.package for tool in tools if tool.package and not shutil.which(tool.program)})
    if not missing:
        return
    if shutil.which("apt-get") is None:
        fail(f"not here: {' '.join(missing)}; and no apt-get to install them with. Nothing was measured")
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if sudo and shutil.which("sudo") is None:
        fail(f"not here: {' '.join(missing)}; install them as root. Nothing was measured")
    print(f"installing {' '.join(missing)}", flush=True)
    env = ["env", "DEBIAN_FRONTEND=noninteractive"]
    get = [*sudo, *env, "apt-get", "-qq", "-y", "--no-install-recommends", "install", *missing]
    if subprocess.run(get, stdout=subprocess.DEVNULL, check=False).returncode:
        # The list of packages may be old, or empty.
        subprocess.run([*sudo, *env, "apt-get", "-qq", "update"], stdout=subprocess.DEVNULL, check=False)
        if subprocess.run(get, stdout=subprocess.DEVNULL, check=False).returncode:
            fail(f"apt-get could not install {' '.join(missing)}. Nothing was measured")


# ---- running them ----


def run(command, env, cwd):
    """Runs a command to its end; gives its wall time, its processor time and its memory in bytes."""
    with tempfile.TemporaryFile() as output:
        start = time.monotonic()
        with subprocess.Popen(command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output,
                              stderr=subprocess.STDOUT) as process:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - start
            process.returncode = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        if process.returncode:
            output.seek(0)
            text = output.read().decode(errors="replace")[-2000:]
            fail(f"exit status {process.returncode}: {shlex.join(command)}\n{text}")
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "peak_rss": usage.ru_maxrss * 1024}


def measure(tools, rounds):
    """Runs every tool in every role; gives the costs by tool and role."""
    costs = {tool.name: {role: [] for role in ROLES} for tool in tools}
    for number in range(rounds):
        for tool in tools:
            tool.begin()
        for role in ROLES:
            for tool in tools:
                costs[tool.name][role].append(run(tool.command(role), tool.env, tool.out))
            print(f"round {number + 1} of {rounds}: {role}", flush=True)
        for tool in tools:
            if not filecmp.cmp(tool.restored(), tool.first, shallow=False):
                fail(f"{tool.name} has not restored what it stored")
            shutil.rmtree(tool.dir)
    return costs


def summary(costs, size):
    costs = sorted(costs, key=lambda cost: cost["seconds"])
    best = costs[0]
    return {
        "mb_s": size / 1e6 / best["seconds"],
        "median_mb_s": size / 1e6 / statistics.median(cost["seconds"] for cost in costs),
        "cpu_s_per_gb": best["cpu"] / (size / 1e9),
        "peak_rss": max(cost["peak_rss"] for cost in costs),
    }


# ---- what it runs on ----


def filesystem(path):
    best = ("", "")
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            point, kind = line.split()[1:3]
            if os.path.commonpath([point, path]) == point and len(point) >= len(best[0]):
                best = (point, kind)
    return best[1]


def busy():
    """How many processors are at work, for half a second in which this program is not."""
    def times():
        with open("/proc/stat", encoding="ascii") as file:
            return [int(word) for word in file.readline().split()[1:]]

    before = times()
    time.sleep(0.5)
    spent = [after - was for after, was in zip(times(), before)]
    # The fourth and fifth are idle, and idle for a disk.
    return len(os.sched_getaffinity(0)) * (1 - sum(spent[3:5]) / max(sum(spent), 1))


def machine(base):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "")
    return {
        "cpu": model or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "filesystem": filesystem(base),
        "busy": busy(),
    }


def generate(cargo, size, first, second):
    print(f"generating two generations of {size / 1e6:.0f} MB", flush=True)
    command = [*shlex.split(cargo), "--quiet", "--locked", "--bench", "pxds", "--",
               "generate", "mixed", str(size), first, second]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        fail(f"failed: {shlex.join(command)}")


# ---- the report ----


def ratios(results):
    """How many times as fast as each of the others pxds is, by best rounds and by medians."""
    own = results[0]["roles"]
    return {
        other["name"]: {
            role: {key: own[role][key] / other["roles"][role][key] for key in ("mb_s", "median_mb_s")}
            for role in ROLES
        }
        for other in results[1:]
    }


def report(results, times):
    print(f"\n{'':14}" + "".join(f"{role:>24}" for role in ROLES))
    print(f"{'':14}" + f"{'MB/s':>8}{'CPU s/GB':>9}{'MiB':>7}" * len(ROLES))
    for result in results:
        row = "".join(
            f"{cost['mb_s']:>8.0f}{cost['cpu_s_per_gb']:>9.1f}{cost['peak_rss'] / 2**20:>7.0f}"
            for cost in (result["roles"][role] for role in ROLES)
        )
        print(f"{result['name']:14}{row}")
    if not times:
        return
    print(f"\n{results[0]['name']} is so many times as fast as (best rounds; medians)")
    for name, by_role in times.items():
        row = "".join(f"{by_role[role]['mb_s']:>14.2f}; {by_role[role]['median_mb_s']:<8.2f}" for role in ROLES)
        print(f"{name:14}{row}")
    if "borg" in times:
        for role, bar in BARS.items():
            reached = times["borg"][role]["mb_s"]
            print(f"bar: {role} {bar} times borg: {'reached' if reached >= bar else 'NOT reached'}, {reached:.2f}")


def arguments():
    parser = argparse.ArgumentParser(description="Measures build/pxds beside borg, restic and casync.")
    parser.add_argument("--only", nargs="+", metavar="TOOL", help="these alone: " + ", ".join(t.name for t in TOOLS))
    parser.add_argument("--mb", type=int, default=int(os.environ.get("PXDS_BENCH_MB", "1000")), help="size of the file")
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("PXDS_BENCH_ROUNDS", "3")))
    parser.add_argument("--files", nargs=2, metavar=("FIRST", "SECOND"), help="these instead of generated ones")
    parser.add_argument("--json", default=f"{ROOT}/target/bench/peers.json", metavar="PATH")
    parser.add_argument("--cargo", default="cargo bench", metavar="COMMAND", help="what runs the generator")
    parser.add_argument("--no-install", action="store_true", help="fail if a tool is missing")
    return parser.parse_args()


def main():
    options = arguments()
    classes = [tool for tool in TOOLS if not options.only or tool.name in options.only]
    unknown = set(options.only or ()) - {tool.name for tool in TOOLS}
    if unknown or options.rounds < 1:
        fail(f"no such tool: {', '.join(sorted(unknown))}" if unknown else "no rounds")
    if not os.path.exists(Pxds.program):
        fail("no build/pxds here; run make first")
    missing = [tool.program for tool in classes if not shutil.which(tool.program)]
    if missing and options.no_install:
        fail(f"not here: {' '.join(missing)}. Nothing was measured")
    install(classes)

    parent = os.environ.get("PXDS_BENCH_DIR", "/dev/shm")
    if filesystem(os.path.realpath(parent)) != "tmpfs":
        print(f"{parent} is no tmpfs: the figures will be those of the disk too", flush=True)
    # The two files, and of each tool a repository and a restored file.
    need = options.mb * 1_000_000 * (2 + 2 * len(classes))
    if shutil.disk_usage(parent).free < need:
        fail(f"{parent} has not the {need / 1e9:.1f} GB that this needs; set PXDS_BENCH_DIR, or --mb to less")
    with tempfile.TemporaryDirectory(prefix="pxds-peers-", dir=parent) as base:
        base = os.path.realpath(base)
        first, second = f"{base}/first", f"{base}/second"
        if options.files:
            first, second = (os.path.realpath(path) for path in options.files)
        else:
            generate(options.cargo, options.mb * 1_000_000, first, second)
        tools = [tool(base, first, second) for tool in classes]
        info = machine(base)
        costs = measure(tools, options.rounds)
        sizes = {role: os.path.getsize(second if role in ("second", "duplicate") else first) for role in ROLES}
        results = [
            {"name": tool.name, "version": tool.version(), "settings": tool.settings,
             "roles": {role: summary(costs[tool.name][role], sizes[role]) for role in ROLES}}
            for tool in tools
        ]
    times = ratios(results)
    report(results, times)
    os.makedirs(os.path.dirname(os.path.abspath(options.json)), exist_ok=True)
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump({"bench": "peers", "time": int(time.time()), "machine": info, "size": sizes["new"],
                   "rounds": options.rounds, "generated": not options.files, "tools": results,
                   "ratios": times, "bars_over_borg": BARS}, file, indent=2)
        file.write("\n")
    print(f"\nwritten: {options.json}")


if __name__ == "__main__":
    main()
