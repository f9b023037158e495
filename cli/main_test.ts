/** The command: its help and every example in it, what wrong calls are told, exit codes, and how little it loads. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { exists, namesIn, pathOf, readText } from "../base/file.ts";
import { exportFormats } from "../quant/formats/export.ts";
import { catalogue } from "../quant/notation/catalogue.ts";
import { fileOf } from "../mod_testing.ts";
import { quantbook, shell } from "./call_testing.ts";
import { verbs } from "./main.ts";
import { formatOption } from "./shared_options.ts";

const root = pathOf(new URL("../", import.meta.url));
const loaded = await Promise.all(
  Object.entries(verbs).map(async ([name, { load }]) => [name, (await load()).verb] as const),
);

for (const [name, { examples }] of loaded) {
  Deno.test({
    name: `quantbook ${name}: the examples of its help run`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      const folder = await Deno.makeTempDir();
      try {
        assert(examples.length >= 2);
        for (const line of examples) {
          const { code, stdout, stderr } = await shell(line, folder);
          assertEquals(code, 0, `${line}\n${stderr}`);
          assert(stdout.trim() !== "", line);
          if (line.includes("--json")) JSON.parse(stdout);
        }
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

Deno.test("every verb has a help of its own, with its options and examples", async () => {
  const { code, stdout } = await quantbook(["--help"]);
  assertEquals(code, 0);
  for (const [name, verb] of loaded) {
    assert(new RegExp(`^  ${name} `, "m").test(stdout), name);
    const help = await quantbook([name, "--help"]);
    assertEquals(help.code, 0);
    for (const { flags } of verb.options ?? []) assert(help.stdout.includes(flags.split(" ")[0]), flags);
    for (const example of verb.examples) assert(help.stdout.includes(example), example);
    assert(help.stdout.includes("--json"));
  }
});

Deno.test("each verb has a wrong call below", () => {
  for (const [name, { words = [], options = [] }] of loaded) {
    // What takes nothing can be called wrongly by its options alone.
    if (words.length + options.length > 0) assert(wrong.some(([, verb]) => verb === name), name);
  }
});

const wrong: readonly (readonly [said: string, ...args: string[]])[] = [
  ['quantbook has no verb "mesure": did you mean measure?', "mesure"],
  ['quantbook has no verb "dance": expected one of measure, ', "dance"],
  [
    "quantbook measure: unknown option '--wieghts': did you mean --weights?",
    "measure",
    "m",
    "--wieghts",
    "rtn:4",
  ],
  ["quantbook measure: missing required argument 'MODEL'", "measure"],
  ["quantbook measure: too many arguments: expected 1 argument but got 2", "measure", "a", "b"],
  ["quantbook measure: option '--windows <N>' argument missing", "measure", "a", "--windows"],
  ["specifier is fixture:lama: did you mean fixture:llama?", "measure", "fixture:lama"],
  ["specifier is fixture:gemma: expected fixture: and one of llama, ", "measure", "fixture:gemma"],
  ['there is no method "gtpq": did you mean gptq?', "measure", "fixture:llama", "--weights", "gtpq:4"],
  ['--windows is "few": expected a whole number from 1 on', "measure", "fixture:llama", "--windows", "few"],
  ["--out is missing: expected such as --out quantized", "quantize", "fixture:llama", "--weights", "rtn:4"],
  ["a scheme is missing: expected such as --weights", "quantize", "fixture:llama", "--out", "x"],
  [
    'quantbook export: --format is "gguff": did you mean gguf?',
    ...["export", "m", "--format", "gguff", "--out", "x"],
  ],
  [
    'quantbook measure: --harness is "1.0": expected one of 0.4.8, 0.4.13',
    ...["measure", "m", "--task", "piqa", "--harness", "1.0"],
  ],
  ['quantbook doctor: --device is "gpuu": did you mean gpu?', "doctor", "--device", "gpuu"],
  ["quantbook compare: missing required argument 'CANDIDATE'", "compare", "fixture:llama"],
  ["specifier is fixture:otp: did you mean fixture:opt?", "compare", "fixture:llama", "fixture:otp"],
  ["specifier is fixture:lama: did you mean fixture:llama?", "sizes", "fixture:lama"],
  ["action is rnu: did you mean run?", "sweep", "rnu", "manifest.jsonl"],
  ["nothing.jsonl is not there: expected a file or a directory", "sweep", "run", "nothing.jsonl"],
  ["nothing.json is not there: expected a file or a directory", "verify", "nothing.json"],
  ["quantbook report: unknown option '--comitted': did you mean --committed?", "report", "--comitted"],
  ['There is no task "arc_eazy": did you mean arc_easy?', "measure", "fixture:llama", "--task", "arc_eazy"],
  ["--limit is of a task: expected --task NAME", "measure", "fixture:llama", "--limit", "3"],
  [
    "gsm8k generates text: receipts are of tasks whose answers or pages are scored",
    ...["measure", "fixture:llama", "--task", "gsm8k", "--receipt", "x.json"],
  ],
  ["shell is bsh: did you mean bash?", "completion", "bsh"],
  ['there is no method "gtpq": did you mean gptq?', "methods", "gtpq"],
  ['no claim "nothing"', "reproduce", "nothing", "--model", "fixture:llama"],
  [
    "--model is missing: expected such as --model DIRECTORY",
    "reproduce",
    "gptq_opt_ppl/OPT-125M/RTN/bits=4/c4:opt-125M",
  ],
  ["shell is tcsh: expected bash, zsh or fish", "completion", "tcsh"],
  ["quantbookReceipt is undefined: expected 1", "verify", "deno.json"],
  ["a budget is missing: expected --budget 900MB, --bits 4.2 or --divergence 0.05", "fit", "fixture:llama"],
  [
    "--budget and --bits are given: expected one of",
    "fit",
    "fixture:llama",
    "--budget",
    "1MB",
    "--bits",
    "4",
  ],
  ['--bits is "four": expected a number above 0, such as 4.2', "fit", "fixture:llama", "--bits", "four"],
  ['--divergence is "0": expected a number above 0', "fit", "fixture:llama", "--divergence", "0"],
  ['--scores has "fischer": expected some of', "fit", "fixture:llama", "--bits", "4", "--scores", "fischer"],
  ['budget is "4": expected such as 900MB', "fit", "fixture:llama", "--budget", "4"],
  ["README.md is no receipt: it is not JSON", "verify", "README.md"],
  ["nothing.json", "scheme", "nothing.json"],
  ["no/such/folder", "measure", "no/such/folder"],
];
for (const [said, ...args] of wrong) {
  Deno.test(`quantbook ${args.join(" ")}: one sentence, exit code 2`, async () => {
    const { code, stdout, stderr } = await quantbook(args);
    assertEquals([code, stdout], [2, ""], stderr);
    assert(stderr.includes(said), stderr);
    assertEquals(stderr.trim().split("\n").length, 1, stderr);
  });
}

Deno.test("results and progress: JSON alone on standard output, plain lines beside it, none when quiet", async () => {
  const args = ["measure", "fixture:llama", "--windows", "2", "--length", "32", "--json"];
  const { code, stdout, stderr } = await quantbook(args);
  const { float, scheme, quantized } = JSON.parse(stdout);
  assertEquals([code, scheme, quantized, float.tokens], [0, "float", null, 62]);
  assertEquals(/^measuring 2\/2, [\d.]+ s$/m.test(stderr), true, stderr);
  assert(!stdout.includes("\x1b") && !stderr.includes("\x1b") && !stderr.includes("\r"));
  const quiet = await quantbook([...args, "--quiet"]);
  assertEquals([quiet.code, quiet.stderr], [0, ""]);
});

Deno.test("every verb has its result as one JSON value: those whose examples do not show it", async () => {
  const folder = await Deno.makeTempDir();
  const calls: Readonly<Record<string, readonly string[]>> = {
    export: ["export", "fixture:llama", "--out", "e"],
    quantize: ["quantize", "fixture:llama", "--weights", "rtn:4:g32", "--out", "q"],
    scheme: ["scheme", "weights=rtn:4"],
    methods: ["methods", "rtn"],
    sweep: ["sweep", "plan", "grid.ts", "--out", "manifest.jsonl"],
  };
  try {
    await Deno.writeTextFile(
      `${folder}/grid.ts`,
      'export default { windows: [Int32Array.of(1, 2, 3)], cells: [{ model: "fixture:llama", label: "float", scheme: {} }] };',
    );
    for (const [name, { examples }] of loaded) {
      if (examples.some((line) => line.includes("--json"))) continue;
      const { code, stdout, stderr } = await quantbook([...calls[name], "--json"], folder);
      assertEquals(code, 0, stderr);
      assertEquals(typeof JSON.parse(stdout), "object", name);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const terminal = await new Deno.Command("sh", { args: ["-c", "command -v script"] }).output()
  .then(({ success }) => success && Deno.build.os === "linux", () => false);
if (!terminal) console.log("no util-linux script: what a terminal is shown is not tested");

Deno.test({
  name:
    "a terminal has a line that is rewritten with the time that is left, and a title in bold unless colours are off",
  ignore: !terminal,
  fn: async () => {
    const run =
      `"${Deno.execPath()}" run -A --no-check --quiet --no-lock --config "${root}deno.json" "${root}cli/main.ts"`;
    const shown = async (flags: string, env: Readonly<Record<string, string>>) => {
      const line = `${run} measure fixture:llama --windows 4 --length 32${flags}`;
      // A variable that is empty counts as absent, whatever the tests themselves run with.
      const options = {
        args: ["-qec", line, "/dev/null"],
        env: { QUANTBOOK_THREADS: "1", NO_COLOR: "", ...env },
      };
      const { code, stdout } = await new Deno.Command("script", options).output();
      assertEquals(code, 0);
      return new TextDecoder().decode(stdout);
    };
    const plain = await shown("", {}), bold = "\x1b[1mfixture:llama\x1b[22m";
    const lines = plain.split("\r\x1b[2K");
    assert(/^measuring 1\/4, [\d.]+ s left$/.test(lines[1]) && lines.length >= 5, JSON.stringify(plain));
    assert(plain.includes(bold), JSON.stringify(plain));
    assert(!(await shown(" --no-color", {})).includes(bold));
    assert(!(await shown("", { NO_COLOR: "1" })).includes(bold));
  },
});

Deno.test("what is kept to resume is told before, and is there; the second run ends with the same file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const line = ["quantize", "fixture:llama", "--weights", "gptq:4:g32,symmetric", "--resume", "layers"];
    const sizes = ["--calibration-windows", "2", "--calibration-length", "64"], files: Uint8Array[] = [];
    for (const out of ["a", "b"]) {
      const { code, stderr } = await quantbook([...line, ...sizes, "--out", out], folder);
      assertEquals(code, 0, stderr);
      assert(/^finished layers are kept in layers: at most [\d.]+ MB$/m.test(stderr), stderr);
      files.push(await Deno.readFile(`${folder}/${out}/model.gguf`));
    }
    assertEquals(files[0], files[1]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a check that fails is a finding: its sentence on standard output, exit code 1", async () => {
  const folder = await Deno.makeTempDir(), file = `${folder}/receipt.json`;
  try {
    const made = await quantbook([
      "measure",
      "fixture:llama",
      "--windows",
      "1",
      "--length",
      "64",
      "--receipt",
      file,
    ]);
    assertEquals(made.code, 0, made.stderr);
    assertEquals((await quantbook(["verify", file, "--sample", "0"])).code, 0);
    await Deno.writeTextFile(file, (await readText(file)).replace('"peakBytes":', '"peakBytes":9'));
    const { code, stdout } = await quantbook(["verify", file, "--sample", "0"]);
    assertEquals([code, stdout.startsWith("refuted: ")], [1, true], stdout);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the list of methods is that of the builders, each with its paper", async () => {
  const { stdout } = await quantbook(["methods", "--json"]);
  assertEquals(JSON.parse(stdout), JSON.parse(JSON.stringify(catalogue())));
  for (const { name } of catalogue()) {
    const one = await quantbook(["methods", name, "--json"]);
    assertEquals(JSON.parse(one.stdout).name, name);
  }
  assertEquals(formatOption.choices, [...exportFormats]);
});

Deno.test({
  name: "bash completes verbs, options and their values",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const { stdout: script } = await quantbook(["completion", "bash"]);
    const offered = async (...words: string[]) => {
      const typed = words.map((word) => `"${word}"`).join(" ");
      const line = `${script}\nCOMP_WORDS=(${typed}) COMP_CWORD=${
        words.length - 1
      }\n_quantbook; echo "\${COMPREPLY[@]}"`;
      const { stdout } = await new Deno.Command("bash", { args: ["-c", line] }).output();
      return new TextDecoder().decode(stdout).trim().split(" ");
    };
    assertEquals(await offered("quantbook", "mea"), ["measure"]);
    assertEquals(await offered("quantbook", "measure", "m", "--wei"), ["--weights"]);
    assertEquals(await offered("quantbook", "export", "m", "--format", ""), [...exportFormats]);
    assertEquals(await offered("quantbook", "report", "--comm"), ["--committed"]);
  },
});

/** What is loaded with a file, imports of types and dynamic ones left out. */
async function graph(path: string, found = new Set<string>()): Promise<Set<string>> {
  if (found.has(path)) return found;
  found.add(path);
  const text = (await readText(root + path)).replaceAll(/^import type [^;]*;|^ \*.*$/gm, "").replaceAll(
    /import\("[^"]*"/g,
    "",
  );
  for (const target of fileOf(path, text).imports) await graph(target, found);
  for (const [, name] of text.matchAll(/^(?:import|export|\}).* from "([^."][^"]*)"/gm)) found.add(name);
  return found;
}

Deno.test("the help of a verb loads the command's own files and one package", async () => {
  const found = new Set([...await graph("cli/main.ts"), ...await graph("cli/parse.ts")]);
  for (const name of Object.keys(verbs)) for (const one of await graph(`cli/${name}.ts`)) found.add(one);
  const others = [...found].filter((path) => !/^(?:cli|base)\//.test(path) && !path.startsWith("node:"));
  assertEquals(others, ["commander"]);
});

Deno.test("quantbook --help takes less than 0.4 s, and fetches no package where nothing is cached", async () => {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    await quantbook(["--help"]);
    times.push(performance.now() - start);
  }
  assertLess(Math.min(...times), 400);
  const folder = await Deno.makeTempDir();
  try {
    const { code, stdout } = await quantbook(["--help"], root, { DENO_DIR: folder });
    assertEquals([code, stdout.startsWith("Usage: ")], [0, true]);
    const packages = `${folder}/npm/registry.npmjs.org`;
    assertEquals(await exists(packages) ? await namesIn(packages) : [], []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
