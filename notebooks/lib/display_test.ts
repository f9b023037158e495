import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { takeShown } from "./display/emit.ts";
import { formatNumber, suitableDigits } from "./display/number.ts";
import { VEGA_LITE } from "./display/plot.ts";
import { drawSvg } from "./display/svg.ts";
import { type CellValue, DisplayError, plot, provenance, show, table, verdict, witness } from "./display.ts";

async function html(rows: readonly Record<string, CellValue>[], options = {}): Promise<string> {
  return String((await table(rows, options).render())["text/html"]);
}

async function text(rows: readonly Record<string, CellValue>[], options = {}): Promise<string> {
  return String((await table(rows, options).render())["text/plain"]);
}

Deno.test("a table as text: aligned, with units, uncertainties, dashes and verdicts", async () => {
  const rows = [
    {
      name: "RTN",
      ppl: { value: 26.114, standardError: 0.121 },
      change: -0.5,
      ok: false,
      status: { status: "differs" as const },
    },
    {
      name: "SmoothQuant",
      ppl: { value: 23.5, standardError: 0.119 },
      change: null,
      ok: true,
      status: { status: "trend" as const },
    },
  ];
  const columns = [
    "name",
    { key: "ppl", label: "perplexity" },
    { key: "change", unit: "%", digits: 1 },
    "ok",
    "status",
  ];
  assertEquals(
    await text(rows, { columns, caption: "Two methods" }),
    [
      "Two methods",
      "name           perplexity  change (%)  ok   status",
      "-----------  ------------  ----------  ---  ---------",
      "RTN          26.11 ± 0.12        −0.5  no   ≠ differs",
      "SmoothQuant  23.50 ± 0.12           –  yes  ≥ trend",
    ].join("\n"),
  );
});

Deno.test("a table as HTML escapes everything and carries the numbers to sort by", async () => {
  const markup = await html([{ "<b>": '"><script>alert(1)</script>', n: -1.25 }], { caption: "<i>" });
  assert(!markup.includes("<script>") && !markup.includes("<b>") && !markup.includes("<i>"));
  assertStringIncludes(markup, 'data-sort="-1.25"');
  assertStringIncludes(markup, "−1.25");
});

Deno.test("the best value is bold only when it leads by more than twice its uncertainty", async () => {
  const rows = (
    standardError: number,
  ) => [{ p: { value: 1, standardError } }, { p: { value: 2, standardError } }];
  const options = { columns: [{ key: "p", best: "min" as const }] };
  assertStringIncludes(await html(rows(0.1), options), "<strong>1.00 ± 0.10</strong>");
  assert(!(await html(rows(0.5), options)).includes("<strong>"));
});

Deno.test("numbers: a true minus, no negative zero, two digits of uncertainty", () => {
  assertEquals([formatNumber(-0.001, 2), formatNumber(-1.5, 1), formatNumber(-Infinity, 1)], [
    "0.00",
    "−1.5",
    "−∞",
  ]);
  assertEquals(suitableDigits([1, 20, 300]), 0);
  assertEquals(suitableDigits([0.25, 1.5]), 2);
  assertEquals(suitableDigits([1 / 3, 20]), 2);
  assertEquals(suitableDigits([{ value: 23.4567, standardError: 0.0123 }]), 3);
});

Deno.test("a table refuses what it cannot show, by column", () => {
  const rows = [{ a: { value: "x" } as unknown as CellValue }];
  assertThrows(() => table(rows), DisplayError, '"a"');
  assertThrows(() => table([]), DisplayError, "without rows");
});

const spec = {
  data: { values: [{ x: 1, y: 2 }, { x: 2, y: 3 }] },
  mark: "line",
  encoding: { x: { field: "x", type: "quantitative" }, y: { field: "y", type: "quantitative" } },
};

Deno.test("a plot is the same bytes each time, and others for other data", async () => {
  const render = async (one: Record<string, unknown>) => await plot(one, { alt: "A line." }).render();
  const first = await render(spec);
  assertEquals(await render(structuredClone(spec)), first);
  assertEquals(first["text/plain"], "A line.");
  assertStringIncludes(JSON.stringify(first[VEGA_LITE]), "vega-lite/v5.json");
  const png = Uint8Array.fromBase64(String(first["image/png"]));
  assertEquals([...png.subarray(1, 4)], [...new TextEncoder().encode("PNG")]);
  const other = await render({ ...spec, data: { values: [{ x: 1, y: 2 }, { x: 2, y: 9 }] } });
  assertNotEquals(other["image/png"], first["image/png"]);
});

Deno.test("a plot may not load or link, wherever the reference hides, but its data may have such columns", async () => {
  for (
    const hostile of [
      { ...spec, data: { url: "https://example.invalid/x.json" } },
      {
        ...spec,
        transform: [{ lookup: "x", from: { data: { url: "file:///etc/passwd" }, key: "x", fields: ["y"] } }],
      },
      { ...spec, encoding: { ...spec.encoding, href: { value: "javascript:alert(1)" } } },
      { layer: [{ mark: { type: "image" } }] },
      { ...spec, usermeta: { embedOptions: [{ url: "x" }] } },
    ]
  ) {
    assertThrows(() => plot(hostile, { alt: "A" }), DisplayError, "refers to something outside");
    await assertRejects(() => drawSvg(hostile), DisplayError);
  }
  await plot({ ...spec, data: { values: [{ x: 1, y: 2, url: "a", href: "b" }] } }, { alt: "A" }).render();
});

Deno.test("a plot needs an alt text and a spec that the compiler accepts without a warning", async () => {
  assertThrows(() => plot(spec, { alt: " " }), DisplayError, "alt");
  const wrong = { ...spec, encoding: { ...spec.encoding, colour: { field: "x", type: "nominal" } } };
  await assertRejects(() => plot(wrong, { alt: "A" }).render(), DisplayError, "colour");
});

Deno.test("outside Jupyter, shown displays are collected in order, once", async () => {
  takeShown();
  await show(
    verdict({ status: "trend", title: "T", detail: "D" }),
    provenance({ device: "cpu", threads: 2, notices: [], told: ["a", "b"] }),
    witness([]),
  );
  const shown = takeShown();
  assertEquals(shown.map(({ data }) => data["text/plain"]), [
    "≥ trend · T\n  D",
    "device   cpu\nthreads  2\ntold     a\ntold 2   b",
    "Evidence on 0 published cells",
  ]);
  assertEquals(shown[0].metadata, {
    quantbook: { kind: "verdict", status: "trend", title: "T", detail: "D", claims: [] },
  });
  assertEquals(takeShown(), []);
});

Deno.test("bars that a logarithmic axis cannot show are refused", () => {
  const spec = (encoding: Record<string, unknown>) => ({
    data: { values: [{ a: 1, b: 10 }] },
    mark: { type: "bar" },
    encoding: { x: { field: "b", type: "quantitative", scale: { type: "log" } }, ...encoding },
  });
  assertThrows(
    () => plot(spec({}) as never, { alt: "A bar." }),
    DisplayError,
    "on a logarithmic x begins at 0",
  );
  plot(spec({ x2: { datum: 1 } }) as never, { alt: "A bar." });
});
