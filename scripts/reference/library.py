"""Makes the manual pages of the library, section 3, out of include/pxds.h: one for each task of its first screen."""

import re

from header import Header, ROOT
from mdoc import Page

# A task of the header's first screen, the page of its functions, and what that page is about.
PAGES = {
    "make snapshots": ("pxds_backup", "make snapshots"),
    "read snapshots": ("pxds_snapshot", "read snapshots, and restore what is in them"),
    "list": ("pxds_list", "list namespaces, groups, snapshots and their files"),
    "manage": ("pxds_group", "manage groups, snapshots and namespaces"),
    "prune": ("pxds_prune", "remove old snapshots of a group"),
    "count": ("pxds_stats", "count what snapshots take and share"),
    "verify": ("pxds_verify", "check snapshots and their chunks"),
    "collect garbage": ("pxds_gc", "remove chunks that nothing refers to"),
    "PBS's settings": ("pxds_pbs_config", "read how Proxmox Backup Server uses a store"),
    "by hand": ("pxds_manifest", "read, make and sign manifests"),
    "open a store": ("pxds_store", "make, open, convert and lock a store"),
    "store data": ("pxds_ingest", "store a stream as chunks"),
    "store an image": ("pxds_image", "store the image of a disk, or what has changed of it"),
    "restore": ("pxds_restorer", "restore a file, or a part of it"),
    "read anywhere": ("pxds_reader", "read a stored file anywhere"),
    "other sources": ("pxds_source", "take chunks from elsewhere than a store"),
    "copy chunks": ("pxds_copy", "copy chunks to another store"),
    "indexes": ("pxds_index", "read and write the indexes of files"),
    "keys": ("pxds_key", "make and use keys, key files and fingerprints"),
    "single chunks": ("pxds_chunk", "insert, load and list single chunks"),
    "single blobs": ("pxds_blob", "encode and decode single blobs"),
    "where to cut": ("pxds_chunker", "find where a stream is cut"),
    "names": ("pxds_name", "read, write and check names"),
    "manifests": ("pxds_manifest", "read, make and sign manifests"),
    "headers": ("pxds_header", "read and write headers of blobs and indexes"),
    "errors": ("pxds_error", "what went wrong"),
    "the rest": ("pxds_buffer", "buffers, small files, digests, and the version of the library"),
}
STATUSES = re.compile(r"PXDS_(OK|CUT|NONE|ERR_\w+)$")
WORDS = re.compile(r"\b(?:pxds|PXDS)_\w+")


class Book:
    """Which page has what of the header."""

    def __init__(self, header):
        self.header = header
        self.functions = {}  # of each page, in the order of the tasks
        for task, names in header.tasks:
            if task not in PAGES:
                raise SystemExit(f"scripts/reference/library.py: no page for the task '{task}' of include/pxds.h")
            self.functions.setdefault(PAGES[task][0], []).extend(header.items[name] for name in names)
        self.about = dict(PAGES.values())
        self.types = self.types_of_pages()
        self.constants = {page: self.constants_of(page) for page in self.functions}
        self.others = self.place_other_constants()

    def types_of_pages(self):
        """Structures and callbacks have their home on the first page that uses them, and those that two need in
        pxds(3)."""
        users = {}
        for page, functions in self.functions.items():
            waiting = [word for made in functions for word in WORDS.findall(" ".join([*made.parameters, made.type]))]
            while waiting:
                name = waiting.pop()
                made = self.header.items.get(name)
                if made and made.kind in ("struct", "callback") and page not in users.setdefault(name, []):
                    users[name].append(page)
                    waiting += WORDS.findall(re.sub(r"/\*.*?\*/", "", made.code, flags=re.DOTALL))
        homes = {name: pages[0] if len(pages) == 1 else None for name, pages in users.items()}
        types = {page: [] for page in [*self.functions, None]}
        for name in self.header.items:  # in the header's order
            if name in homes:
                # What is named after a page is there.
                home = homes[name] or next((page for page in users[name] if name.startswith(page + "_")), None)
                types[home].append(self.header.items[name])
        return types

    def constants_of(self, page):
        """Those that the page's functions and types name, by a whole name or a beginning, and those that name them."""
        members = [*self.functions[page], *self.types[page]]
        words = {word for made in members for word in WORDS.findall(made.text())}
        names = {made.name for made in members}
        return [made for made in self.header.of_kind("constant")
                if (STATUSES.match(made.name) and page == "pxds_error")
                or (not STATUSES.match(made.name) and (
                    made.name in words or names & set(WORDS.findall(" ".join(made.doc)))
                    or any(word.endswith("_") and made.name.startswith(word) for word in words)))]

    def place_other_constants(self):
        """Those that no comment names go where others of their set are, or a page has the name of the set. Gives what
        is left."""
        homes, placed = {}, set()
        for page, constants in self.constants.items():
            placed.update(made.name for made in constants)
            for made in constants:
                homes.setdefault(made.name.split("_")[1], page)
        homes |= {page.split("_")[1].upper(): page for page in self.functions}
        others = []
        for made in self.header.of_kind("constant"):
            if made.name not in placed:
                home = homes.get(made.name.split("_")[1])
                (self.constants[home] if home else others).append(made)
        order = list(self.header.items)
        for constants in self.constants.values():
            constants.sort(key=lambda made: order.index(made.name))
        return others


def synopsis(page, functions):
    page.section("LIBRARY")
    page.text("Pxds library (libpxds, `-lpxds`)")
    page.section("SYNOPSIS")
    page.macro("In", "pxds.h")
    for made in functions:
        page.macro("Ft", made.type)
        page.macro("Fo", made.name)
        for parameter in made.parameters:
            page.macro("Fa", parameter)
        page.macro("Fc")


def describe_function(page, made):
    page.lines.append(f".It Fn {made.name}")
    page.paragraphs(made.doc)
    for tag in ("Owns", "Errors"):
        if tag in made.tags:
            page.lines.append(".Pp")
            page.text(f"{tag}: {made.tags[tag]}")
    page.lines.append(".Pp")
    page.text(f"Threads: {made.tags['Threads']} Since: {made.tags['Since']}.")


def describe_types(page, types):
    if not types:
        return
    page.section("TYPES")
    for made in types:
        page.subsection(made.name)
        page.paragraphs(made.doc)
        if made.kind == "callback":
            page.lines.append(".Pp")
            page.lines += [f".Ft {made.type}", f".Fo (*{made.name})"]
            for parameter in made.parameters:
                page.macro("Fa", parameter)
            page.lines.append(".Fc")
            continue
        page.begin_list()
        for declaration, doc in made.fields:
            if doc == ["0."] or declaration == "size_t struct_size":
                continue
            page.lines.append(f'.It Vt "{declaration}"')
            page.paragraphs(doc)
        page.end_list()


def describe_constants(page, constants):
    if not constants:
        return
    page.section("CONSTANTS")
    page.begin_list()
    for made in constants:
        page.lines.append(f".It Dv {made.name}")
        page.paragraphs(made.doc)
    page.end_list()


def noun_page(book, name):
    """The page of a noun: its handles, functions, structures, callbacks and constants."""
    header, functions = book.header, book.functions[name]
    page = Page(name, 3, header.version)
    page.section("NAME")
    names = [name] + [made.name for made in functions if made.name != name]
    page.lines += [f".Nm {one} ," for one in names[:-1]] + [f".Nm {names[-1]}", f".Nd {book.about[name]}"]
    synopsis(page, functions)
    page.section("DESCRIPTION")
    used = {word for made in functions for word in WORDS.findall(" ".join(made.parameters))}
    handles = [made for made in header.of_kind("handle")
               if made.name in used and any(one.name.startswith(made.name + "_") for one in functions)]
    page.text("The conventions of all functions are in pxds(3).")
    for made in handles:
        page.lines.append(".Pp")
        page.paragraphs([f"`{made.name}`: {made.doc[0]}", *made.doc[1:]])
    page.begin_list()
    for made in functions:
        describe_function(page, made)
    page.end_list()
    describe_types(page, book.types[name])
    describe_constants(page, book.constants[name])
    page.references([("pxds", 3)] + [(one, 3) for one in sorted(related(book, name))])
    return page


def related(book, name):
    """The pages whose functions this one's text names."""
    words = {word for made in [*book.functions[name], *book.types[name]] for word in WORDS.findall(made.text())}
    return {page for page, functions in book.functions.items()
            if page != name and words & {made.name for made in functions}}


def readme_program():
    with open(f"{ROOT}/README.md", encoding="utf-8") as file:
        return file.read().split("```c\n")[1].split("```")[0]


def overview(book):
    """pxds(3): the first screen of the header, what several pages need, and the program of README.md."""
    header = book.header
    page = Page("pxds", 3, header.version)
    page.section("NAME")
    page.lines += [".Nm pxds", ".Nd the datastore of Proxmox Backup Server as a C library"]
    page.section("LIBRARY")
    page.text("Pxds library (libpxds, `-lpxds`)")
    page.section("SYNOPSIS")
    page.macro("In", "pxds.h")
    page.lines.append(".Pp")
    page.lines.append(r".Dl cc prog.c $(pkg\-config \-\-cflags \-\-libs pxds)")
    page.section("DESCRIPTION")
    page.text(header.introduction.partition(". ")[2])
    page.subsection("Conventions")
    page.begin_list("Ownership")
    for title, text in header.conventions:
        page.lines.append(f".It {title}")
        page.text(text)
    page.end_list()
    page.subsection("Functions by task")
    page.begin_list()
    for task, names in header.tasks:
        page.lines += [f".It {task}", f".Xr {PAGES[task][0]} 3 :"]
        page.text(", ".join(names))
    page.end_list()
    describe_types(page, book.types[None])
    describe_constants(page, book.others)
    page.section("EXAMPLES")
    page.text("This program makes a snapshot of the file `backup.tar` in the group host/laptop:")
    page.code(readme_program())
    page.references([("pxds", 1)] + [(one, 3) for one in sorted(book.functions)])
    return page


def pages(header):
    """All pages: {file: text}."""
    book = Book(header)
    made = {"pxds.3": str(overview(book))}
    made.update({f"{name}.3": str(noun_page(book, name)) for name in book.functions})
    return made
