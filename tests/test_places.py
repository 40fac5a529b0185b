"""Where keys are set: every key that `tomllib` finds has a line, and the right one."""

import random
import tomllib

from preset_cases import GOOD, mutant

from sims.places import key_lines


def test_places_of_keys():
    text = '[a] # [x]\nb.c = { d = 1, e = [ { f = 1 },\n {g = "}"} ], h = 2 }\n'
    text += "[[ 'q.r' . s ]]\nt = {}\nu = [[], [\n[1]]]\nv = 1979-05-27T07:32:00Z\n"
    text += "w = [ { x = 1 }, # }\n { y = 2 } ]\nz = 1e-3"
    lines = key_lines(text)
    by_name = {path[-1]: line for path, line in lines.items()}
    assert by_name == dict(
        zip("abcdefghstuvwxyz", [1, *[2] * 5, 3, 3, 4, 5, 6, 8, 9, 9, 10, 11], strict=1)
    ) | {"q.r": 4}
    assert ("a", "b", "c", "e", "g") in lines
    assert ("q.r", "s", "w", "y") in lines


def paths(content, path=()):
    """Of all keys, also of those in arrays of tables."""
    if isinstance(content, list):
        for entry in content:
            yield from paths(entry, path)
    elif isinstance(content, dict):
        for key, value in content.items():
            yield (*path, key)
            yield from paths(value, (*path, key))


def test_every_key_has_a_line():
    """1500 texts that are TOML, out of mutants of one with every construct."""
    odd = '[a."b.c"]\nd = [{ e = 1, f = [[{ g.h = "}" }]] }] # x = 1\n[[k]]\nl = {}\n'
    odd += "[[k]]\nm = '''\nn = 1\n'''\n'o' . \"p\" = 1979-05-27 # [q]\n"
    random_ = random.Random(3)
    valid = 0
    while valid < 1500:
        text = mutant(GOOD + odd, random_)
        try:
            content = tomllib.loads(text)
        except ValueError:
            continue
        valid += 1
        lines = key_lines(text)
        assert {path[:8] for path in paths(content)} <= set(lines)
        assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
