/** What the stored comparisons with jinja2 do not say: lines of errors, the sandbox, dates, letters beyond ASCII, sizes. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { renderTemplate, TemplateError, type TemplateErrorCode } from "./jinja.ts";

const render = (template: string, variables: Readonly<Record<string, unknown>> = {}) =>
  renderTemplate(template, variables).text;

function refusal(
  template: string,
  variables: Readonly<Record<string, unknown>> = {},
): [TemplateErrorCode, number?] {
  const error = assertThrows(() => render(template, variables), TemplateError);
  return [error.code, error.line];
}

Deno.test("errors have a code and the line at which they arise", () => {
  const cases: [template: string, code: TemplateErrorCode, line: number][] = [
    ["a\n{{ x.y }}", "undefined", 2],
    ["{% for x in [1] %}\n\n{{ 'a' + 1 }}{% endfor %}", "type", 3],
    ["{{ 1 }}\n{% if x %}", "syntax", 2],
    ["{#\n\n#}{{ a b }}", "syntax", 3],
    ["\n{{ 'x' | nope }}", "syntax", 2],
    ["\n\n{{ raise_exception('no') }}", "raised", 3],
    ["{% macro m() %}\n{{ 1 // 0 }}{% endmacro %}\n{{ m() }}", "zero", 2],
    ["{{ {}.x.y }}", "undefined", 1],
    ["{{ 'x' | int(base=1) }}{{ [1] | random }}", "unsupported", 1],
    ["{{ 'a\nb' }}{{ [][0:1:0] }}", "value", 2],
  ];
  for (const [template, code, line] of cases) assertEquals(refusal(template), [code, line], template);
});

Deno.test("the sandbox: nothing is changed, nothing of Python's insides is reached", () => {
  const list = { xs: [1], d: { a: 1 } };
  for (
    const change of [
      "xs.append(2)",
      "xs.pop()",
      "xs.sort()",
      "d.update({})",
      "d.pop('a')",
      "d.setdefault('b', 1)",
    ]
  ) {
    assertEquals(refusal(`{{ ${change} }}`, list)[0], "security", change);
  }
  for (const inside of ["''.__class__.mro", "xs.__init__()", "d.__class__()"]) {
    assertEquals(refusal(`{{ ${inside} }}`, list)[0], "security", inside);
  }
  assertEquals(refusal("{% set ns = namespace(_x=1) %}")[0], "security");
  assertEquals(
    render("{{ constructor }}{{ d.constructor }}{{ d.hasOwnProperty }}{{ xs.map }}{{ 'x'.at }}", list),
    "",
  );
  assertEquals(
    render("{{ d['__proto__'] }}{{ e['__proto__'] is defined }}", {
      d: JSON.parse('{"__proto__": 1}'),
      e: {},
    }),
    "1False",
  );
});

Deno.test("dates as datetime.strftime gives them (Python 3.11, Linux)", () => {
  const format =
    "%a %A|%b %B %h|%c|%C %d %D %e|%F %g %G|%H %I %j %k %l|%m %M %p %P|%r %R %S %T|%u %U %V %w %W|%x %X|%y %Y|%z%Z|%%|" +
    "%-d %-m %_d %^a %-I %-j";
  const dates: [Date, string][] = [
    [
      new Date(2024, 11, 30, 0, 5, 9),
      "Mon Monday|Dec December Dec|Mon Dec 30 00:05:09 2024|20 30 12/30/24 30|2024-12-30 25 2025|00 12 365  0 12|12 05 AM am|12:05:09 AM 00:05 09 00:05:09|1 52 01 1 53|12/30/24 00:05:09|24 2024||%|30 12 30 MON 12 365",
    ],
    [
      new Date(2000, 1, 29, 12, 0, 0),
      "Tue Tuesday|Feb February Feb|Tue Feb 29 12:00:00 2000|20 29 02/29/00 29|2000-02-29 00 2000|12 12 060 12 12|02 00 PM pm|12:00:00 PM 12:00 00 12:00:00|2 09 09 2 09|02/29/00 12:00:00|00 2000||%|29 2 29 TUE 12 60",
    ],
    [
      new Date(2021, 0, 3, 23, 59, 59),
      "Sun Sunday|Jan January Jan|Sun Jan  3 23:59:59 2021|20 03 01/03/21  3|2021-01-03 20 2020|23 11 003 23 11|01 59 PM pm|11:59:59 PM 23:59 59 23:59:59|7 01 53 0 00|01/03/21 23:59:59|21 2021||%|3 1  3 SUN 11 3",
    ],
  ];
  for (const [now, text] of dates) {
    assertEquals(renderTemplate(`{{ strftime_now('${format}') }}`, {}, now).text, text);
  }
  assertEquals(refusal("{{ strftime_now('%Q') }}")[0], "unsupported");
});

Deno.test("letters beyond ASCII and beyond the basic plane (values of Python 3.11)", () => {
  const cases: [expression: string, text: string][] = [
    ["'ß ﬁ ŉ ǆ ᾳ ΑΣ'.title()", "Ss Fi ʼN ǅ ᾼ Ας"],
    ["'ß'.upper() ~ 'İ'.lower() | length", "SS2"],
    ["'a😀b'[1] ~ 'a😀b'[::-1] ~ 'a😀b' | length", "😀b😀a3"],
    ["['é', '😀', '\\u200b', '\\x7f', '\\u3000']", "['é', '😀', '\\u200b', '\\x7f', '\\u3000']"],
    ["'\\u3000 a\\x1f'.strip() | length", "1"],
    ["'é' | tojson(ensure_ascii=true) ~ '😀' | tojson(ensure_ascii=true)", '"\\u00e9""\\ud83d\\ude00"'],
    ["['😀', 'ﬁ', 'z'] | sort | join", "zﬁ😀"],
    ["'½²Ⅻ五'.isnumeric() ~ '²'.isdigit() ~ '½'.isdigit() ~ '٣'.isdecimal()", "TrueTrueFalseTrue"],
  ];
  for (const [expression, text] of cases) assertEquals(render(`{{ ${expression} }}`), text, expression);
});

Deno.test("data: integral numbers are ints, null is None, a Map keeps its order, what is no data is refused", () => {
  assertEquals(
    render("{{ x }} {{ y }} {{ z }} {{ m }}", {
      x: [1, 2.5, -0],
      y: null,
      z: 10n,
      m: new Map([["b", 1], ["1", 2]]),
    }),
    "[1, 2.5, -0.0] None 10 {'b': 1, '1': 2}",
  );
  assertEquals(
    render("{{ x is defined }}{{ d.a is defined }}", { x: undefined, d: { a: undefined } }),
    "FalseFalse",
  );
  assertEquals(refusal("{{ f }}", { f: () => 1 })[0], "value");
});

Deno.test("a long conversation is no more than a template may do", () => {
  const messages = Array.from(
    { length: 1000 },
    (_, i) => ({ role: i % 2 ? "assistant" : "user", content: `${i} `.repeat(300) }),
  );
  const template =
    "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}{{ loop.index if loop.last }}{% endfor %}";
  assert(render(template, { messages }).endsWith("1000"));
  assertEquals(
    refusal("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}")[0],
    "limit",
  );
});
