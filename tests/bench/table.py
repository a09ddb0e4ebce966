"""The table of targets: lines of what, floor, reference, Ramjet, ratios, target, met or not."""


def duration(ns):
    if ns >= 1e9:
        return f"{ns / 1e9:.3g} s"
    return f"{ns / 1e3:,.1f} us" if ns < 1e6 else f"{ns / 1e6:,.2f} ms"


def count(value):
    return f"{value:,.0f}"


def megabytes(value):
    return f"{value / 1e6:,.0f} MB"


def mebibytes(value):
    return f"{value / 2 ** 20:,.1f} MiB"


def percent(part):
    return f"{100 * part:.4f} %"


def plain(value):
    return f"{value:,.2f}"


class Check:
    """A bound on one figure of a line; `met` is None when what it is compared with was not measured."""

    def __init__(self, text, value, bound, at_least=False):
        self.text = text
        self.met = None if value is None or bound is None else value >= bound if at_least else value <= bound


def at_most(text, value, bound):
    return Check(text, value, bound)


def at_least(text, value, bound):
    return Check(text, value, bound, at_least=True)


def times(factor, value):
    """Of a figure that may be missing."""
    return None if value is None else factor * value


class Table:
    HEAD = ("", "floor", "reference", "ramjet", "/ floor", "/ ref.", "target", "")
    FORM = "{:<42} {:>12} {:>12} {:>12} {:>8} {:>8}  {:<30} {}"

    def __init__(self):
        self.rows = []

    def add(self, number, what, form, ramjet, floor=None, reference=None, checks=()):
        ratio = lambda of: "-" if not of else f"{ramjet / of:.3g}x"
        judged = [check.met for check in checks]
        self.rows.append({
            "number": number, "what": f"{number} {what}", "ramjet": ramjet, "floor": floor, "reference": reference,
            "text": [form(x) if x is not None else "-" for x in (floor, reference, ramjet)],
            "ratios": [ratio(floor), ratio(reference)],
            "target": ", ".join(check.text for check in checks),
            "met": False if False in judged else None if None in judged or not judged else True,
            "checks": [{"target": check.text, "met": check.met} for check in checks]})

    def add_failure(self, number, title, why):
        self.rows.append({"number": number, "what": f"{number} {title}", "ramjet": None, "floor": None,
                          "reference": None, "text": ["-", "-", "-"], "ratios": ["-", "-"],
                          "target": why, "met": None, "checks": []})

    @staticmethod
    def judgement(row):
        judged = [check["met"] for check in row["checks"]]
        if not judged:
            return ""
        if None in judged and False not in judged:
            return "met in part" if True in judged else "not compared"
        return "NOT MET" if False in judged else "met"

    def print(self, rows=None):
        print(self.FORM.format(*self.HEAD).rstrip())
        for row in self.rows if rows is None else rows:
            print(self.FORM.format(row["what"], *row["text"], *row["ratios"], row["target"],
                                   self.judgement(row)).rstrip())
        print(flush=True)
