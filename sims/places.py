"""Where in a TOML text each key is set, for errors that name a line.

`tomllib` says what a file holds, not where. This reads only what separates keys from
values (strings, comments, brackets); it relies on `tomllib` having accepted the text.
"""

from __future__ import annotations

import re
import tomllib

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[A-Za-z0-9_-]+"
    r"|[^\S\n]+"
    r"|.",
    re.DOTALL,
)

_DEEPEST = 8  # of what is looked for; a hostile file may go further


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """{path of a key or table: the line that sets it first}.

    >>> key_lines('[a]\\nb = { c = 1 }')
    {('a',): 1, ('a', 'b'): 2, ('a', 'b', 'c'): 2}
    """
    return _Scan(text.replace("\r\n", "\n")).lines


class _Scan:
    """One walk over the tokens of a text."""

    def __init__(self, text: str) -> None:
        self.lines: dict[tuple[str, ...], int] = {}
        self._table: tuple[str, ...] = ()  # of the last header
        self._open: list[tuple[str, tuple[str, ...]]] = []  # brackets around
        self._parts: tuple[str, ...] = ()  # of the key under way
        self._full: tuple[str, ...] = ()
        self._reads = "key"  # key, header or value
        line = 1
        for token in _TOKEN.findall(text):
            if not (token.isspace() and token != "\n") and token[0] != "#":
                self._take(token, line)
            line += token.count("\n")

    def _take(self, token: str, line: int) -> None:
        if self._reads == "value":
            self._in_value(token)
        elif token == "[" and not self._parts:
            self._reads = "header"
        elif token == "]" and self._reads == "header" and self._parts:
            self._table = self._parts[:_DEEPEST]
            self._note((), line)
            self._reads = "value"  # nothing but the second ] and the end of the line
        elif token == "=":
            base = self._open[-1][1] if self._open else self._table
            self._full = (*base, *self._parts)[:_DEEPEST]
            self._note(base, line)
            self._reads = "value"
        elif token == "}":
            self._full = self._open.pop()[1]
            self._reads = "value"
        elif token not in ("[", ".", "\n", ","):
            self._parts = (*self._parts, _unquoted(token))

    def _note(self, base: tuple[str, ...], line: int) -> None:
        path = (*base, *self._parts)[:_DEEPEST]
        for end in range(len(base) + 1, len(path) + 1):
            self.lines.setdefault(path[:end], line)
        self._parts = ()

    def _in_value(self, token: str) -> None:
        if token in ("{", "["):
            # What ends a value in there: nothing does in an array.
            self._open.append(("," if token == "{" else "", self._full))
            self._reads = "key" if token == "{" else "value"
        elif token in ("}", "]"):
            # The second ] of [[header]] closes nothing.
            self._full = self._open.pop()[1] if self._open else self._full
        elif token == (self._open[-1][0] if self._open else "\n"):
            self._reads = "key"


def _unquoted(token: str) -> str:
    if token[0] in "\"'":
        return str(tomllib.loads(f"key = {token}")["key"])
    return token
