"""What bash, zsh and fish offer when Tab is pressed behind `pxds ...`."""

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import time
import unittest

import support
from support import BUILD, ROOT, TestCase, write

COMPLETIONS = os.path.join(ROOT, "completions")
FIRST, SECOND = "host/x/1970-01-02T00:00:00Z", "host/x/1970-01-03T00:00:00Z"
NESTED = "ns/a/ns/b/vm/100/1970-01-02T00:00:00Z"
SNAPSHOTS = {FIRST, SECOND, NESTED, "latest", "host/x/latest", "ns/a/ns/b/vm/100/latest"}
GROUPS = {"host/x", "ns/a/ns/b/vm/100"}

CASES = {
    "pxds ba": {"backup"},
    "pxds init --lay": {"--layout"},
    "pxds init --layout ": {"hex2", "hex4"},
    "pxds init st": {"store"},
    "pxds restore store ": SNAPSHOTS,
    "pxds restore store host/x/1970-01-02T00:": {FIRST},
    f"pxds restore --sparse --threads 3 store {FIRST} ": {"a.blob", "b.didx"},
    f"pxds restore store {FIRST} a.blob fi": {"file"},
    "pxds prune store ": GROUPS,
    "pxds restore store host/x/la": {"host/x/latest"},
    "pxds restore store host/x/latest ": {"a.blob", "b.didx"},
    "pxds verify store host/": {FIRST, SECOND, "host/x", "host/x/latest"},
    "pxds verify store --key fi": {"file"},
    "pxds backup store host/": {"host/x"},
    "pxds backup store host/x c.didx=fi": {"c.didx=file"},
    "pxds backup store host/x --ns a c.didx=file d.fidx=fi": {"d.fidx=file"},
    "pxds key cr": {"create"},
    "pxds help res": {"restore"},
    "pxds list --store st": {"store"},
    "pxds namespace remove store ": {"a", "a/b"},
    "pxds files store ns": {NESTED, "ns/a/ns/b/vm/100/latest"},
    "pxds ns ": {"create", "remove", "list"},
    "pxds ns remove store a/": {"a/b"},
    "pxds ns list --sy": {"--sync"},
    "pxds gc nothing-is-called-so": set(),
    f"pxds files --store store {FIRST[:12]}": {FIRST, SECOND},
    f"pxds restore --store=store {FIRST} ": {"a.blob", "b.didx"},
    "pxds namespace remove --store store ": {"a", "a/b"},
}
# With PXDS_STORE; a directory in the place of the store is one all the same.
WITHOUT_STORE = {
    "pxds prune ": GROUPS,
    f"pxds restore {FIRST} ": {"a.blob", "b.didx"},
    f"pxds restore store {FIRST} ": {"a.blob", "b.didx"},
    "pxds namespace remove ": {"a", "a/b"},
    "pxds ns remove ": {"a", "a/b"},
    "pxds backup host/x c.didx=fi": {"c.didx=file"},
    "pxds key cr": {"create"},
}

BASH = """
source {completions}/pxds.bash
COMP_LINE={line} COMP_POINT={point} COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_pxds
[ ${{#COMPREPLY[@]}} -eq 0 ] || printf '%s\\n' "${{COMPREPLY[@]}}"
"""

# What compadd is given goes into a file; Control-X ends what a line has brought.
ZSH = """
PS1= PS2= fpath=({completions} $fpath)
autoload -Uz compinit && compinit -u -D
compadd() {{
    [[ ${{@[1,(i)(-|--)]}} != *-(O|A|D)* ]] && {{
        local -a hits
        builtin compadd -O hits "$@"
        (($#hits)) && print -rl -- $hits >> {hits}
    }}
    builtin compadd "$@"
}}
ended() {{ print END >> {hits}; BUFFER= }}
zle -N ended
bindkey '^I' list-choices
bindkey '^X' ended
"""


def pieces(line):
    """The words of a line as bash has them, cut at ':' and '=' too."""
    words = re.findall(r"[:=]+|[^\s:=]+", line)
    return words + [""] if line.endswith(" ") else words


def needs(shell):
    return unittest.skipIf(shutil.which(shell) is None, f"no {shell} (Debian: {shell})")


class Completions(TestCase):
    def setUp(self):
        super().setUp()
        store, file = self.path("store"), self.path("file")
        write(file, b"something")
        self.pxds("init", store)
        for time_ in (86400, 2 * 86400):
            self.pxds("backup", store, "host/x", f"a.blob={file}", f"b.didx={file}", "--time", str(time_))
        self.pxds("backup", store, "vm/100", f"a.blob={file}", "--ns", "a/b", "--time", "86400")
        home = self.path("home")
        self.environment = {**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}", "TERM": "vt100", "LC_ALL": "C.UTF-8",
                            "HOME": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home}
        os.mkdir(home)

    def output(self, *command):
        done = subprocess.run(command, cwd=self.dir, env=self.environment, capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout.decode().splitlines()

    def cases(self):
        """Each line and what is offered; then those with PXDS_STORE in the environment."""
        yield from CASES.items()
        self.environment["PXDS_STORE"] = "store"
        yield from WITHOUT_STORE.items()

    @needs("bash")
    def test_bash(self):
        self.output("bash", "-n", f"{COMPLETIONS}/pxds.bash")
        for line, expected in self.cases():
            script = BASH.format(completions=COMPLETIONS, line=shlex.quote(line), point=len(line),
                                 words=" ".join(map(shlex.quote, pieces(line))))
            # The reply takes the place of what is behind the last cut.
            word = line.split(" ")[-1]
            kept = re.match(r"(.*[:=])?", word)[0]
            with self.subTest(line=line):
                self.assertEqual({kept + reply for reply in self.output("bash", "--norc", "-c", script)}, expected)

    @needs("fish")
    def test_fish(self):
        self.output("fish", "--no-execute", f"{COMPLETIONS}/pxds.fish")
        for line, expected in self.cases():
            script = f"source {COMPLETIONS}/pxds.fish; complete -C {shlex.quote(line)}"
            with self.subTest(line=line):
                replies = self.output("fish", "--no-config", "-c", script)
                self.assertEqual({reply.split("\t")[0].rstrip("/") for reply in replies}, expected)

    @needs("zsh")
    def test_zsh(self):
        self.output("zsh", "-f", "-n", f"{COMPLETIONS}/_pxds")
        write(self.path("setup"), ZSH.format(completions=COMPLETIONS, hits=self.path("hits")).encode())
        process, terminal = pty.fork()
        if process == 0:
            os.chdir(self.dir)
            os.execvpe("zsh", ["zsh", "-f", "-i"], self.environment)
        self.addCleanup(os.waitpid, process, 0)
        self.addCleanup(os.close, terminal)
        self.press(terminal, "source ./setup\r\x18", 1)
        for number, (line, expected) in enumerate(self.cases(), 2):
            if "PXDS_STORE" in self.environment:
                os.write(terminal, b"export PXDS_STORE=store\r")
            with self.subTest(line=line):
                found = self.press(terminal, f"{line}\t\x18", number)
                prefix = line.split(" ")[-1].rpartition("=")[0]
                replies = {f"{prefix}={one}" if prefix else one.rstrip("=") for one in found}
                self.assertEqual(replies, expected)

    def press(self, terminal, keys, ends):
        """Types something, and waits until the file of hits has so many ends; gives the hits before the last."""
        os.write(terminal, keys.encode())
        patience = time.monotonic() + 120
        while time.monotonic() < patience:
            if select.select([terminal], [], [], 0.02)[0]:
                os.read(terminal, 65536)  # nobody looks at the screen
            if os.path.exists(self.path("hits")):
                with open(self.path("hits"), encoding="utf-8") as file:
                    parts = file.read().split("END\n")
                if len(parts) > ends:
                    return parts[ends - 1].splitlines()
        return self.fail("zsh does not answer")


if __name__ == "__main__":
    support.main()
