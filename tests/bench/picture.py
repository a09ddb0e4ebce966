"""Pictures of a report of `ramjet bench`, as SVG: every latency by percentile, and latency over time by percentile band,
echo, reference and Ramjet in one run."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 360, 64, 16, 34, 58
NINES = 5  # the axis of percentiles ends at 99.999
COLUMNS = 340
PANEL = 190  # the height of one target's part of a picture over time
# place in a slot of a report's series, what it stands for, colour: as in src/bench/page.html
BANDS = ((2, "to p50", "#2f6f4f"), (3, "to p90", "#5aa469"), (4, "to p99", "#e9c46a"), (5, "to p99.9", "#f4a261"),
         (6, "to the maximum", "#d1495b"))
LOOKS = {"echo": ("a bare TCP echo", "#667085"), "reference": ("the Java broker", "#d97706"), "ramjet": ("Ramjet", "#2563eb")}


def duration(ns):
    return f"{ns / 1e6:g} ms" if ns >= 1e6 else f"{ns / 1e3:g} us"


def at_part(part):
    nines = min(NINES, -math.log10(max(1 - part, 10 ** -NINES)))
    return LEFT + (WIDTH - LEFT - RIGHT) * nines / NINES


def curve(target, at_ns):
    """The greatest latency of each bucket, at the part of all that is not above it."""
    total, seen, points = sum(count for _, count in target["histogram"]), 0, []
    for ns, count in target["histogram"]:
        point = at_part(seen / total), at_ns(ns)
        if not points or math.dist(point, points[-1]) >= 1:  # nearer ones cannot be told apart
            points.append(point)
        seen += count
    points.append((at_part(1 - 1 / total), at_ns(target["summary"]["max_ns"])))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def begin(height):
    return [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>']


def end(parts, height, note):
    return "\n".join([*parts, f'<text x="{LEFT}" y="{height - 12}" fill="#667085">{escape(note)}</text>', "</svg>"]) + "\n"


def latency_grid(powers, at_ns):
    for power in powers:
        y = at_ns(10 ** power)
        yield f'<path d="M{LEFT},{y:.1f}H{WIDTH - RIGHT}" stroke="#d5dae1"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#667085">{duration(10 ** power)}</text>'


def panel_over_time(target, top, powers):
    """One target, its rounds behind each other: from the median outwards the greatest that a column's slots of time have."""
    slots = [slot for one in target["rounds"] for slot in one["series"] if slot[1]]
    foot, low, high = top + PANEL - 26, powers[0], powers[-1]
    each = math.ceil(len(slots) / COLUMNS)
    columns = [slots[i:i + each] for i in range(0, len(slots), each)]

    def at_ns(ns):
        return top + (foot - top) * (1 - (math.log10(max(ns, 10 ** low)) - low) / max(1, high - low))

    yield from latency_grid(powers, at_ns)
    step = (WIDTH - LEFT - RIGHT) / len(columns)
    for place, _, colour in reversed(BANDS):  # each covers the lower part of the one before
        steps = "".join(f"V{at_ns(max(slot[place] for slot in column)):.0f}H{LEFT + (i + 1) * step:.0f}" for i, column in enumerate(columns))
        yield f'<path d="M{LEFT},{foot}{steps}V{foot}Z" fill="{colour}"/>'
    name, _ = LOOKS.get(target["name"], (target["name"], ""))
    yield f'<text x="{LEFT}" y="{foot + 16}" fill="#1d2430">{escape(name)}</text>'


def over_time_of(report, note):
    """The SVG of a report of `ramjet bench send`: a panel for each target, all with one axis of latencies."""
    targets = [target for target in report["targets"] if target["histogram"]]
    least = min(slot[2] for target in targets for one in target["rounds"] for slot in one["series"] if slot[1])
    most = max(target["summary"]["max_ns"] for target in targets)
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    height = TOP + PANEL * len(targets) + 26
    parts = begin(height)
    for i, (_, text, colour) in enumerate(BANDS):
        parts += [f'<rect x="{LEFT + 130 * i}" y="12" width="10" height="10" fill="{colour}"/>',
                  f'<text x="{LEFT + 16 + 130 * i}" y="21" fill="#1d2430">{text}</text>']
    for i, target in enumerate(targets):
        parts += panel_over_time(target, TOP + PANEL * i, powers)
    return end(parts, height, note)


def picture_of(report, note):
    """The SVG of a report of `ramjet bench send` or `deliver`. `note` stands below it."""
    targets = [target for target in report["targets"] if target["histogram"]]
    low = math.floor(math.log10(min(target["histogram"][0][0] for target in targets)))
    high = math.ceil(math.log10(max(target["summary"]["max_ns"] for target in targets)))

    def at_ns(ns):
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (math.log10(ns) - low) / max(1, high - low))

    parts = [*begin(HEIGHT), *latency_grid(range(low, high + 1), at_ns)]
    for label in ("0", "90", "99", "99.9", "99.99", "99.999"):
        x = at_part(float(label) / 100)
        anchor = "end" if label == "99.999" else "middle"
        parts += [f'<path d="M{x:.1f},{TOP}V{HEIGHT - BOTTOM}" stroke="#d5dae1"/>',
                  f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="{anchor}" fill="#667085">{label} %</text>']
    for i, target in enumerate(targets):
        name, colour = LOOKS.get(target["name"], (target["name"], "#7c3aed"))
        parts += [f'<polyline points="{curve(target, at_ns)}" fill="none" stroke="{colour}" stroke-width="2"/>',
                  f'<rect x="{LEFT + 180 * i}" y="12" width="10" height="10" fill="{colour}"/>',
                  f'<text x="{LEFT + 16 + 180 * i}" y="21" fill="#1d2430">{escape(name)}</text>']
    return end(parts, HEIGHT, note)
