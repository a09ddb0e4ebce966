"""Random SQL92 expressions with properties: mostly sound ones, some that break a type rule, some broken in
their letters, some made of words in any order. The same seed gives the same cases."""

import random
import struct

NAMES = ["a", "b", "c", "d", "Price", "_x$1", "A", "missing", "in_stock", "notes"]
VALUES = ["", "0", "1", "5", "-5", "+5", "007", "5.0", "5.5", ".5", "5.", "1e2", "1E-2", "-0", "-0.0", "2147483647",
          "2147483648", "-2147483648", "-2147483649", "3000000000", "9223372036854775807",
          "9223372036854775808", "-9223372036854775808", "1e400", "-1e400", "4.9e-324", "1e-400", "NaN",
          "-NaN", "Infinity", "-Infinity", "nan", "inf", "0x10", "0x1p3", "0x.8p1", "0x1p", "5d", "5f",
          "5L", " 5", "5 ", "\t5.5\n", "1_000", "true", "TRUE", "True", "false", "tru", "abc", "ab", "b",
          "it's", "grün", "\u0665", "\uff15", "5\u0665", "\u0665.5", "日本", "x" * 40, "TRUE ", "1,5", "--5", "+-5", "e5",
          "0.1", "0.10000000000000000555", "100000000000000000000000", "9007199254740993",
          "9007199254740992.0", "1.7976931348623157e308", "1.7976931348623159e308", "2.4703282292062328e-324",
          "0." + "0" * 30 + "1", "1" * 400]
STRINGS = ["", "a", "b", "ab", "abc", "5", "5.5", "it's", "grün", "日本", "x", "TRUE", "true", "--", "/*", "''", "0"]
WHOLES = ["0", "1", "5", "5L", "5l", "007", "0L", "100", "2147483647", "2147483648", "3000000000",
          "9223372036854775807", "9223372036854775807L", "9223372036854775808", "99999999999999999999", "0x10",
          "9007199254740993", "1234567890123456789"]
REALS = ["5.0", "5.", ".5", "5e0", "5.5E+1", "1e-2", "0.1", "0.0", "1e400", "1e-400", "4.9E-324",
         "1.7976931348623157E308", "1.7976931348623159E308", "2e-324", "3e-324", "9007199254740993.0", "00.5", "08.5",
         "1e", "1.e", "1..2", "5.5f", "5.5d"]
WORDS = ["NOT", "AND", "OR", "BETWEEN", "IN", "TRUE", "FALSE", "NULL", "IS", "CONTAINS", "STARTSWITH",
         "ENDSWITH", "LIKE", "ESCAPE"]
MARKS = ["=", "<>", ">", ">=", "<", "<=", "(", ",", ")", "+", "-", "!=", "==", "*", "/", "%", "'", '"', ".", "#", "--",
         "/*", "*/", "\n", "ä", "\u0000", "\u2003"]
BLANKS = [" ", " ", " ", " ", "  ", "\t", "\n", "\r\n", "\f", " /* x */ ", "/**/", "/***/", " -- y\n", " --\r", "--\r\n",
          "/* ' */", "/*/*/"]


class Cases:
    """An endless source of (expression, {name: value})."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def __iter__(self):
        while True:
            yield self.case()

    def case(self):
        r = self.random
        properties = {name: r.choice(VALUES) for name in r.sample(NAMES, r.randrange(3, 10)) if name != "missing"}
        kind = r.random()
        if kind < 0.06:
            return self.soup(), properties
        text = self.join(self.truth(r.randrange(4)))
        if kind < 0.14:
            text = self.broken(text)
        elif kind < 0.2:
            text += r.choice(BLANKS) + self.soup()
        return text, properties

    def soup(self):
        r = self.random
        pool = [NAMES, WORDS, WORDS, MARKS, WHOLES, REALS, ["'a'", "'b''c'", "''"]]
        return self.join([r.choice(r.choice(pool)) for _ in range(r.randrange(9))])

    def broken(self, text):
        """One to three letters lost, doubled, swapped or strange."""
        r = self.random
        for _ in range(r.randrange(1, 4)):
            if not text:
                break
            at = r.randrange(len(text))
            how = r.randrange(4)
            piece = ("", text[at] * 2, r.choice(MARKS), r.choice("abe.'5(L)"))[how]
            text = text[:at] + piece + text[at + 1:]
        return text

    def join(self, words):
        """Words with blanks between, or without where they need none and sometimes where they do."""
        r = self.random
        text = r.choice(("", "", "", " ", "\n"))
        for word in words:
            if text and (text[-1].isalnum() or text[-1] in "_$'") and (word[:1].isalnum() or word[:1] in "_$'."):
                text += r.choice(BLANKS) if r.random() < 0.99 else ""
            elif r.random() < 0.6:
                text += r.choice(BLANKS)
            text += self.cased(word)
        return text

    def cased(self, word):
        if word in WORDS and self.random.random() < 0.3:
            return "".join(self.random.choice((c.lower(), c)) for c in word)
        return word

    # ---- expressions, as lists of words

    def truth(self, depth):
        """Something that is a truth value, or nearly always is."""
        r = self.random
        if depth <= 0 or r.random() < 0.15:
            return self.simple()
        kind = r.randrange(10)
        if kind < 3:
            return self.chain("AND", depth)
        if kind < 6:
            return self.chain("OR", depth)
        if kind == 6:
            return ["NOT"] + self.wrapped(self.truth(depth - 1))
        if kind == 7:
            return self.wrapped(self.truth(depth - 1)) + [r.choice(("=", "<>"))] + self.wrapped(self.truth(depth - 1))
        if kind == 8:
            return self.wrapped(self.truth(depth - 1)) + ["IS"] + r.choice((["NULL"], ["NOT", "NULL"]))
        return self.wrapped(self.truth(depth - 1))

    def chain(self, word, depth):
        words = self.maybe_wrapped(self.truth(depth - 1))
        for _ in range(self.random.randrange(1, 4)):
            words += [word] + self.maybe_wrapped(self.truth(depth - 1))
        return words

    def wrapped(self, words):
        return ["("] + words + [")"]

    def maybe_wrapped(self, words):
        return self.wrapped(words) if self.random.random() < 0.5 else words

    def simple(self):
        r = self.random
        kind = r.randrange(16)
        if kind < 5:
            return self.operand() + [r.choice((">", ">=", "<", "<="))] + self.operand()
        if kind < 8:
            right = r.choice(([self.string()], ["TRUE"], self.operand(), self.operand()))
            return self.operand() + [r.choice(("=", "<>"))] + right
        if kind < 10:
            return self.operand() + self.optional_not() + ["BETWEEN"] + self.operand() + ["AND"] + self.operand()
        if kind == 10:
            return self.name() + self.optional_not() + ["IN", "("] + self.list() + [")"]
        if kind < 13:
            search = r.choice(("CONTAINS", "STARTSWITH", "ENDSWITH"))
            return self.operand() + self.optional_not() + [search, self.string()]
        if kind == 13:
            return self.operand() + ["IS"] + self.optional_not() + ["NULL"]
        if kind == 14:
            return [r.choice(("TRUE", "FALSE", "NULL"))]
        return self.name() if r.random() < 0.9 else self.operand()

    def optional_not(self):
        return ["NOT"] if self.random.random() < 0.4 else []

    def list(self):
        words = [self.string()]
        for _ in range(self.random.choice((0, 1, 2, 3, 6))):
            words += [",", self.string()]
        return words

    def name(self):
        return [self.random.choice(NAMES)]

    def string(self):
        return "'%s'" % self.random.choice(STRINGS).replace("'", "''")

    def number(self):
        """Mostly one that any comparison may have."""
        r = self.random
        if r.random() < 0.8:
            return r.choice(("1", "5", "0", "5.5", "0.1", "100", "3000000000", "9007199254740993", "5e0"))
        return r.choice(r.choice((WHOLES, REALS)))

    def operand(self):
        """Mostly a property or a number; anything else breaks a rule in most places."""
        r = self.random
        kind = r.randrange(60)
        if kind < 36:
            return self.name()
        if kind < 50:
            return [self.number()]
        if kind < 53:
            return [r.choice(("-", "+"))] + self.operand()
        if kind < 56:
            return self.wrapped(self.operand())
        if kind == 56:
            return [self.string()]
        if kind == 57:
            return [r.choice(("TRUE", "FALSE", "NULL"))]
        return ["-"] + self.wrapped(self.simple())


def _text(text):
    data = text.encode()
    return struct.pack(">i", len(data)) + data


def encode(case):
    """A case as both programs read it."""
    text, properties = case
    return b"".join([_text(text), struct.pack(">i", len(properties)),
                     *(_text(part) for pair in properties.items() for part in pair)])
