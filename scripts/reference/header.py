"""Reads include/pxds.h: its first screen, and what it declares, each with its comment."""

import os
import re
from dataclasses import dataclass, field

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

DECLARATION = re.compile(
    r"/\*\*(?P<doc>(?:(?!\*/).)*)\*/\s*(?:"
    r"#define (?P<constant>\w+) (?P<value>.*?)\n"
    r"|typedef struct (?P<handle>\w+) (?P=handle);"
    r"|typedef struct (?:\w+ )?\{\n(?P<body>.*?)\n\} (?P<struct>\w+);"
    r"|typedef (?P<result>\w+) \(\*(?P<callback>\w+)\)\((?P<given>.*?)\);"
    r"|typedef (?P<number>\w+) (?P<alias>\w+);"
    r"|(?P<type>[\w ]+?[ *]+)(?P<function>\w+)\((?P<parameters>.*?)\);)",
    re.DOTALL,
)
FIELD = re.compile(r"/\*\*(?P<doc>.*?)\*/\s*(?P<declaration>[^;]*);", re.DOTALL)
# What the last paragraphs of a comment begin with.
TAGS = ("Owns", "Errors", "Threads", "Since")


@dataclass
class Item:
    """A declaration: its name, its C text, the paragraphs of its comment, and the tagged ones by their tags."""

    kind: str  # constant, handle, struct, callback, alias, function
    name: str
    code: str
    doc: list
    tags: dict = field(default_factory=dict)
    type: str = ""  # of a function or callback: what it returns
    parameters: list = field(default_factory=list)
    fields: list = field(default_factory=list)  # of a structure: (declaration, paragraphs)

    def text(self):
        """All that is said and written of it."""
        documents = [*self.doc, *self.tags.values()] + [text for _, doc in self.fields for text in doc]
        return " ".join([self.code, *documents])


def paragraphs(comment):
    """The paragraphs of a comment, each in one line; an item of a list is one of its own and begins with '- '."""
    lines = [re.sub(r"^\s*\* ?", "", line).rstrip() for line in comment.strip().splitlines()]
    found, open_ = [], False
    for line in lines:
        starts = not open_ or line.startswith("- ") or re.match(rf"({'|'.join(TAGS)}):", line)
        if not line:
            open_ = False
        elif starts:
            found.append(line)
            open_ = True
        else:
            found[-1] += " " + line.strip()
    return found


def split_tags(doc):
    tags = {}
    for text in doc:
        tag, colon, rest = text.partition(": ")
        if colon and tag in TAGS:
            tags[tag] = rest
    return [text for text in doc if text.partition(": ")[0] not in TAGS], tags


def one_line(code):
    return re.sub(r"\s+", " ", code).strip()


def parameters(text):
    return [one_line(part) for part in text.split(",")]


def item(match):
    found = match.groupdict()
    doc, tags = split_tags(paragraphs(found["doc"]))
    code = match.group(0).partition("*/")[2].strip()
    for kind in ("constant", "handle", "struct", "callback", "alias", "function"):
        if found[kind]:
            break
    made = Item(kind, found[kind], code, doc, tags)
    if kind == "struct":
        made.fields = [(one_line(part["declaration"]), paragraphs(part["doc"]))
                       for part in FIELD.finditer(found["body"])]
    elif kind == "callback":
        made.type, made.parameters = found["result"], parameters(found["given"])
    elif kind == "function":
        made.type, made.parameters = found["type"].strip(), parameters(found["parameters"])
    return made


class Header:
    """What the header declares, in its order; its conventions and tasks as [(title, text)], tasks as functions."""

    def __init__(self, path=os.path.join(ROOT, "include", "pxds.h")):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        screen, rest = text.split(" */\n", 1)
        self.items = {made.name: made for made in map(item, DECLARATION.finditer(rest))}
        self.version = ".".join(re.search(rf"PXDS_VERSION_{part} (\d+)", rest)[1]
                                for part in ("MAJOR", "MINOR", "PATCH"))
        lines = [re.sub(r"^/?\s?\*? ?", "", line) for line in screen.splitlines()]
        conventions, tasks = lines.index("CONVENTIONS"), next(
            i for i, line in enumerate(lines) if line.startswith("FUNCTIONS BY TASK"))
        self.introduction = one_line(" ".join(line for line in lines[:conventions] if "do not edit" not in line))
        self.conventions = sections(lines[conventions + 1:tasks])
        self.tasks = [(title, functions(text)) for title, text in sections(lines[tasks + 1:])]

    def of_kind(self, kind):
        return [made for made in self.items.values() if made.kind == kind]


def sections(lines):
    """Of lines 'Title  text', whose text goes on in lines that are indented: [(title, text)]."""
    found = []
    for line in lines:
        if not line:
            continue
        if line[0] != " ":
            # "Status.    A function": two blanks, or a full stop and a blank, end a title.
            title, text = re.match(r"(.+?)(?:\.\s+|\s{2,}| (?=pxds_))(.*)", line).groups()
            found.append((title, text))
        else:
            found[-1] = (found[-1][0], found[-1][1] + " " + line.strip())
    return found


def functions(text):
    """The names in the text of a task: x_{a,b} is x_a and x_b."""
    names = []
    for before, braces, after in re.findall(r"(pxds_\w*)(?:\{([\w,]+)\})?(\w*)", text):
        names += [before + one + after for one in braces.split(",")] if braces else [before]
    # pxds_{a,b}_list_{c,d} has two pairs.
    for before, first, middle, second in re.findall(r"(pxds_)\{([\w,]+)\}(\w+)\{([\w,]+)\}", text):
        names = [name for name in names if not name.endswith(middle)]
        names += [before + one + middle + two for one in first.split(",") for two in second.split(",")]
    return names
