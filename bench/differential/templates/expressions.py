"""Random expressions, mostly of a wanted type."""
import re

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
