"""Row 1 of the table of targets as one picture: every latency by percentile, echo, reference and Ramjet in one run."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 360, 64, 16, 34, 58
NINES = 5  # the axis of percentiles ends at 99.999
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


def picture_of(report, note):
    """The SVG of a report of `ramjet bench send` or `deliver`. `note` stands below it."""
    targets = [target for target in report["targets"] if target["histogram"]]
    low = math.floor(math.log10(min(target["histogram"][0][0] for target in targets)))
    high = math.ceil(math.log10(max(target["summary"]["max_ns"] for target in targets)))

    def at_ns(ns):
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (math.log10(ns) - low) / max(1, high - low))

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']
    for power in range(low, high + 1):
        y = at_ns(10 ** power)
        parts += [f'<path d="M{LEFT},{y:.1f}H{WIDTH - RIGHT}" stroke="#d5dae1"/>',
                  f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#667085">{duration(10 ** power)}</text>']
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
    parts += [f'<text x="{LEFT}" y="{HEIGHT - 12}" fill="#667085">{escape(note)}</text>', "</svg>"]
    return "\n".join(parts) + "\n"
