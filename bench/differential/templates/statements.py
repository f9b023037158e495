"""Random statements around random expressions."""
from expressions import Expressions, pick


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
