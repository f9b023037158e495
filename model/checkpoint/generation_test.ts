/** End tokens from every file that names them, and what asks for another choice of tokens. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { CheckpointError } from "../files/error.ts";
import { loadModel } from "../load.ts";
import { readConfig } from "./read_config.ts";
import { readGeneration } from "./generation.ts";

async function read(generation: string | undefined, config: Readonly<Record<string, unknown>> = {}) {
  const directory = await Deno.makeTempDir();
  try {
    const values = JSON.parse(await Deno.readTextFile("fixtures/models/llama/config.json"));
    await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify({ ...values, ...config }));
    if (generation !== undefined) await Deno.writeTextFile(`${directory}/generation_config.json`, generation);
    const found = await readGeneration(directory, await readConfig(directory));
    return { ...found, notices: found.notices.map((one) => one.replace(`${directory}/`, "")) };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("end tokens are an id or a list, in either file or both", async () => {
  assertEquals(await read(undefined), { endTokens: [1], notices: [] });
  assertEquals(await read('{"eos_token_id": [5, 1]}'), { endTokens: [1, 5], notices: [] });
  assertEquals(await read('{"eos_token_id": 7}', { eos_token_id: [2, 3] }), {
    endTokens: [2, 3, 7],
    notices: [],
  });
  assertEquals(await read("{}", { eos_token_id: null }), { endTokens: [], notices: [] });
});

Deno.test("settings of sampling are the caller's; what changes a greedy choice is a notice, and so is what is not known", async () => {
  const quiet = {
    do_sample: true,
    temperature: 0.6,
    top_p: 0.9,
    repetition_penalty: 1.0,
    transformers_version: "5.24.0",
  };
  assertEquals((await read(JSON.stringify(quiet))).notices, []);
  const loud = {
    repetition_penalty: 1.1,
    suppress_tokens: [3],
    num_beams: 4,
    secret_sauce: 2,
    min_length: null,
  };
  assertEquals((await read(JSON.stringify(loud))).notices, [
    "generation_config.json: repetition_penalty (1.1) is not done here and was not used",
    "generation_config.json: num_beams (4) is not done here and was not used",
    "generation_config.json: suppress_tokens ([3]) is not done here and was not used",
    "generation_config.json: secret_sauce (2) is not known here and was not used",
  ]);
});

Deno.test("what is no id, and what is no JSON object, is refused by name", async () => {
  await assertRejects(() => read('{"eos_token_id": ["</s>"]}'), CheckpointError, 'eos_token_id is ["</s>"]');
  await assertRejects(
    () => read(undefined, { eos_token_id: 1.5 }),
    CheckpointError,
    "config.json: eos_token_id is 1.5",
  );
  await assertRejects(() => read("[1]"), CheckpointError, "generation_config.json: expected a JSON object");
  await assertRejects(() => read("{"), CheckpointError, "generation_config.json: ");
});

Deno.test("a text ends at a token that only generation_config.json names", async () => {
  using plain = await loadModel("fixture:llama");
  assertEquals(plain.tokenizer.endTokens, [1, 5]);
  const prompt = plain.tokenizer.encode("Four score and seven years ago");
  const long = await plain.generate(prompt, { maxNewTokens: 12, stop: [] });
  const end = long[6], before = long.indexOf(end);
  const directory = await Deno.makeTempDir();
  for (const name of ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]) {
    await Deno.symlink(`${Deno.cwd()}/fixtures/models/llama/${name}`, `${directory}/${name}`);
  }
  await Deno.writeTextFile(
    `${directory}/generation_config.json`,
    JSON.stringify({ eos_token_id: [9999, end] }),
  );
  using ending = await loadModel(directory);
  const short = await ending.generate(prompt, { maxNewTokens: 12 });
  assertEquals([...short], [...long.slice(0, before)]);
  assert(short.length < long.length);
  await Deno.remove(directory, { recursive: true });
});
