"""Makes the completions of bash, zsh and fish out of the tables that the tool's --help is printed from.

Each operand has a kind: store (a directory), snapshot, group, either (of both), archive (of the snapshot before it),
source (NAME=FILE), namespace, file, or the words that it may be. The tool itself says which snapshots and archives
there are.
"""

import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))

KINDS = {
    "STORE": "store", "STORE2": "store", "SNAPSHOT": "snapshot", "GROUP": "group", "TYPE/ID": "group",
    "SNAPSHOT|GROUP": "either", "NAME": "archive", "NAME=FILE": "source", "NS": "namespace",
}
# Values of options that are files; those of a word have their words, and of others nothing is known.
FILES = {"FILE", "STORE", "STORE2"}


def kind(operand, commands):
    """The kind of an operand as the table writes it, [SNAPSHOT] or FILE... or hex2|hex4."""
    word = operand.strip("[]").removesuffix("...").strip("[]")
    if word in KINDS:
        return KINDS[word]
    if word == "COMMAND":
        return " ".join(commands)
    return word.replace("|", " ") if re.fullmatch(r"[a-z0-9|-]+", word) else "file"


def operands(table, command):
    """The kinds of a command's operands, in order; the last one counts for all that follow if there may be more. Forms
    of a command differ in their first word alone, or count for the longest."""
    forms = [form.split() for form in command["operands"].split(" | ")]
    commands = [each["name"] for each in table["commands"]]
    kinds = [kind(word, commands) for word in max(forms, key=len)]
    if command["actions"]:
        kinds[0] = " ".join(command["actions"])
    return kinds


def value_of(option):
    """What completes the value of an option: "word1 word2", "file" or "" for a value that nobody knows; None: none."""
    if option["kind"] == "flag":
        return None
    return " ".join(option["words"]) or ("file" if option["value"] in FILES else "")


def names_of(command):
    """Its name, and its other one."""
    return [command["name"]] + ([command["alias"]] if command["alias"] else [])


def options_of(table, command):
    return [option for option in table["options"] if option["name"] in command["options"]]


def fill(shell, **places):
    """The text of pxds.SHELL.in, with @PLACE@ filled."""
    with open(f"{HERE}/pxds.{shell}.in", encoding="utf-8") as file:
        text = file.read()
    for place, filling in places.items():
        text = text.replace(f"@{place}@", filling)
    return text


# ---- bash ----


def bash_quoted(words):
    return "'" + " ".join(words) + "'"


def bash_quoted_word(word):
    return f"'{word}'" if " " in word else word


def bash(table):
    commands, values = [], []
    for command in table["commands"]:
        names = [f"--{option['name']}" for option in options_of(table, command)]
        kinds = map(bash_quoted_word, operands(table, command))
        commands.append(f"    {' | '.join(names_of(command))})\n"
                        f"        options={bash_quoted(names)}\n"
                        f"        kinds=({' '.join(kinds)})\n"
                        f"        ;;")
    for option in table["options"]:
        value = value_of(option)
        if value is not None:
            forms = f"--{option['name']}" + (f" | -{option['letter']}" if option["letter"] else "")
            values.append(f"    {forms}) value='{value}' ;;")
    return fill("bash", COMMANDS="\n".join(commands), VALUES="\n".join(values),
                NAMES=" ".join(command["name"] for command in table["commands"]))


# ---- zsh ----

def zsh_text(text):
    """Within a specification in single quotes."""
    return re.sub(r"([\[\]:\\])", r"\\\1", text).replace("'", r"'\''")


def zsh_option(option):
    value = value_of(option)
    tail = f"[{zsh_text(option['help'])}]"
    if value is not None:
        action = {"": " ", "file": "_files"}.get(value, f"({value})")
        tail += f":{zsh_text(option['value'])}:{action}"
    name = f"--{option['name']}" + ("=" if value is not None else "")
    if option["letter"]:
        letter = f"-{option['letter']}"
        return f"'({letter} --{option['name']})'{{{letter}+,{name}}}'{tail}'"
    return f"'{name}{tail}'"


def valued_forms(table):
    """The options that take a value, as they are written."""
    forms = []
    for option in table["options"]:
        if value_of(option) is not None:
            forms += [f"--{option['name']}"] + ([f"-{option['letter']}"] if option["letter"] else [])
    return forms


def zsh(table):
    names = [f"        '{command['name']}:{zsh_text(command['summary'])}'" for command in table["commands"]]
    commands = []
    for command in table["commands"]:
        options = [zsh_option(option) for option in options_of(table, command)]
        options.append("'(- *)'{-h,--help}'[show the options]'")
        kinds = operands(table, command)
        if command["max"] < 0:
            kinds[-1] += "+"
        lines = "".join(f"                {option}\n" for option in options)
        commands.append(f"        {'|'.join(names_of(command))})\n            options=(\n{lines}            )\n"
                        f"            kinds=({' '.join(map(bash_quoted_word, kinds))})\n            ;;")
    return fill("zsh", NAMES="\n".join(names), COMMANDS="\n".join(commands), VALUED="|".join(valued_forms(table)))


# ---- fish ----

FISH_ACTIONS = {
    "store": "(__fish_complete_directories)", "file": "(__fish_complete_path)", "source": "(__pxds_sources)",
    "snapshot": "(__pxds_snapshots {store})", "group": "(__pxds_groups {store})", "either": "(__pxds_either {store})",
    "archive": "(__pxds_archives {store})", "namespace": "(__pxds_namespaces {store})",
}


def fish_text(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish_command(table, command):
    name = command["name"]
    lines = ["", f"complete -c pxds -n __fish_use_subcommand -a {name} -d {fish_text(command['summary'])}"]
    names = names_of(command)
    seen = f"-n '__fish_seen_subcommand_from {' '.join(names)}'"
    for option in [*options_of(table, command), {"name": "help", "letter": "h", "kind": "flag",
                                                 "help": "show the options"}]:
        value = value_of(option)
        line = f"complete -c pxds {seen}" + (f" -s {option['letter']}" if option["letter"] else "")
        line += f" -l {option['name']} -d {fish_text(option['help'])}"
        if value is not None:
            line += {"": " -x", "file": " -r -F"}.get(value, f" -x -a {fish_text(value)}")
        lines.append(line)
    store = 4 if command["actions"] else 3
    kinds = operands(table, command)
    for number, one in enumerate(kinds):
        more = " +" if command["max"] < 0 and number + 1 == len(kinds) else ""
        action = FISH_ACTIONS.get(one, one).format(store=store)
        lines.append(f"complete -c pxds -n '__pxds_next {','.join(names)} {number + 1}{more}' -a {fish_text(action)}")
    return lines


def fish(table):
    places = []
    for place in (3, 4):
        names = [name for command in table["commands"] for name in names_of(command)
                 if "store" in operands(table, command) and place == (4 if command["actions"] else 3)]
        places.append(f"        case {' '.join(names)}\n            echo {place}")
    lines = [line for command in table["commands"] for line in fish_command(table, command)]
    return fill("fish", PLACES="\n".join(places), VALUED=" ".join(valued_forms(table)), COMMANDS="\n".join(lines[1:]))


def files(table):
    """All completions: {file: text}."""
    return {"pxds.bash": bash(table), "_pxds": zsh(table), "pxds.fish": fish(table)}
