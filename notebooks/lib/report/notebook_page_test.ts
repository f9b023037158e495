import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { readAbout } from "../notebook/about.ts";
import { ROOT } from "../notebook/files.ts";
import { notebookWith } from "../notebook/notebook_testing.ts";
import { type Notebook, type NotebookCell, type Output, parseNotebook } from "../notebook/notebook.ts";
import { plot, table, verdict } from "../display.ts";
import type { Display } from "../display/emit.ts";
import { indexPage } from "./index_page.ts";
import { type Executed, notebookPage } from "./notebook_page.ts";
import { renderPage } from "./page.ts";
import { plotFigure } from "./plot.ts";

interface Hostile {
  readonly file: string;
  readonly wrong: string;
  readonly expect: string;
  readonly mustNotContain?: readonly string[];
}

const noSource = () => null;
const folder = join(ROOT, "fixtures/hostile/ipynb");
const hostile: Hostile[] = JSON.parse(Deno.readTextFileSync(join(folder, "index.json")));

function executedOf(notebook: Notebook, name = "sample"): Executed {
  return { name, about: readAbout(notebook, name), notebook, seconds: 1.25 };
}

/** Markup that could act: what no page may hold outside of text. */
const ACTIVE =
  /<(?:script|style|iframe|object|embed|link|meta|base|form|img(?! alt="[^"]*" src="data:image\/(?:png|jpeg);base64,[A-Za-z0-9+/\s]*=*"))\b|<[^>]*\son\w+\s*=|<[^>]*(?:href|src)="\s*(?:javascript|vbscript|data:text)/i;

for (const { file, wrong, mustNotContain = [] } of hostile.filter(({ expect }) => expect === "accept")) {
  Deno.test(`hostile notebook rendered: ${file} (${wrong.slice(0, 50)})`, async () => {
    const notebook = parseNotebook(await Deno.readFile(join(folder, file)), file);
    const started = performance.now();
    const { body } = await notebookPage(executedOf(notebook, "hostile"), noSource);
    for (const forbidden of mustNotContain) assert(!live(body).includes(forbidden), `contains ${forbidden}`);
    assertEquals(ACTIVE.exec(body)?.[0], undefined);
    assert(performance.now() - started < 3000, "took longer than 3 s");
  });
}

/** A body without the text between tags, in which anything may stand escaped. */
function live(body: string): string {
  return [...body.matchAll(/<[^>]*>/g)].map((tag) => tag[0]).join("\n");
}

async function outputOf(display: Display): Promise<Output> {
  return { output_type: "display_data", data: await display.render(), metadata: display.metadata };
}

async function sample(): Promise<Executed> {
  const values = [1, 2, 3].map((x) => ({ x, y: x * x, series: x < 3 ? "a" : "b" }));
  const encoding = {
    x: { field: "x", type: "quantitative", title: "bits" },
    y: { field: "y", type: "quantitative", title: "perplexity" },
    color: { field: "series", type: "nominal" },
  };
  const cells: NotebookCell[] = [
    {
      cell_type: "markdown",
      metadata: {},
      source: "# Title\n\nProse with $x^2$.\n\n## First part\n\n## First part",
    },
    { cell_type: "code", metadata: {}, source: "", outputs: [], execution_count: null },
    {
      cell_type: "code",
      metadata: {},
      source: "const a = 1;",
      execution_count: 1,
      outputs: [
        { output_type: "stream", name: "stdout", text: "\u001b[33m42\u001b[39m <b>" },
        await outputOf(table([{ a: 1, b: "x" }], { caption: "A table of `a`" })),
        await outputOf(
          plot({ data: { values }, mark: "point", encoding }, { alt: "A parabola.", caption: "Squares" }),
        ),
        await outputOf(
          verdict({ status: "differs", title: "Table 1", detail: "by 3 <standard> errors of `b < c`, `d`" }),
        ),
      ],
    },
    { cell_type: "code", metadata: {}, source: "let b = 0;\n".repeat(13), outputs: [], execution_count: 2 },
  ];
  return executedOf(notebookWith(cells));
}

Deno.test("a page holds prose, code, outputs and verdicts; cells are numbered as in Jupyter", async () => {
  const { body } = await notebookPage(await sample(), (path) => `https://example.org/${path}`);
  assertStringIncludes(body, "<h1>Title</h1>");
  assertEquals(body.split("<h1").length, 2);
  assertStringIncludes(body, '<h2 id="first-part">');
  assertStringIncludes(body, '<h2 id="first-part-2">');
  assertStringIncludes(body, '<a href="#first-part-2">');
  assertStringIncludes(body, "<math");
  assertStringIncludes(body, 'id="cell-1"');
  assertStringIncludes(body, "42 &lt;b&gt;");
  assertStringIncludes(body, "<caption><span>A table of <code>a</code></span></caption>");
  assertStringIncludes(body, 'class="verdict verdict-differs"');
  assertStringIncludes(body, "by 3 &lt;standard&gt; errors of <code>b &lt; c</code>, <code>d</code>");
  assertStringIncludes(body, "deno task notebooks sample");
  const folded = [...body.matchAll(/<details class="code"( open)?>/g)].map((match) => match[1] === undefined);
  assertEquals(folded, [false, true]);
});

Deno.test("a plot has a name, follows the theme, tells its values and shows its data", async () => {
  const { body } = await notebookPage(await sample(), noSource);
  assertEquals([...body.matchAll(/role="img" aria-label="A parabola."/g)].length, 2);
  assertStringIncludes(body, "var(--plot-blue)");
  assertStringIncludes(body, 'data-tip="bits: 1; perplexity: 1; series: a"');
  assertStringIncludes(body, "Data of this plot");
  assertStringIncludes(body, "<figcaption>Squares</figcaption>");
  assert(
    !body.includes("#0072b2") && !/\d\.\d{4,}/.test(body.slice(body.indexOf("<svg"))),
    "colours and digits of Vega remain",
  );
});

Deno.test("the legend of a continuous colour shows its scale", async () => {
  const spec = {
    data: { values: [{ x: 1, hits: 0 }, { x: 2, hits: 3 }] },
    mark: "rect",
    encoding: { x: { field: "x", type: "ordinal" }, color: { field: "hits", type: "quantitative" } },
  };
  const figure = await plotFigure(spec, "Hits.", "", "plot-1");
  const drawn = [
    ...figure.matchAll(/<linearGradient [^>]*id="(gradient_\d+)"[^>]*><stop offset="0" stop-color=/g),
  ];
  assertEquals(drawn.length, 2);
  for (const [, id] of drawn) assertStringIncludes(figure, `fill="url(#${id})"`);
});

Deno.test("a page's policy allows its own script and style, and nothing inline beside them", async () => {
  const page = await notebookPage(await sample(), noSource);
  const html = renderPage(page, "");
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1] ?? "";
  assert(!policy.includes("unsafe"));
  for (const kind of ["script", "style"]) {
    const [, text] = new RegExp(`<${kind}>([^]*?)</${kind}>`).exec(html) ?? [];
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)))
      .toBase64();
    assertStringIncludes(policy.replaceAll("&#39;", "'"), `${kind}-src 'sha256-${hash}'`);
  }
  assertEquals([...html.matchAll(/<(?:script|style)\b/g)].length, 2);
  assert(!/\sstyle="/.test(html));
  assert(!/(?:src|href)="(?:https?:)?\/\//.test(html.replaceAll(/<a [^>]*>/g, "")));
});

Deno.test("the index has a card with the picture, the question and the verdicts of each notebook", async () => {
  const { body } = await indexPage(
    [await sample()],
    [],
    [],
    [],
    { date: "2026-01-02", device: "cpu" },
    noSource,
  );
  assertStringIncludes(body, '<a href="sample.html">Title</a>');
  assertStringIncludes(body, "1 differs");
  assertStringIncludes(body, "last run 2026-01-02");
  const picture = /<div class="thumbnail"[^>]*>([^]*?)<\/div>/.exec(body)?.[1] ?? "";
  assertStringIncludes(picture, "<svg");
  assert(!/<text|data-tip/.test(picture));
});

Deno.test("pasted pictures are shown where they are pictures, by any name; raw cells as the text that they are", async () => {
  const png =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
  const bundle = (data: Readonly<Record<string, string>>) => data;
  const body = async (
    source: string,
    attachments: Readonly<Record<string, Readonly<Record<string, string>>>>,
  ) => {
    const cells: NotebookCell[] = [{ cell_type: "markdown", metadata: {}, source, attachments }];
    return (await notebookPage(executedOf(notebookWith(cells)), noSource)).body;
  };
  const shown = `<img alt="dot" src="data:image/png;base64,${png}">`;
  const names = [["dot.png", "dot.png"], ["image.png", "image.png"], [
    "my%20d%C3%B6t%20%231.png",
    "my döt #1.png",
  ], [
    "50%.png",
    "50%.png",
  ]];
  for (const [address, name] of names) {
    const html = await body(`![dot](attachment:${address})`, { [name]: bundle({ "image/png": png }) });
    assertStringIncludes(html, shown);
  }
  const blank = { "my (dot).png": bundle({ "image/png": png }) };
  for (
    const source of [
      "![dot](attachment:my (dot).png)",
      '<img width="50%" src="attachment:my (dot).png" alt="dot">',
      "<IMG alt='dot' onerror='alert(1)' src='attachment:my (dot).png'/>",
    ]
  ) assertStringIncludes(await body(source, blank), shown);
  const jpeg = await body("![dot](attachment:a.jpg)", { "a.jpg": { "image/jpeg": "/9j/4AAQ\nSkZJRg==" } });
  assertStringIncludes(jpeg, `<img alt="dot" src="data:image/jpeg;base64,/9j/4AAQSkZJRg==">`);
  for (
    const [source, attachments] of [
      ["![dot](attachment:b.png)", { "a.png": { "image/png": png } }],
      ["![dot](attachment:__proto__)", {}],
      ["![dot](attachment:a.svg)", { "a.svg": { "image/svg+xml": "<svg onload='alert(1)'/>" } }],
      ["![dot](attachment:a.png)", { "a.png": { "image/png": "/9j/4AAQ" } }],
      ["[dot](attachment:a.png)", { "a.png": { "image/png": png } }],
    ] as const
  ) {
    const html = await body(source, attachments);
    assert(!html.includes("<img") && !html.includes("attachment:") && html.includes("dot"), html);
  }
  const raw = await notebookPage(
    executedOf(notebookWith([{ cell_type: "raw", metadata: {}, source: "\\begin{x} <b>" }])),
    noSource,
  );
  assertStringIncludes(raw.body, "\\begin{x} &lt;b&gt;");
});
