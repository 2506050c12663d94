#!/usr/bin/env python3
"""Draws what the benches have measured, and puts it into tables: `make bench-chart`.

usage: bench-chart.py [--svg OUT.svg] [--tables FILE.md] JSON...

JSON is what the section "pipeline" or "scaling" of the bench, or bench-peers.py, has written. The
chart has a part for the peers and one for the pipeline, and leaves out what it is not given. In
FILE.md what stands between "<!-- NAME -->" and "<!-- /NAME -->" is replaced, NAME being peers,
pipeline or scaling.

The background is left free, and every colour can be seen on white and on black.
"""

import argparse
import json
import re
import time
from xml.sax.saxutils import escape

WIDTH, MARGIN, GUTTER = 840, 16, 28
ROW, BAR, HEAD = 20, 13, 30
LABEL = 92  # width of the names before the bars
VALUE = 46  # room for the number behind a bar
FONT = "-apple-system,BlinkMacSystemFont,'Segoe UI','Noto Sans',Helvetica,Arial,sans-serif"
TEXT, OWN, OTHER, LIMIT = "#768390", "#2f81f7", "#8b949e", "#d4762c"
ROLES = {
    "new": "new data",
    "second": "second generation, 2 % changed",
    "duplicate": "all known",
    "restore": "restore",
}


# ---- the chart ----


def text(x, y, string, size=12, anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}">'
            f"{escape(string)}</text>")


def panel(x, y, width, title, bars, scale):
    """A title and bars below it: (name, value, limit or None, colour)."""
    out = [text(x, y + 14, title, 13, weight="600")]
    left = x + LABEL
    length = width - LABEL - VALUE
    for i, (name, value, limit, colour) in enumerate(bars):
        top = y + HEAD - 6 + i * ROW
        middle = top + BAR - 2.5
        end = left + length * value / scale
        out.append(text(left - 8, middle, name, anchor="end"))
        out.append(f'<rect x="{left}" y="{top}" width="{end - left:.1f}" height="{BAR}" rx="2" fill="{colour}"/>')
        if limit:
            at = left + length * limit / scale
            out.append(f'<rect x="{at - 1:.1f}" y="{top - 2}" width="2" height="{BAR + 4}" fill="{LIMIT}"/>')
            end = max(end, at)
        out.append(text(end + 6, middle, f"{value:.0f}"))
    return out


def grid(y, heading, note, panels):
    """Panels in two columns below a heading; gives the elements and the y behind them."""
    out = [text(MARGIN, y + 16, heading, 15, weight="600"), text(MARGIN, y + 34, note)]
    y += 48
    width = (WIDTH - 2 * MARGIN - GUTTER) / 2
    scale = max(max(value, limit or 0) for _, bars in panels for _, value, limit, _ in bars)
    for i, (title, bars) in enumerate(panels):
        column = i % 2
        out += panel(MARGIN + column * (width + GUTTER), y, width, title, bars, scale)
        if column == 1 or i == len(panels) - 1:
            y += HEAD + ROW * max(len(bars) for _, bars in panels[i - column:i + 1]) + 8
    return out, y + 12


def peers_part(y, data):
    panels = [
        (title, [(tool["name"], tool["roles"][role]["mb_s"], None,
                  OWN if tool["name"].startswith("pxds") else OTHER) for tool in data["tools"]])
        for role, title in ROLES.items()
    ]
    return grid(y, "Whole programs, MB/s", where(data), panels)


def shown_cells(data):
    """The cells at the large average with the most threads."""
    threads = max(cell["threads"] for cell in data["cells"])
    avg = max(cell["avg"] for cell in data["cells"])
    return [cell for cell in data["cells"] if (cell["avg"], cell["threads"]) == (avg, threads)]


def pipeline_part(y, data):
    cells = shown_cells(data)
    panels = []
    for role, title in ROLES.items():
        bars = [(cell["data"], cell["best"]["mb_s"], cell["limit_mb_s"], OWN)
                for cell in cells if cell["role"] == role]
        if bars:
            panels.append((title, bars))
    threads, avg = cells[0]["threads"], average(cells[0]["avg"])
    heading = f"The library, average {avg}, {count(threads, 'thread')}, MB/s; the mark is the limit"
    return grid(y, heading, where(data), panels)


def draw(by_kind):
    out, y = [], 8
    for kind, part in (("peers", peers_part), ("pipeline", pipeline_part)):
        if kind in by_kind:
            elements, y = part(y, by_kind[kind])
            out += elements
    if not out:
        raise SystemExit("bench-chart: neither peers nor pipeline to draw")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y:.0f}" '
            f'viewBox="0 0 {WIDTH} {y:.0f}" font-family="{FONT}" fill="{TEXT}">\n'
            + "\n".join(out) + "\n</svg>\n")


# ---- words ----


def count(number, word):
    return f"{number} {word}{'' if number == 1 else 's'}"


def average(size):
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def where(data):
    """The machine, the date and the amount."""
    machine = data["machine"]
    date = time.strftime("%Y-%m-%d", time.gmtime(data["time"]))
    size = f"{data['size'] / 1e6:.0f} MB, " if "size" in data else ""
    # Figures of a machine that had other work to do are not to be mistaken for those of one at rest.
    others = machine.get("busy")
    if others is None:
        busy = "; not known to be at rest"
    else:
        busy = f"; not at rest, {others:.1f} cores busy" if others >= 0.3 else ""
    return (f"{size}best of {count(data['rounds'], 'round')}; {machine['cpu']}, {count(machine['cores'], 'core')}, "
            f"{machine['memory'] / 2**30:.0f} GiB, {machine['filesystem']}; {date}{busy}")


# ---- the tables ----


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def costs(cost, rss):
    return f"{cost['mb_s']:.0f} / {cost['cpu_s_per_gb']:.2f} / {rss / 2**20:.0f}"


def peers_table(data):
    rows = [[f"{tool['name']} ({tool['settings']})"]
            + [costs(tool["roles"][role], tool["roles"][role]["peak_rss"]) for role in ROLES]
            for tool in data["tools"]]
    parts = [where(data) + ".", table(["MB/s / CPU s/GB / MiB", *ROLES.values()], rows)]
    if data["ratios"]:
        own = data["tools"][0]["name"]
        rows = [[name] + [f"{by_role[role]['mb_s']:.1f}" for role in ROLES] for name, by_role in data["ratios"].items()]
        parts += [f"{own} is so many times as fast as", table(["", *ROLES.values()], rows)]
    versions = sorted({tool["version"] for tool in data["tools"]})
    return "\n\n".join([*parts, "Versions: " + "; ".join(versions) + "."])


def pipeline_table(data):
    parts = [where(data) + "."]
    roles = list(dict.fromkeys(cell["role"] for cell in data["cells"]))
    rows = {}
    for cell in data["cells"]:
        name = f"{cell['data']}, {average(cell['avg'])}, {count(cell['threads'], 'thread')}"
        rows.setdefault(name, {})[cell["role"]] = (
            f"{cell['best']['mb_s']:.0f} / {cell['best']['cpu_s_per_gb']:.2f} / {cell['reached']:.2f}")
    parts.append(table(["MB/s / CPU s/GB / part of the limit", *roles],
                       [[name] + [by_role.get(role, "") for role in roles] for name, by_role in rows.items()]))
    stages = [(group, rates) for group in data["stages"] for rates in group["stages"]]
    names = [name for name in stages[0][1] if name != "threads"]
    head = ["stages alone, MB/s"] + [name.replace("_mb_s", "").replace("_us", ", µs").replace("_", " ")
                                     for name in names]
    parts.append(table(head, [[f"{group['data']}, {average(group['avg'])}, {count(rates['threads'], 'thread')}"]
                              + [f"{rates[name]:.{int(name.endswith('_us'))}f}" for name in names]
                              for group, rates in stages]))
    peak = max(cell["peak_rss"] for cell in data["cells"])
    return "\n\n".join([*parts, f"No run took more than {peak / 2**20:.0f} MiB of memory."])


def scaling_table(data):
    streams = [[f"{row['size'] / 1e9:g} GB", f"{row['mb_s']:.0f}", f"{row['cpu_s_per_gb']:.2f}",
                f"{row['peak_rss'] / 2**20:.0f}"] for row in data["streams"]]
    threads = [[f"{cell['role']}, {count(cell['threads'], 'thread')}", f"{cell['best']['mb_s']:.0f}",
                f"{cell['best']['cpu_s_per_gb']:.2f}", f"{cell['peak_rss'] / 2**20:.0f}"] for cell in data["threads"]]
    stores = [[f"{row['chunks']:,} chunks", f"{row['mb_s']:.0f}", f"{row['cpu_s_per_gb']:.2f}"]
              for row in data["stores"]["rows"]]
    return "\n\n".join([
        where(data) + ".",
        table(["stream, a tenth of it new", "MB/s", "CPU s/GB", "MiB"], streams),
        table(["mixed data, 4 MiB", "MB/s", "CPU s/GB", "MiB"], threads),
        table(["duplicates at 64 KiB into a store of", "MB/s", "CPU s/GB"], stores),
    ])


def fill_in(path, by_kind):
    """Replaces the tables in the Markdown file."""
    with open(path, encoding="utf-8") as file:
        document = file.read()
    for kind, make in (("peers", peers_table), ("pipeline", pipeline_table), ("scaling", scaling_table)):
        if kind not in by_kind:
            continue
        body = f"<!-- {kind} -->\n{make(by_kind[kind])}\n<!-- /{kind} -->"
        document, found = re.subn(rf"<!-- {kind} -->.*?<!-- /{kind} -->", lambda _, body=body: body, document,
                                  flags=re.DOTALL)
        if not found:
            raise SystemExit(f"bench-chart: {path} has no place for {kind}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(document)


def main():
    parser = argparse.ArgumentParser(description="Draws what the benches have measured, and puts it into tables.")
    parser.add_argument("--svg", metavar="OUT.svg")
    parser.add_argument("--tables", metavar="FILE.md")
    parser.add_argument("json", nargs="+", metavar="JSON")
    options = parser.parse_args()
    by_kind = {}
    for path in options.json:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        by_kind[data["bench"]] = data
    if options.svg:
        with open(options.svg, "w", encoding="utf-8") as file:
            file.write(draw(by_kind))
    if options.tables:
        fill_in(options.tables, by_kind)


if __name__ == "__main__":
    main()
