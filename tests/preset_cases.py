"""A small sweep, and ways to spoil it."""

import json

GOOD = """\
title = "a sweep"
measurement = "dense-retrieval"
samples = 2
seed = 1

[constants]
n_spins = 60
n_sweeps = 3
n_burn_in = 0

[axes]
temperature = [0.1, 0.2]
alpha = { start = 0.05, stop = 0.1, count = 2 }

[quick]
samples = 1
constants = { n_spins = 50 }
axes = { alpha = [0.05] }

[figure]
kind = "curves"
x = "alpha"
series = "temperature"
observable = "m"
"""

# What none of the values may ever do: make a file, read another, see the environment.
INERT = (
    "$HOME",
    "${HOME}",
    "~root",
    "%PATH%",
    "{0.__class__}",
    "{{ 7 * 7 }}",
    "!!python/object/apply:os.system ['touch canary']",
    "!include ../x.toml",
    "@include ../x.toml",
    "file:///etc/passwd",
    "`touch canary`",
    "$(touch canary)",
    "__import__('os').system('touch canary')",
    "=cmd|'/c calc'!A1",
)


def changed(old, new, text=GOOD):
    """`text` with the one line `old` replaced."""
    assert text.count(f"{old}\n") == 1
    return text.replace(f"{old}\n", f"{new}\n")


def line_of(word, text):
    """Number of the first line that contains `word`."""
    return text[: text.index(word)].count("\n") + 1


def quoted(text):
    """A TOML string; JSON's escapes are TOML's."""
    return json.dumps(text)


# Of which mutants are made.
PIECES = (
    *INERT,
    *("nan", "inf", "-inf", "1e308", "5e-324", "-1", "0", "9" * 40, "0x7f", "1e400"),
    *(
        "true",
        "[]",
        "{}",
        "[[]]",
        "{ start = 1 }",
        '""',
        "''",
        "1979-05-27",
        "12:00:00",
    ),
    *("[axes]", "[constants]", "[quick]", "[quick.axes]", "[figure]", "[[axes]]"),
    *("seed", "sample", "samples", "alpha", "order = 20", "n_spins = 1", "count = 1"),
    *("=", ".", ",", "[", "]", "{", "}", '"', "'", '"""', "'''", "#", "\n", "\r", "\0"),
    *("\\", "\\u0000", "\\ud800", "\u2028", "\ufeff", "\U0001f600", "é"),
)


def mutant(text, random_):
    """A few cuts, copies, swaps and foreign pieces."""
    for _ in range(random_.randint(1, 4)):
        i, j = sorted(random_.randrange(len(text) + 1) for _ in range(2))
        j = min(j, i + random_.choice((0, 1, 1, 3, 20, 200)))
        kind = random_.randrange(5)
        if kind == 0:
            text = text[:i] + text[j:]
        elif kind == 1:
            text = text[:i] + random_.choice(PIECES) + text[j:]
        elif kind == 2:
            text = text[:j] + text[i:j] + text[j:]
        elif kind == 3:
            at = random_.randrange(len(text) + 1)
            text = text[:at] + text[i:j] + text[at:]
        else:
            lines = text.split("\n")
            line = random_.randrange(len(lines))
            key = lines[line].split("=")[0]
            lines[line] = f"{key}= {random_.choice(PIECES)}"
            text = "\n".join(lines)
    return text
