/** Published rows become the schemes that they describe, and the command that is printed runs. */
import { assert, assertEquals } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { parseScheme } from "../../mod.ts";
import { commandOfClaim, loadClaims, schemeOfClaim, taskOfClaim } from "../claims.ts";

const claims = await loadClaims();
const schemeAt = (id: string) => {
  const claim = claims.find((one) => one.id === id);
  if (claim === undefined) throw new Error(`no claim ${id}`);
  return schemeOfClaim(claim);
};
const model = "LLaMA-3.1-8B-Instruct";

Deno.test("bits, groups and parts as the row says", () => {
  assertEquals(schemeAt(`kivi_ppl/${model}/baseline/bits=16/wikitext2`), {});
  const smooth = schemeAt(`smoothquant_alpha_sweep/${model}/SmoothQuant/bits_w=8,bits_a=8,alpha=0.35/c4`);
  const of = (part: unknown, key: string) => (part as Record<string, unknown>)[key];
  assertEquals([
    of(smooth?.transforms?.[0], "alpha"),
    of(smooth?.weights, "bits"),
    of(smooth?.activations, "bits"),
  ], [
    0.35,
    8,
    8,
  ]);
  const lut = schemeAt(`lutgemm_ppl/${model}/RTN/bits=4,groupsize=128/c4`);
  assertEquals([of(lut?.weights, "bits"), of(lut?.weights, "groupSize"), lut?.activations], [
    4,
    128,
    undefined,
  ]);
  const zero = schemeAt(`zeroquant_ppl/${model}/ZeroQuant/setting=W4/8A16,quantize_groups=4096/c4`);
  assertEquals([of(zero?.weights, "bits"), of(zero?.weights, "mlpBits"), zero?.activations], [
    8,
    4,
    undefined,
  ]);
  const opt = claims.find(({ table, method, settings }) =>
    table === "gptq_opt_ppl" && method === "GPTQ" && settings.bits === 3
  );
  assertEquals([
    of(opt && schemeOfClaim(opt)?.weights, "bits"),
    of(opt && schemeOfClaim(opt)?.weights, "actOrder"),
  ], [3, false]);
  assertEquals(of(schemeAt(`kivi_gen/${model}/KIVI-2/bits=2/gsm8k`)?.kv, "prefill"), "full");
  assertEquals(of(schemeAt(`kivi_ppl/${model}/KIVI-2/bits=2/c4`)?.kv, "prefill"), "quantized");
  const kept = schemeAt(
    "quik_zeroshot/LLaMA-2-70B/QUIK/bits_w=4,bits_a=4,groupsize_w=-1,outliers=256/zeroshot_avg",
  );
  assertEquals([of(kept?.weights, "kept"), of(kept?.overrides?.[0].weights, "bits")], [256, 8]);
  assertEquals(
    schemeAt(`gptaq_readme/${model}/GPTAQ/sym=true,act_order=true,nsamples=256/arc_challenge_acc`),
    null,
  );
  const rows = "bits_w=4,bits_a=8,groupsize_w=-1/wikitext2";
  assertEquals(of(schemeAt(`odyssey_ablation/LLaMA-7B/vanilla W4A8/${rows}`)?.weights, "clipping"), "none");
  assertEquals(of(schemeAt(`odyssey_ablation/LLaMA-7B/+LWC/${rows}`)?.weights, "compensation"), false);
  assertEquals(of(schemeAt(`odyssey_ppl/LLaMA-65B/OdysseyLLM/${rows}`)?.weights, "compensation"), true);
  assertEquals(schemeAt("odyssey_latency/LLaMA-7B/OdysseyLLM/-/none"), null);
  const marlin = "marlin_accuracy/LLaMA-2-7B/GPTQ(MARLIN)/bits_w=4,bits_a=16,groupsize_w=128/wikitext2";
  assertEquals(of(schemeAt(marlin)?.weights, "search"), "compensated");
  const figure = (row: string) => schemeAt(`qqq_ppl/LLaMA-3-8B/${row}/wikitext2`);
  const grouped = figure("QQQ/bits_w=4,bits_a=8,groupsize_w=128");
  assertEquals([of(grouped?.weights, "groupSize"), of(grouped?.activations, "bits")], [128, 8]);
  assertEquals(of(figure("AWQ/bits_w=4,bits_a=16,groupsize_w=128")?.weights, "groupSize"), 128);
  assertEquals(figure("QoQ/bits_w=4,bits_a=8,groupsize_w=-1"), null);
  const searched = schemeAt("llm_fp4/LLaMA-7B/FPQ baseline/bits=4/4/4/average")?.linears;
  assertEquals([of(searched, "search"), of(searched, "embeddingBits"), of(searched, "rounds")], [
    "tensor",
    4,
    3,
  ]);
  assertEquals(
    of(schemeAt("llm_fp4/LLaMA-13B/MinMax FP (E2M1)/bits=4/4/4/boolq")?.linears, "search"),
    "none",
  );
  assertEquals(schemeAt("llm_fp4/LLaMA-7B/LLM-QAT/bits=16/4/4/piqa"), null);
  assertEquals(schemeAt("gptq_paper_latency/-/-/gpu=A100-80GB,gpus=5->1/fp16_ms"), null);
});

Deno.test("every scheme is whole, every accuracy has a task, and most claims a command", () => {
  let commands = 0;
  for (const claim of claims) {
    const scheme = schemeOfClaim(claim);
    if (scheme !== null) parseScheme(JSON.parse(JSON.stringify(scheme)));
    const command = commandOfClaim(claim);
    if (command === null) continue;
    commands++;
    assert(command.includes(`"${claim.id}"`));
    if (claim.metric !== "perplexity") assert(taskOfClaim(claim).tasks.length > 0, claim.id);
  }
  assert(commands > 800, `${commands} commands`);
});

Deno.test("the command measures, or says what it misses", async () => {
  const run = async (id: string, ...rest: string[]) => {
    const args = [
      "run",
      "-A",
      pathOf(new URL("../../cli/main.ts", import.meta.url)),
      "reproduce",
      id,
      ...rest,
    ];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" } })
      .output();
    return [code, new TextDecoder().decode(stdout), new TextDecoder().decode(stderr)] as const;
  };
  const fixture = ["--model", "fixture:llama", "--limit", "2"];
  const [code, accuracy] = await run(`kivi_acc/${model}/KIVI-4/bits=4/piqa`, ...fixture);
  assertEquals(code, 0);
  assert(/claimed {2}79\.92\nmeasured (100|50|0)\.0000/.test(accuracy), accuracy);
  const [refused, , usage] = await run("nothing", ...fixture);
  assertEquals([refused, usage.includes('no claim "nothing"')], [2, true]);
});
