"""Makes the manual pages of the tool, section 1, out of the tables that its --help is printed from."""

import re

from examples import EXAMPLES
from mdoc import Page, literal

# What a word of an operand stands for; None: what the tables say.
WORDS = [
    ("STORE", "The directory of a store, as `pxds init` makes it, or Proxmox Backup Server."),
    ("SNAPSHOT", None),
    ("GROUP", None),
    ("NAME", "An archive of a snapshot. NAME.didx is a stream, such as a tar archive, cut where its content says; "
             "NAME.fidx the image of a disk, cut into pieces of one size; NAME.blob a small file, kept whole."),
    ("INDEX", "The list of the chunks of one file, NAME.didx or NAME.fidx."),
]


def blocks(text):
    """The paragraphs of a help text: ("text", lines) or ("items", [(term, text)])."""
    for block in text.rstrip("\n").split("\n\n"):
        items, lines = [], []
        for line in block.split("\n"):
            item = re.match(r"(\S+(?: \S+)*) {2,}(\S.*)", line)
            if item:
                items.append(list(item.groups()))
            elif items:
                items[-1][1] += " " + line.strip()
            else:
                lines.append(line)
        if lines:
            yield "text", " ".join(lines)
        if items:
            yield "items", items


def quoted(text):
    """A command in single quotes is code."""
    return re.sub(r"'([^' ]+(?: [^']+)?)'", r"`\1`", text)


def describe(page, text):
    for number, (kind, block) in enumerate(blocks(text)):
        if kind == "text":
            page.lines += [".Pp"] * (number > 0)
            page.text(quoted(block))
            continue
        page.begin_list("Ds")
        for term, meaning in block:
            page.lines.append(rf".It \fB{literal(term)}\fR")
            page.text(quoted(meaning))
        page.end_list()


def option_term(option):
    """\\fB-o\\fR, \\fB--output\\fR \\fIFILE\\fR"""
    term = rf"\fB{literal('--' + option['name'])}\fR"
    if option["letter"]:
        term = rf"\fB{literal('-' + option['letter'])}\fR, {term}"
    if option["value"]:
        style = "B" if option["kind"] == "word" else "I"
        term += rf" \f{style}{literal(option['value'])}\fR"
    return term


def describe_exits(page, exits):
    page.section("EXIT STATUS")
    page.begin_list("Ds")
    for exit_ in exits:
        page.lines.append(f".It {exit_['status']}")
        page.text(exit_["help"][0].upper() + exit_["help"][1:] + ".")
    page.end_list()


def show_examples(page, name):
    if name not in EXAMPLES:
        return
    page.section("EXAMPLES")
    for text, code in EXAMPLES[name]:
        page.lines += [".Pp"] * (page.lines[-1] == ".Ed")
        page.text(text)
        page.code(code)


def command_page(table, command, version):
    name = f"pxds-{command['name']}"
    page = Page(name, 1, version)
    page.section("NAME")
    if command["alias"]:
        page.lines += [f".Nm {name} ,", f".Nm pxds-{command['alias']}"]
    else:
        page.lines.append(f".Nm {name}")
    page.lines.append(f".Nd {command['summary']}")
    page.section("SYNOPSIS")
    for form in command["operands"].split(" | "):
        page.lines.append(f".Nm pxds {command['name']}")
        page.lines.append(literal(form) + r"\&")  # "FILE..." ends no sentence
        if command["options"]:
            page.lines.append(".Op Ar options")
    page.section("DESCRIPTION")
    describe(page, command["help"])
    for word in ("SNAPSHOT", "GROUP"):
        if word in command["operands"]:
            page.lines.append(".Pp")
            describe(page, table[word])
    if command["alias"]:
        page.lines.append(".Pp")
        page.text(f"`pxds {command['alias']}` is short for `pxds {command['name']}`.")
    page.section("OPTIONS")
    page.begin_list()
    for option in table["options"]:
        if option["name"] in command["options"]:
            page.lines.append(f".It {option_term(option)}")
            page.text(quoted(sentence(option["help"])))
    page.lines.append(r".It \fB\-h\fR, \fB\-\-help\fR")
    page.text("Shows this in short.")
    page.end_list()
    describe_exits(page, [exit_ for exit_ in table["exits"] if exit_["status"] in command["exits"]])
    show_examples(page, command["name"])
    page.references([("pxds", 1)])
    return page


def sentence(text):
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def overview(table, version):
    page = Page("pxds", 1, version)
    page.section("NAME")
    page.lines += [".Nm pxds", ".Nd backups in the datastore of Proxmox Backup Server"]
    page.section("SYNOPSIS")
    page.lines += [".Nm", ".Ar command", ".Op Ar operands", ".Op Ar options",
                   ".Nm", r".Ar command \fB\-\-help\fR", ".Nm", r"\fB\-V\fR | \fB\-\-version\fR"]
    page.section("DESCRIPTION")
    page.text("Keeps backups in a directory, the store, in the formats of Proxmox Backup Server (PBS). Files are cut "
              "into chunks, and each chunk is stored once. It works on the files of a store: it is no client of a "
              "server.")
    page.lines.append(".Pp")
    page.text("In the operands of a command:")
    page.begin_list("SNAPSHOT")
    for word, meaning in WORDS:
        page.lines.append(f".It {word}")
        page.text(meaning or quoted(" ".join(table[word].split())))
    page.end_list()
    page.section("COMMANDS")
    page.begin_list("Ds")
    for command in table["commands"]:
        page.lines.append(f".It Xr pxds-{command['name']} 1")
        page.text(sentence(command["summary"]))
    page.end_list()
    page.lines.append(".Pp")
    describe(page, table["telling_help"])
    page.section("ENVIRONMENT")
    page.begin_list("Ds")
    for variable in table["variables"]:
        page.lines.append(rf".It Ev {variable['name']}")
        page.text(quoted(sentence(variable["help"])))
    page.end_list()
    page.lines.append(".Pp")
    describe(page, table["variable_help"])
    describe_exits(page, table["exits"])
    show_examples(page, "pxds")
    page.references([(f"pxds-{command['name']}", 1) for command in
                     sorted(table["commands"], key=lambda command: command["name"])] + [("pxds", 3)])
    return page


def pages(table, version):
    """All pages: {file: text}."""
    made = {"pxds.1": str(overview(table, version))}
    made.update({f"pxds-{command['name']}.1": str(command_page(table, command, version))
                 for command in table["commands"]})
    # The other name of a command has the same page.
    made.update({f"pxds-{command['alias']}.1": made[f"pxds-{command['name']}.1"]
                 for command in table["commands"] if command["alias"]})
    return made
