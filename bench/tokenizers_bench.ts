/**
 * Text to ids and back: the suite's tokenizer beside the library that it replaced, on a State of the Union corpus with the
 * tokenizers of two fixture models: `deno task bench bench/tokenizers_bench.ts`. *Again* is a text whose words were met before.
 */
import { Tokenizer } from "@huggingface/tokenizers";
import { loadTokenizer } from "../model/tokenizer/tokenizer.ts";

const fixtures = new URL("../fixtures/", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, fixtures));
const text = await read("corpora/sotu.test.txt");

for (const name of ["llama", "opt"]) {
  const folder = `models/${name}`;
  const json = JSON.parse(await read(`${folder}/tokenizer.json`));
  const config = JSON.parse(await read(`${folder}/tokenizer_config.json`));
  const library = new Tokenizer(json, config);
  const open = () => loadTokenizer(`fixtures/${folder}`);
  const ours = await open(), ids = ours.encode(text), list = Array.from(ids);
  if (library.encode(text).ids.join() !== list.join()) throw new Error(`${name}: the two give other ids`);

  Deno.bench(`${name}, encode, library`, { group: `${name} encode` }, () => {
    library.encode(text);
  });
  Deno.bench(`${name}, encode, ours, first time`, { group: `${name} encode` }, async (bench) => {
    const fresh = await open();
    bench.start();
    fresh.encode(text);
    bench.end();
  });
  Deno.bench(`${name}, encode, ours, again`, { group: `${name} encode`, baseline: true }, () => {
    ours.encode(text);
  });
  Deno.bench(`${name}, decode, library`, { group: `${name} decode` }, () => {
    library.decode(list);
  });
  Deno.bench(`${name}, decode, ours`, { group: `${name} decode`, baseline: true }, () => {
    ours.decode(ids);
  });
}
