"""Damage to bytes, and values that parsers and readers stumble over, for YAML and JSON."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any

import yaml

_MARK = "PLACEHOLDER4711"
# Values of every type, at the edges of what readers expect.
VALUES: tuple[Any, ...] = (
    None, True, False, "", " ", "nan", "=1+1", "<script>x</script>", "../../x", "/etc/passwd", "a|b", ".", "x\ny",
    "\u202e\u2066", "e\u0301", "\U0001f600", "\u0085\u2028", "\ufeff", "a" * 5000, "1e3", "20.0", "0x10", "1_000",
    0, -1, 1, 2, 1.5, -0.0, 2**31, 2**63, 10**30, 1e308, float("nan"), float("inf"), [], {}, [[]], [None], {"": None},
    {"name": "lstm", "hidden": 10**9}, [1] * 2000,
)  # fmt: skip
YAML_TEXTS = (
    "!!bool x", "!!int x", "!!float x", "!!timestamp x", "!!binary x", "!!set x", "!!omap x", "!!pairs [x]", "!x y",
    "!!python/object/apply:os.getcwd []", "!!python/name:os.system", "2001-99-99", "2001-01-01", "2001-01-01T99:99:99Z",
    "0o99", "0b2", "1:99:99", ".nan", ".inf", "-.inf", "~", "*nowhere", "&a [*a]", "&a {x: *a}", "{<<: *x}",
    "{<<: {a: 1}}", "{<<: 3}", "{? {a: 1} : 2}", "{[1]: 2}", "{1: 2}", "{null: 1}", "{a: 1, a: 2}", "!!str 5",
    '"\\ud800"', '"\\x00"', "|\n  text", ">\n  text", "'", '"', "[", "{", "%", "@x", "`x", "\t", "---\n", "...\n",
    "9" * 5000, "[" * 3000, "{a: " * 300, "1e999999", "0x" + "f" * 6000,
)  # fmt: skip
JSON_TEXTS = (
    "NaN", "Infinity", "-Infinity", "1e999", "-0", "9" * 5000, "[" * 3000, '{"a":' * 3000, '"\\ud800"', '"\\u0000"',
    "'x'", "nul", "01", "1.", '{"a": 1, "a": 2}', '"\u202e"', '"', "", "[1,]", "/**/1", "\ufeff1",
)  # fmt: skip


def damaged_bytes(rng: Random, data: bytes, reach: int | None = None) -> bytes:
    """Flip, cut, insert, repeat, blank or swap; `reach` keeps the damage in that many first bytes."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        place = rng.randrange(min(len(out), reach or len(out)) or 1) if out else 0
        length = rng.choice((1, 1, 2, 4, 8, 64, 1000))
        kind = rng.randrange(8)
        if kind == 0 and out:
            out[place] ^= 1 << rng.randrange(8)
        elif kind == 1 and out:
            out[place : place + length] = rng.randbytes(len(out[place : place + length]))
        elif kind == 2:
            del out[place : len(out) if rng.random() < 0.5 else place + length]
        elif kind == 3:
            out[place:place] = rng.randbytes(length)
        elif kind == 4:
            out[place:place] = out[place : place + length] * rng.choice((1, 2, 50))
        elif kind == 5:
            out[place : place + length] = bytes(len(out[place : place + length]))
        elif kind == 6:
            other = rng.randrange(len(out) or 1)
            one, two = bytes(out[place : place + length]), bytes(out[other : other + length])
            out[place : place + length], out[other : other + length] = two, one
        else:
            edge = rng.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, len(out))).to_bytes(4, "big")
            out[place : place + 4] = edge if rng.random() < 0.5 else edge[::-1]
    return bytes(out)


def damaged_yaml(rng: Random, text: str) -> str:
    """A YAML text with another value, another structure or another spelling somewhere."""
    kind = rng.randrange(10)
    if kind == 0:
        return damaged_bytes(rng, text.encode()).decode("utf-8", "surrogateescape")
    if kind == 1:
        return _bomb(rng) + text
    if kind == 2:
        lines = text.split("\n")
        place = rng.randrange(len(lines))
        other = lines[rng.randrange(len(lines))]
        lines[place:place] = [rng.choice((other, "\t", "%YAML 9.9", "---", "...", "? ", "- "))]
        return "\n".join(lines)
    if kind < 6:
        snippet = rng.choice(YAML_TEXTS)
        dumped = yaml.safe_dump(_changed(rng, yaml.safe_load(text), _MARK), sort_keys=False, allow_unicode=True)
        return dumped.replace(_MARK, snippet)
    changed = _changed(rng, yaml.safe_load(text), rng.choice(VALUES))
    return yaml.safe_dump(changed, sort_keys=False, allow_unicode=rng.random() < 0.5)


def damaged_json(rng: Random, text: str) -> str:
    """A JSON text with another value, another structure or another spelling somewhere."""
    kind = rng.randrange(8)
    if kind == 0:
        return damaged_bytes(rng, text.encode()).decode("utf-8", "surrogateescape")
    if kind < 4:
        return json.dumps(_changed(rng, json.loads(text), _MARK)).replace(f'"{_MARK}"', rng.choice(JSON_TEXTS))
    return json.dumps(_changed(rng, json.loads(text), rng.choice(VALUES)))


def _bomb(rng: Random) -> str:
    """Aliases of aliases: a few lines that stand for 2^30 values."""
    link = rng.choice(("{{p: *a{0}, q: *a{0}}}", "[*a{0}, *a{0}]", "{{<<: [*a{0}, *a{0}]}}"))
    lines = ["a0: &a0 {x: 1}", *(f"a{n}: &a{n} " + link.format(n - 1) for n in range(1, 31))]
    return "\n".join(lines) + "\n"


def _changed(rng: Random, document: Any, value: Any) -> Any:
    """The document with `value` in place of one node, as a further entry, or as the name of a key."""
    document = copy.deepcopy(document)
    holders = [holder for holder in _containers(document) if len(holder)]
    if not holders or rng.random() < 0.03:
        return value
    holder = rng.choice(holders)
    key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
    kind = rng.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]) if rng.random() < 0.5 else value)
    elif kind == 1 and (value is None or isinstance(value, str | int | float)):
        holder[value] = holder.pop(key)
    elif kind == 2 and isinstance(holder, list):
        holder.extend(copy.deepcopy(holder))
    elif kind == 3 and isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
        number = holder[key]
        holder[key] = rng.choice((number + 1, -number, number * 10**6, float(number), str(number)))
    else:
        holder[key] = value
    return document


def _containers(node: Any) -> Iterator[Any]:
    if isinstance(node, dict | list):
        yield node
        for child in node.values() if isinstance(node, dict) else node:
            yield from _containers(child)
