#!/usr/bin/env python3
"""Random chat templates with conversations, and what transformers makes of them: one JSON object a line.

    templates.py FIRST COUNT > cases.jsonl        (transformers 5.24, jinja2 3.1.6)
    templates.py fixture | gzip -9n > fixtures/templates/cases.jsonl.gz      (some hundred small cases, and those written by hand)
    templates.py seeds fixtures/templates/seeds                              (templates that the fuzzer starts from)

A case is a template (or several by name), special tokens, messages and options; `text` is what `apply_chat_template` gives, `error`
why it gives none, `spans` where the assistant speaks (`{% generation %}`). A third of the templates follow the idioms of families that
people use, a third are random statements, a third random expressions. The clock stands still (`NOW`).
"""
import datetime
import json
import pathlib
import random
import re
import sys

from templates_idioms import IDIOMS, idiom

NOW = [2026, 1, 5, 14, 3, 9]
TEXTS = ["", "Hi", "Hello, World!", "  two  blanks ", "line\nbreak\n", "Größe 3½ é", "日本語 テキスト", "🙂👍🏽 ok", "{{ braces }}", "{% x %}",
         "<b>&amp;</b>", "a'b\"c\\d", "\ttab", "ünïcödé ǆ ß", "[INST] x [/INST]", "</think>\n\nYes", "<think>a</think>b", "100%", "x=1, y=2",
         "UPPER lower", "1", "3.5", "0x1F", "e", "\u00a0nbsp", "\x1f", "a,b;c", "one two three four five six", "\u2028", "ΑΣ", "true"]
WORDS = ["a", "b", "x", " ", "o", "l", "Hi", "\n", ",", "é", "🙂", "<", "e", "1", "two", "</think>", "."]


def pick(rng, *options):
    return rng.choice(options)


def text_literal(rng):
    word = rng.choice(TEXTS + WORDS)
    return "'" + word.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


class Expressions:
    """Random expressions with a wanted type, mostly of it."""

    def __init__(self, rng):
        self.rng = rng
        self.local = []

    def make(self, kind, depth=3):
        rng = self.rng
        if rng.random() < 0.015:
            kind = rng.choice(["text", "int", "float", "flag", "list", "dict", "any"])
        if kind == "any":
            kind = rng.choice(["text", "int", "float", "flag", "list", "dict", "nothing", "message", "words"])
        if depth <= 0:
            return self.leaf(kind)
        return getattr(self, kind)(depth - 1)

    def leaf(self, kind):
        rng = self.rng
        for name, of in self.local:
            if of == kind and rng.random() < 0.4:
                return name
        return {
            "text": lambda: rng.choice([text_literal(rng), text_literal(rng), "messages[0].content", "messages[-1]['role']", "bos_token",
                                        "eos_token", "title"]),
            "int": lambda: rng.choice(["0", "1", "2", "-1", "3", "7", "10", "255", "n", "-n", "messages|length", "1_000", "0x1f"]),
            "float": lambda: rng.choice(["0.5", "1.0", "-2.5", "3.14159", "1e3", "1e-7", "x", "2.675", "1e16", "100.0", ".5"[1:] + ".25"]),
            "flag": lambda: rng.choice(["true", "false", "True", "add_generation_prompt", "on", "enable_thinking"]),
            "nothing": lambda: rng.choice(["none", "None", "missing", "tools", "documents", "unk_token"]),
            "list": lambda: rng.choice(["[1, 2, 3]", "[]", "numbers", "range(4)", "[3, 1, 2]", "[1.5, 2, true]", "(1, 2)", "[[1], [2, 3]]"]),
            "words": lambda: rng.choice(["['b', 'A', 'c']", "words", "'a b c'.split()", "['x']", "[]", "['é', '🙂', 'z']"]),
            "dict": lambda: rng.choice(["{'a': 1, 'B': 'two'}", "{}", "info", "{'k': none, 'l': [1]}", "messages[0]", "{1: 'x', 'y': 2.0}"]),
            "pairs": lambda: rng.choice(["info.items()", "{'b': 1, 'a': 2}.items()", "info|dictsort", "[('x', 1), ('y', 2)]", "info|items"]),
            "message": lambda: rng.choice(["messages[0]", "messages[-1]", "messages|first", "messages|last", "message" if ("message", "message") in self.local else "messages[1]"]),
            "messages": lambda: rng.choice(["messages", "messages[1:]", "messages[::-1]", "messages[:-1]"]),
        }[kind]()

    def text(self, d):
        rng, m = self.rng, self.make
        t = lambda: self.operand(m("text", d))
        return rng.choice([
            lambda: f"{t()}.{pick(rng, 'upper', 'lower', 'title', 'capitalize', 'strip', 'lstrip', 'rstrip', 'swapcase', 'casefold')}()",
            lambda: f"{t()}.{pick(rng, 'strip', 'lstrip', 'rstrip')}({m('text', 0)})",
            lambda: f"{t()}.replace({m('text', 0)}, {m('text', d)}{pick(rng, '', ', 1', ', ' + m('int', 0))})",
            lambda: f"{t()}.split({m('text', 0)}{pick(rng, '', ', 1', ', ' + m('int', 0))})[{pick(rng, '0', '-1', m('int', 0))}]",
            lambda: f"{t()}.{pick(rng, 'center', 'ljust', 'rjust')}({m('int', 0)}{pick(rng, '', ', ' + chr(39) + '*' + chr(39))})",
            lambda: f"{t()}.{pick(rng, 'removeprefix', 'removesuffix', 'join', 'partition', 'rpartition')}({m(pick(rng, 'text', 'words'), 0)})",
            lambda: f"{t()}.{pick(rng, 'zfill', 'expandtabs')}({m('int', 0)})",
            lambda: f"{t()}[{pick(rng, '', m('int', 0))}:{pick(rng, '', m('int', 0))}{pick(rng, '', '', ':-1', ':2')}]",
            lambda: f"{t()}[{m('int', 0)}]",
            lambda: f"{t()} + {self.operand(m('text', d))}",
            lambda: f"{self.operand(m('any', d))} ~ {self.operand(m('any', d))}",
            lambda: f"{t()} * {pick(rng, '2', '0', '3', m('int', 0))}",
            lambda: f"({m('text', d)} if {m('flag', d)} else {m('text', d)})",
            lambda: f"({m('text', d)} if {m('flag', d)})",
            lambda: f"({m(pick(rng, 'nothing', 'text'), d)} or {m('text', d)})",
            lambda: f"({m('text', d)} and {m('text', d)})",
            lambda: f"{t()}|{pick(rng, 'trim', 'upper', 'lower', 'title', 'capitalize', 'string', 'e', 'escape', 'safe', 'striptags', 'forceescape', 'urlencode', 'reverse', 'first', 'last', 'list|first')}",
            lambda: f"{t()}|{pick(rng, 'replace', 'replace')}({m('text', 0)}, {m('text', 0)}{pick(rng, '', ', 1', ', count=2')})",
            lambda: f"{t()}|trim({m('text', 0)})",
            lambda: f"{t()}|indent({pick(rng, '', '2', '4, true', 'first=true', 'width=1, blank=true', chr(39) + '> ' + chr(39))})",
            lambda: f"{t()}|truncate({pick(rng, '5', '9, true', '6, false, ' + chr(39) + '…' + chr(39), '4, true, ' + chr(39) * 2 + ', 0', 'length=8, leeway=0')})",
            lambda: f"{t()}|wordwrap({pick(rng, '5', '10, false', '7, wrapstring=' + chr(39) + '|' + chr(39))})",
            lambda: f"{t()}|center({m('int', 0)})",
            lambda: f"{t()}|default({m('text', 0)}{pick(rng, '', ', true')})",
            lambda: f"{self.operand(m('nothing', d))}|default({m('text', 0)}{pick(rng, '', ', true', ', boolean=true')})",
            lambda: f"{self.operand(m('words', d))}|join({pick(rng, '', m('text', 0))})",
            lambda: f"{self.operand(m('list', d))}|join({m('text', 0)})",
            lambda: f"{self.operand(m('messages', 0))}|map(attribute='role')|join(', ')",
            lambda: f"{self.operand(m('any', d))}|tojson{self.json_options()}",
            lambda: f"{self.operand(m('any', d))}|string",
            lambda: f"{self.operand(m('any', d))}|pprint",
            lambda: self.format(d),
            lambda: self.percent(d),
            lambda: f"strftime_now('%{pick(rng, 'd', 'B', 'Y', 'H', 'j', 'A', 'p', 'y', 'm', 'b', '-d', 'I', 'M', 'S', 'e', 'U', 'V')}')",
            lambda: f"{self.operand(m('int', d))}|filesizeformat{pick(rng, '', '(true)')}",
            lambda: f"{self.operand(m('dict', d))}|{pick(rng, 'xmlattr', 'urlencode')}",
            lambda: f"{self.operand(m('message', d))}{pick(rng, '.role', '.content', '[' + chr(39) + 'role' + chr(39) + ']', '.get(' + chr(39) + 'name' + chr(39) + ', ' + chr(39) + '?' + chr(39) + ')', '.none', '.tool_calls')}",
        ])()

    def json_options(self):
        rng = self.rng
        return pick(rng, "", "", "(indent=2)", "(indent=4)", "(ensure_ascii=true)", "(separators=(',', ':'))", "(sort_keys=true)",
                    "(indent=1, separators=(',', ': '))", "(indent='\\t')", "(true)", "(ensure_ascii=false, sort_keys=true, indent=0)")

    def format(self, d):
        rng, m = self.rng, self.make
        kind = rng.choice(["int", "float", "text", "flag"])
        spec = {
            "int": ["", "d", "5", "05d", "<6", "^7", "+d", ",", "x", "#x", "b", "o", "08b", ".2f", "e", "_", "%", ">+8,d", "X"],
            "float": ["", ".2f", "8.3f", "e", ".3g", "%", ".1%", "+.1f", ",.2f", "010.2f", "g", ".0f", "^12.4", "G", "f", ".3e", ".5"],
            "text": ["", "10", ">8", "^9", "*<6", ".2", "s", "é^5", ".0"],
            "flag": ["", "d", "5", "s"],
        }[kind]
        field = rng.choice(["", "0", "v", "0!r", "v!s", "!r", "0!a"])
        name = "v=" if field.startswith("v") else ""
        shape = f"{pick(rng, '', '[', '{{')}{{{field}:{rng.choice(spec)}}}{pick(rng, '', ']', '}}')}"
        return f"'{shape}'.format({name}{m(kind, d)})"

    def percent(self, d):
        rng, m = self.rng, self.make
        kind, spec = rng.choice([("int", ["%d", "%5d", "%-5d|", "%05d", "%x", "%+d", "%o", "%s", "%i%%", "%c", "%#X"]),
                                 ("float", ["%f", "%.2f", "%8.3f", "%e", "%g", "%.3g", "%s", "%d", "%r"]), ("text", ["%s", "%10s", "%-8s|", "%.2s", "%r", "%a"]),
                                 ("any", ["%s", "%r"])])
        value = m(kind, d)
        return pick(rng, f"'{rng.choice(spec)}' % ({value},)", f"'{rng.choice(spec)}' % {self.operand(value)}", f"'a{rng.choice(spec)}b'|format({value})",
                    f"'%(v)s' % {{'v': {value}}}")

    def operand(self, text):
        return text if re.fullmatch(r"[\w.]+|'[^'\\]*'|\[[^\[\]]*\]|\([^()]*\)|messages[\w\[\].'-]*", text) and not re.fullmatch(r"-.*", text) else f"({text})"

    def int(self, d):
        rng, m = self.rng, self.make
        i = lambda: self.operand(m("int", d))
        return rng.choice([
            lambda: f"{i()} {pick(rng, '+', '-', '*', '//', '%')} {i()}",
            lambda: f"{i()} ** {pick(rng, '2', '0', '3')}",
            lambda: f"-{i()}", lambda: f"{i()}|abs", lambda: f"{self.operand(m('any', d))}|{pick(rng, 'length', 'count')}",
            lambda: f"{self.operand(m('text', d))}|{pick(rng, 'int', 'wordcount', 'length', 'int(7)', 'int(default=-1)', 'int(0, 16)', 'int(base=0)')}",
            lambda: f"{self.operand(m('float', d))}|int", lambda: f"{self.operand(m('float', d))}|round|int",
            lambda: f"{self.operand(m('list', d))}|{pick(rng, 'sum', 'min', 'max', 'first', 'last', 'length')}",
            lambda: f"{self.operand(m('text', d))}.{pick(rng, 'find', 'count', 'index', 'rfind')}({m('text', 0)})",
            lambda: f"{self.operand(m('list', d))}.{pick(rng, 'count', 'index')}({m('int', 0)})",
            lambda: f"{self.operand(m('list', d))}[{m('int', 0)}]", lambda: f"{i()}|round({pick(rng, '', '0', '-1', '1')})",
            lambda: f"({m('int', d)} if {m('flag', d)} else {m('int', d)})", lambda: f"({m('int', d)} or {m('int', d)})",
            lambda: f"{self.operand(m('flag', d))} + {i()}",
        ])()

    def float(self, d):
        rng, m = self.rng, self.make
        f = lambda: self.operand(m("float", d))
        return rng.choice([
            lambda: f"{f()} {pick(rng, '+', '-', '*', '/', '//', '%')} {self.operand(m(pick(rng, 'int', 'float'), d))}",
            lambda: f"{self.operand(m('int', d))} / {self.operand(m('int', d))}",
            lambda: f"{f()}|round({pick(rng, '', '1', '2', '3', '0', '-1')})",
            lambda: f"{f()}|round({pick(rng, '1', '2', '0')}, {pick(rng, chr(39) + 'ceil' + chr(39), chr(39) + 'floor' + chr(39))})",
            lambda: f"{self.operand(m('text', d))}|float{pick(rng, '', '(2.5)')}", lambda: f"-{f()}", lambda: f"{f()}|abs",
            lambda: f"{self.operand(m('int', d))}|float", lambda: f"[{m('float', d)}, {m('float', d)}]|{pick(rng, 'sum', 'min', 'max')}",
        ])()

    def flag(self, d):
        rng, m = self.rng, self.make
        return rng.choice([
            lambda: f"{self.operand(m('any', d))} {pick(rng, '==', '!=')} {self.operand(m('any', d))}",
            lambda: f"{self.operand(m('int', d))} {pick(rng, '<', '>', '<=', '>=', '==')} {self.operand(m(pick(rng, 'int', 'float'), d))}",
            lambda: f"{self.operand(m('text', d))} {pick(rng, 'in', 'not in', '<', '>=', '==')} {self.operand(m(pick(rng, 'text', 'text', 'words', 'dict'), d))}",
            lambda: f"{self.operand(m('int', d))} in {self.operand(m('list', d))}",
            lambda: f"not {self.operand(m('any', d))}",
            lambda: f"({m('flag', d)} {pick(rng, 'and', 'or')} {m('flag', d)})",
            lambda: f"{self.operand(m('any', d))} is {pick(rng, '', 'not ')}{pick(rng, 'string', 'mapping', 'sequence', 'iterable', 'number', 'integer', 'float', 'boolean', 'none', 'defined', 'undefined', 'true', 'false', 'callable', 'escaped', 'lower', 'upper')}",
            lambda: f"{self.operand(m('int', d))} is {pick(rng, 'odd', 'even', 'divisibleby 3', 'divisibleby(2)', 'eq 1', 'gt 2', 'lessthan 3', 'in [1, 2]', 'ne(3)')}",
            lambda: f"{self.operand(m('text', d))}.{pick(rng, 'startswith', 'endswith')}({m('text', 0)})",
            lambda: f"{self.operand(m('text', d))}.{pick(rng, 'isdigit', 'isalpha', 'isalnum', 'isupper', 'islower', 'isspace', 'istitle', 'isnumeric', 'isdecimal', 'isascii', 'isprintable', 'isidentifier')}()",
            lambda: f"{self.operand(m('int', d))} < {self.operand(m('int', d))} < {self.operand(m('int', d))}",
            lambda: f"'{pick(rng, 'upper', 'nope', 'tojson')}' is {pick(rng, 'filter', 'test')}",
            lambda: f"{self.operand(m('message', d))}{pick(rng, '.tool_calls', '.content', '[' + chr(39) + 'nope' + chr(39) + ']')} is defined",
        ])()

    def nothing(self, d):
        rng, m = self.rng, self.make
        return rng.choice([lambda: f"{self.operand(m('dict', d))}.nope", lambda: f"{self.operand(m('list', d))}[99]", lambda: "[]|first", lambda: "[]|max",
                           lambda: f"{self.operand(m('dict', d))}.get('nope')", lambda: f"({m('text', d)} if false)", lambda: self.leaf("nothing")])()

    def list(self, d):
        rng, m = self.rng, self.make
        l = lambda: self.operand(m("list", d))
        return rng.choice([
            lambda: f"[{', '.join(m('any', d) for _ in range(rng.randint(0, 3)))}]", lambda: f"({m('any', d)}, {m('any', d)})",
            lambda: f"{l()}|{pick(rng, 'list', 'reverse|list', 'sort', 'unique|list', 'sort(reverse=true)')}",
            lambda: f"{l()}[{pick(rng, '', m('int', 0))}:{pick(rng, '', m('int', 0))}{pick(rng, '', '', '::-1'[1:], ':2')}]",
            lambda: f"{l()} + {l()}", lambda: f"{l()} * {pick(rng, '0', '2')}",
            lambda: f"{l()}|map({pick(rng, chr(39) + 'string' + chr(39), chr(39) + 'abs' + chr(39), chr(39) + 'round' + chr(39) + ', 1', chr(39) + 'default' + chr(39) + ', 3')})|list",
            lambda: f"{l()}|{pick(rng, 'select', 'reject')}({pick(rng, '', chr(39) + 'odd' + chr(39), chr(39) + 'gt' + chr(39) + ', 1', chr(39) + 'number' + chr(39), chr(39) + 'divisibleby' + chr(39) + ', 2')})|list",
            lambda: f"{l()}|{pick(rng, 'batch', 'slice')}({pick(rng, '2', '3', '2, 0', '1')})|list",
            lambda: f"range({m('int', 0)}{pick(rng, '', ', ' + m('int', 0), ', 9, 2', ', 0, -1')})|list",
            lambda: f"{self.operand(m('text', d))}|list", lambda: f"{self.operand(m('text', d))}.{pick(rng, 'split', 'splitlines', 'rsplit')}()",
            lambda: f"{self.operand(m('dict', d))}.{pick(rng, 'keys', 'values', 'items')}(){pick(rng, '', '|list')}",
            lambda: self.operand(m("words", d)), lambda: self.operand(m("pairs", d)) + "|list",
        ])()

    def words(self, d):
        rng, m = self.rng, self.make
        w = lambda: self.operand(m("words", d))
        return rng.choice([
            lambda: f"{w()}|{pick(rng, 'sort', 'sort(case_sensitive=true)', 'unique|list', 'reverse|list', 'list', 'sort(true)')}",
            lambda: f"{w()}|map('{pick(rng, 'upper', 'trim', 'length', 'title', 'first', 'e')}')|list",
            lambda: f"{self.operand(m('text', d))}.split({pick(rng, '', m('text', 0), 'none, 1')})",
            lambda: f"{self.operand(m('messages', 0))}|map(attribute='{pick(rng, 'role', 'content', 'nope', 'tool_calls.0')}'{pick(rng, '', ', default=' + chr(39) + '-' + chr(39))})|list",
            lambda: f"[{', '.join(m('text', d) for _ in range(rng.randint(0, 3)))}]",
            lambda: f"{w()}|select('{pick(rng, 'string', 'lower', 'upper')}')|list",
            lambda: f"{self.operand(m('messages', 0))}|groupby('role'{pick(rng, '', ', default=' + chr(39) + '?' + chr(39))})|map('first')|list",
        ])()

    def dict(self, d):
        rng, m = self.rng, self.make
        return rng.choice([
            lambda: "{" + ", ".join(f"'{k}': {m('any', d)}" for k in rng.sample("abXyé", rng.randint(0, 3))) + "}",
            lambda: f"dict({', '.join(f'{k}={m(chr(105) + chr(110) + chr(116), d)}' for k in rng.sample('pqr', rng.randint(0, 2)))})",
            lambda: f"dict({self.operand(m('dict', d))}{pick(rng, '', ', z=1')})", lambda: f"{self.operand(m('dict', d))}.copy()",
            lambda: self.leaf("dict"), lambda: f"({m('dict', d)} if {m('flag', d)} else {{}})", lambda: f"dict({self.operand(m('pairs', 0))})",
        ])()

    def pairs(self, d):
        rng, m = self.rng, self.make
        return rng.choice([lambda: f"{self.operand(m('dict', d))}.items()", lambda: f"{self.operand(m('dict', d))}|items",
                           lambda: f"{self.operand(m('dict', d))}|dictsort({pick(rng, '', 'true', 'by=' + chr(39) + 'value' + chr(39), 'reverse=true')})", lambda: self.leaf("pairs")])()

    def message(self, d):
        return self.leaf("message")

    def messages(self, d):
        rng = self.rng
        return rng.choice([
            lambda: f"messages|{pick(rng, 'selectattr', 'rejectattr')}('role', '{pick(rng, 'equalto', '==', 'ne', 'in')}', '{pick(rng, 'user', 'system', 'assistant')}')|list",
            lambda: f"messages|{pick(rng, 'selectattr', 'rejectattr')}('{pick(rng, 'tool_calls', 'content', 'name')}'{pick(rng, '', ', ' + chr(39) + 'defined' + chr(39), ', ' + chr(39) + 'string' + chr(39))})|list",
            lambda: f"messages|sort(attribute='{pick(rng, 'role', 'content')}'{pick(rng, '', ', reverse=true')})", lambda: self.leaf("messages"),
        ])()


class Statements:
    """Random statements around random expressions."""

    def __init__(self, rng):
        self.rng, self.e, self.count = rng, Expressions(rng), 0

    def tag(self, inside):
        rng = self.rng
        return f"{{%{pick(rng, '', '', '-', '+')} {inside} {pick(rng, '', '', '-')}%}}"

    def value(self, kind="any", depth=2):
        rng = self.rng
        return f"{{{{{pick(rng, '', '', '-')} {self.e.make(kind, depth)} {pick(rng, '', '', '-')}}}}}"

    def blank(self):
        return pick(self.rng, "", "", "\n", "\n", "  ", "\n    ", " \n", "text", "<|x|>", "\n\n", "\t", "{# note #}", "\n{#- note -#}\n")

    def fresh(self, kind):
        self.count += 1
        return f"{pick(self.rng, 'v', 'w')}{self.count}"

    def body(self, depth, loop=False):
        parts = []
        for _ in range(self.rng.randint(1, 3)):
            parts += [self.blank(), self.one(depth, loop)]
        return "".join(parts) + self.blank()

    def scoped(self, depth, loop, *names):
        before = list(self.e.local)
        self.e.local += names
        inside = self.body(depth, loop)
        self.e.local = before
        return inside

    def one(self, depth, loop=False):
        rng, e, tag = self.rng, self.e, self.tag
        if depth <= 0:
            return self.value() if rng.random() < 0.8 else self.assign()
        d = depth - 1
        options = [
            lambda: self.value(), lambda: self.value("text", 3), self.assign, self.assign,
            lambda: tag(f"if {e.make('flag', 2)}") + self.body(d, loop) + pick(rng, "", tag(f"elif {e.make('flag', 2)}") + self.body(d, loop)) +
            pick(rng, "", tag("else") + self.body(d, loop)) + tag("endif"),
            lambda: self.loop(d), lambda: self.loop(d), lambda: self.macro(d),
            lambda: tag(f"set s{self.count}{pick(rng, '', ' | trim', ' | upper | trim', ' | length')}") + self.body(d, loop) + tag("endset") + self.value_of(f"s{self.count}"),
            lambda: tag(f"filter {pick(rng, 'upper', 'trim', 'indent(2)', 'replace(' + chr(39) + 'a' + chr(39) + ', ' + chr(39) + 'b' + chr(39) + ')')}") + self.body(d, loop) + tag("endfilter"),
            lambda: tag(f"with a = {e.make('any', 1)}, b = {e.make('int', 1)}") + self.scoped(d, loop, ("a", "text"), ("b", "int")) + tag("endwith"),
            lambda: tag("raw") + pick(rng, "{{ x }}", " {% y %} ", "\n{# z #}\n") + tag("endraw"),
            lambda: tag("set ns = namespace(n=0, t='', on=false)") + self.loop(d, "set ns.n = ns.n + 1") + "{{ ns.n }}{{ ns.t }}" + tag("set ns.t = " + e.make("text", 1)) + "{{ ns.t }}",
            lambda: tag("generation") + self.body(d) + tag("endgeneration"),
        ]
        if loop:
            options += [lambda: tag(f"if {e.make('flag', 1)}") + tag(pick(rng, "break", "continue")) + tag("endif"),
                        lambda: "{{ loop." + pick(rng, "index", "index0", "first", "last", "length", "revindex", "revindex0", "depth") + " }}",
                        lambda: "{{ loop.cycle('a', 'b') }}", lambda: "{{ loop.previtem }}|{{ loop.nextitem is defined }}", lambda: "{{ loop.changed(" + e.make("any", 1) + ") }}",
                        lambda: "{{ ', ' if not loop.last }}"]
        return rng.choice(options)()

    def value_of(self, name):
        return "[{{ " + name + " }}]"

    def assign(self):
        rng, kind = self.rng, self.rng.choice(["text", "int", "float", "flag", "list", "words", "dict", "any"])
        value, name = self.e.make(kind, 2), self.fresh(kind)
        if rng.random() < 0.15:
            name = rng.choice(["title", "n", "words", "on"])
        if rng.random() < 0.1:
            return self.tag(f"set {name}, {name}b = {value}, {self.e.make('int', 1)}")
        self.e.local.append((name, kind))
        return self.tag(f"set {name} = {value}")

    def loop(self, d, extra=None):
        rng, e = self.rng, self.e
        kind, source, names = rng.choice([
            ("message", e.make("messages", 1), "message"), ("message", "messages", "message"), ("int", e.make("list", 1), "item"),
            ("text", e.make("words", 1), "item"), ("pair", e.make("pairs", 1), "key, value"), ("text", e.make("dict", 1), "item"), ("text", e.make("text", 1), "item"),
        ])
        local = [("key", "text"), ("value", "int")] if kind == "pair" else [(names, kind)]
        before = list(e.local)
        e.local += local
        test = pick(rng, "", "", "", f" if {e.make('flag', 1)}")
        e.local = before
        inside = self.scoped(d, True, *local) + (self.tag(extra) if extra else "")
        return self.tag(f"for {names} in {source}{test}") + inside + pick(rng, "", "", self.tag("else") + self.body(0)) + self.tag("endfor")

    def macro(self, d):
        rng, e, name = self.rng, self.e, f"m{self.count}"
        self.count += 1
        parameters = rng.choice(["", "a", "a, b=2", "a='x', b=1"])
        inside = self.scoped(d, False, ("a", "text"), ("b", "int"))
        caller = pick(rng, "", "", "{{ caller() }}", "{{ varargs }}{{ kwargs }}")
        head = self.tag(f"macro {name}({parameters})") + inside + caller + self.tag("endmacro")
        args = ", ".join(e.make("any", 1) for _ in range(rng.randint(0, 2)))
        if "caller" in caller:
            return head + self.tag(f"call {name}({args})") + self.body(0) + self.tag("endcall")
        return head + f"{{{{ {name}({args}{pick(rng, '', (', ' if args else '') + 'b=3') if 'b' in parameters else ''}) }}}}"


def tool(rng):
    name = rng.choice(["get_weather", "add", "search", "größe"])
    return {"type": "function", "function": {"name": name, "description": rng.choice(TEXTS), "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "description": "Where"}, "days": {"type": "integer", "enum": [1, 2, None]}},
        "required": ["city"]}}}


def call(rng):
    arguments = rng.choice([{"city": rng.choice(TEXTS), "days": 2}, {}, {"x": [1.5, None, True]}, '{"city": "Bonn"}'])
    return {"id": f"call{rng.randint(0, 99)}", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}


def conversation(rng):
    messages = []
    if rng.random() < 0.5:
        messages.append({"role": "system", "content": rng.choice(TEXTS)})
    for i in range(rng.randint(1, 5)):
        if i % 2 == 0 or rng.random() < 0.05:
            content = rng.choice(TEXTS)
            if rng.random() < 0.12:
                content = [{"type": "text", "text": rng.choice(TEXTS)}, {"type": "image"}][:rng.randint(1, 2)]
            messages.append({"role": "user", "content": content})
        else:
            message = {"role": "assistant", "content": rng.choice(TEXTS)}
            if rng.random() < 0.3:
                message["tool_calls"] = [call(rng) for _ in range(rng.randint(1, 2))]
                message["content"] = rng.choice([message["content"], None, ""])
            if rng.random() < 0.2:
                message[rng.choice(["reasoning_content", "thinking", "reasoning"])] = rng.choice(TEXTS)
            messages.append(message)
            if "tool_calls" in message:
                messages.append({"role": "tool", "name": "get_weather", "content": rng.choice(TEXTS + ['{"t": 3}']), "tool_call_id": "call1"})
    return messages


def options_of(rng, messages):
    options = {}
    if rng.random() < 0.7:
        options["add_generation_prompt"] = rng.random() < 0.6
    if rng.random() < 0.4:
        options["tools"] = [tool(rng) for _ in range(rng.randint(0, 2))]
    if rng.random() < 0.2:
        options["documents"] = [{"title": rng.choice(TEXTS), "text": rng.choice(TEXTS)} for _ in range(rng.randint(0, 2))]
    if rng.random() < 0.1 and messages[-1]["role"] == "assistant" or rng.random() < 0.01:
        options["continue_final_message"] = rng.choice([True, True, "content", "reasoning_content", "thinking"])
        options["add_generation_prompt"] = rng.random() < 0.05
    variables = {"n": rng.randint(-3, 12), "x": rng.choice([0.5, 2.25, -1.75, 1e-9]), "on": rng.random() < 0.5, "title": rng.choice(TEXTS),
                 "numbers": [rng.randint(-5, 9) for _ in range(rng.randint(0, 5))], "words": rng.sample(TEXTS, rng.randint(0, 4)),
                 "info": {k: rng.choice([1, 2.5, None, True, "v", [1, "é"], {"z": {}}]) for k in rng.sample(["name", "size", "Ärger", "a b", "items"], rng.randint(0, 4))}}
    if rng.random() < 0.8:
        variables["enable_thinking"] = rng.random() < 0.5
    return options, variables


def case(seed):
    rng = random.Random(f"templates {seed}")
    messages = conversation(rng)
    options, variables = options_of(rng, messages)
    sort = ["idiom", "statements", "expressions"][seed % 3]
    if sort == "idiom":
        template = idiom(rng)
    elif sort == "statements":
        template = Statements(rng).body(rng.choice([1, 2, 2, 3]))
    else:
        made = Expressions(rng)
        template = "|".join("{{ " + made.make("any", rng.randint(1, 4)) + " }}" for _ in range(rng.randint(1, 3)))
    if rng.random() < 0.08:
        template = {"default": template, rng.choice(["tool_use", "rag"]): "NAMED{{ messages|length }}" + ("{{ tools|length }}" if options.get("tools") else "")}
        if rng.random() < 0.3:
            options["chat_template"] = rng.choice(list(template))
        elif rng.random() < 0.1:
            del template["default"]
    tokens = {k: v for k, v in {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}.items() if rng.random() < 0.95}
    return {"seed": seed, "sort": sort, "template": template, "tokens": tokens, "messages": messages, "options": options, "variables": variables}


def judge(one):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast
    from transformers.utils import chat_template_utils as chat

    class Still(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(*NOW)

    chat.datetime = Still
    plain = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1, "<pad>": 2, "x": 3}, unk_token="x"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, **one["tokens"])
    tokenizer.chat_template = one["template"]
    try:
        text = tokenizer.apply_chat_template(json.loads(json.dumps(one["messages"])), tokenize=False, **one["options"], **one["variables"])
        one["text"] = text
    except Exception as error:
        one["error"] = f"{type(error).__name__}: {error}".split("\n")[0][:200]
    if "text" in one and "generation" in str(one["template"]) and "continue_final_message" not in one["options"]:
        messages = chat._alias_reasoning_fields(chat._normalize_chat_messages(one["messages"]))
        template = tokenizer.get_chat_template(one["options"].get("chat_template"), one["options"].get("tools"))
        spans = chat._render_with_assistant_indices(
            chat._compile_jinja_template(template), messages, one["options"].get("tools"), one["options"].get("documents"),
            one["options"].get("add_generation_prompt", False), **{**tokenizer.special_tokens_map, **one["variables"]})[1]
        one["spans"] = spans
    return one


def by_hand():
    """One case for each of the templates in `templates_by_hand.txt`: what the random ones would find too seldom."""
    arguments = {"x": 1, "y": [1.5, None, True, 'ü"\\']}
    messages = [{"role": "system", "content": "Be  good.\n"}, {"role": "user", "content": "Hi <b>é😀</b>"},
                {"role": "assistant", "content": "  Yes\n", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]},
                {"role": "user", "content": ["a", {"type": "text", "text": "q"}]}]
    with open(pathlib.Path(__file__).with_name("templates_by_hand.txt"), encoding="utf-8", newline="") as file:
        templates = file.read().rstrip("\n").split("\n---\n")
    templates += ["a\r\nb\rc\n", "a\n\n", "\n", "", "{{ 'a\r\nb' }}"]
    for i, template in enumerate(templates):
        yield {"seed": -1 - i, "sort": "hand", "template": template, "tokens": {"bos_token": "<s>"}, "messages": messages,
               "options": {}, "variables": {"a": 1}}


def small(one):
    """Without the variables that the template does not name."""
    names = str(one["template"])
    return {**one, "variables": {k: v for k, v in one["variables"].items() if k in names}}


def fixture():
    wanted = {"idiom": 120, "statements": 140, "expressions": 160}
    yield from map(judge, by_hand())
    seed = 100_000
    while any(wanted.values()):
        one = small(case(seed))
        seed += 1
        if not wanted[one["sort"]] or len(json.dumps(one)) > (5000 if one["sort"] == "idiom" else 1200):
            continue
        one = judge(one)
        # Few of those that both refuse.
        if "text" in one or seed % 5 == 0:
            wanted[one["sort"]] -= 1
            yield one


def write_seeds(folder):
    for i, one in enumerate(IDIOMS):
        (folder / f"{one.__name__}.jinja").write_text(one(random.Random(i)).strip() + "\n", encoding="utf-8")
    hand = "\n".join(one["template"] for one in map(judge, by_hand()) if "text" in one)
    (folder / "by_hand.jinja").write_text(hand + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "seeds":
        write_seeds(pathlib.Path(sys.argv[2]))
        sys.exit()
    if sys.argv[1] == "fixture":
        made = fixture()
    else:
        made = (judge(case(seed)) for seed in range(int(sys.argv[1]), int(sys.argv[1]) + int(sys.argv[2])))
    for one in made:
        sys.stdout.write(json.dumps(one, ensure_ascii=True) + "\n")
