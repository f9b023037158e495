/** A scheme reads the same from its text as from its data, and a wrong text is told with the right one. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SchemeError } from "../error.ts";
import { distill } from "../methods/distill.ts";
import { gptq } from "../methods/gptq.ts";
import { kivi } from "../methods/kivi.ts";
import { llmInt8 } from "../methods/llmint8.ts";
import { mx } from "../methods/mx.ts";
import { nvfp4 } from "../methods/nvfp4.ts";
import { qrazor } from "../methods/qrazor.ts";
import { rtn } from "../methods/rtn.ts";
import { smoothQuant } from "../methods/smoothquant.ts";
import { spqr } from "../methods/spqr.ts";
import { spinquant } from "../methods/spinquant.ts";
import { zeroQuant } from "../methods/zeroquant.ts";
import { parseScheme, type Scheme } from "../scheme.ts";
import { catalogue } from "./catalogue.ts";
import { readScheme, writeScheme } from "./scheme.ts";

const pairs: readonly (readonly [text: string, scheme: Scheme])[] = [
  ["float", {}],
  ["weights=gptq:4,g128,actOrder", { weights: gptq({ bits: 4, groupSize: 128, actOrder: true }) }],
  ["weights=gptq:grid=(nvfp4:tensorScale=none)", { weights: gptq({ grid: nvfp4({ tensorScale: "none" }) }) }],
  ["weights=rtn:4,granularity=tensor", { weights: rtn({ bits: 4, granularity: "tensor" }) }],
  ["activations=rtn:8,g16", {
    activations: rtn({ bits: 8, granularity: "group", groupSize: 16 }),
  }],
  ["weights=mx:e2m1", { weights: mx({ element: "e2m1" }) }],
  ["weights=spqr:3,outlierThreshold=null,leaveOneOut=false", {
    weights: spqr({ bits: 3, outlierThreshold: null, leaveOneOut: false }),
  }],
  ['weights=qrazor:4,compensation={"actOrder":true,"trueSequential":false,"percdamp":0.01}', {
    weights: qrazor({ bits: 4, compensation: { actOrder: true, trueSequential: false, percdamp: 0.01 } }),
  }],
  ["transforms=smoothQuant:0.55+spinquant:7 kv=kivi", {
    transforms: [smoothQuant({ alpha: 0.55 }), spinquant({ seed: 7 })],
    kv: kivi(),
  }],
  ["transforms=", { transforms: [] }],
  ["kv=kivi:4,residualLength=32", { kv: kivi({ bits: 4, residualLength: 32 }) }],
  ["kv=kivi:keyBits=4", { kv: kivi({ keyBits: 4 }) }],
  ["linears=llmInt8:4.5", { linears: llmInt8({ threshold: 4.5 }) }],
  ["transforms=distill:steps=3,weights=(zeroQuant:4,groups=2)", {
    transforms: [distill({ steps: 3, weights: zeroQuant({ bits: 4, groups: 2 }) })],
  }],
  ["head.weights=rtn:8", { head: { weights: rtn({ bits: 8 }) } }],
  ["head=()", { head: {} }],
  ["embedding=rtn:8 head.activations=rtn:8,granularity=token", {
    embedding: rtn({ bits: 8 }),
    head: { activations: rtn({ bits: 8, granularity: "token" }) },
  }],
  ["weights=rtn:4 @0-2,5.q.k(weights=rtn:8) @*(activations=float value=rtn:4)", {
    weights: rtn({ bits: 4 }),
    overrides: [
      { layers: [0, 1, 2, 5], linears: ["q", "k"], weights: rtn({ bits: 8 }) },
      { activations: "float", value: rtn({ bits: 4 }) },
    ],
  }],
  ["@3,1(weights=float) @.(weights=float)", {
    overrides: [{ layers: [3, 1], weights: "float" }, { layers: [], linears: [], weights: "float" }],
  }],
];
for (const [text, scheme] of pairs) {
  Deno.test(`${text} is a scheme, and the scheme is this text`, () => {
    assertEquals(readScheme(text), parseScheme(scheme));
    assertEquals(writeScheme(scheme), text);
  });
}

const sameAs: readonly (readonly [text: string, canonical: string])[] = [
  ["  weights=gptq:4:g128,actOrder;kv=kivi:2 ", "weights=gptq:4,g128,actOrder kv=kivi"],
  ["weights=gptq:actOrder=true,bits=4,groupSize=128", "weights=gptq:4,g128,actOrder"],
  ["weights=rtn:4,codes=restricted", "weights=rtn:4,codes=narrow"],
  ["head=rtn:4", "head.weights=rtn:4"],
  ['{"weights":{"method":"rtn","bits":4}}', "weights=rtn:4"],
  [
    '{"weights":{"method":"spqr","bits":3,"outlierThreshold":{"$float":"Infinity"}}}',
    "weights=spqr:3,outlierThreshold=null",
  ],
  ["weights=spqr:3,outlierThreshold=Infinity", "weights=spqr:3,outlierThreshold=null"],
  ['weights="rtn"', ""],
];
Deno.test("other ways to say the same", () => {
  for (const [text, canonical] of sameAs) {
    if (canonical === "") assertThrows(() => readScheme(text), SchemeError);
    else assertEquals(writeScheme(readScheme(text)), canonical);
  }
});

const wrong: readonly (readonly [text: string, code: string, said: string])[] = [
  ["weights=gtpq:4", "method", 'there is no method "gtpq": did you mean gptq?'],
  ["weights=xx:4", "method", 'there is no method "xx": expected one of abq, '],
  ["weights=gptq:4,actorder", "option", 'gptq has no option "actorder": did you mean actOrder?'],
  ["weights=gptq:4,zzz=1", "option", 'gptq has no option "zzz": expected bits, '],
  ["weights=gptq:4,bits=3", "option", "gptq: bits is given twice"],
  ["weights=gptq:9", "option", "bits is 9: expected an integer from 2 to 8"],
  ["wieghts=rtn:4", "option", 'a scheme has no part "wieghts": did you mean weights?'],
  ["rtn:4", "notation", "rtn:4 names no part: expected such as weights=rtn:4"],
  ["", "notation", "a scheme is missing"],
  ["weights=rtn:4 weights=rtn:3", "option", "weights is given twice"],
  ["head=rtn:4 head.weights=rtn:4", "option", "head.weights is given twice"],
  ["weights=rtn:4,,g8", "notation", "rtn: an option is missing between two signs"],
  ["weights=gptq:grid=(nvfp4", "notation", "has no end: expected )"],
  ["weights=rtn:4)", "notation", ") in "],
  ["@0-2", "notation", "@0-2 says nothing: expected such as @0-2(weights=rtn:8)"],
  ["@2-0(weights=float)", "notation", "2-0 in @2-0(weights=float) runs backwards"],
  ["@x(weights=float)", "notation", "x in @x(weights=float) is no layer"],
  ["@0(rtn:4)", "notation", "names no part: expected such as weights=rtn:4"],
  ["{", "notation", "the scheme is not valid JSON"],
  ['{"weights":{"method":"rtn","bits":4},"weights":{"method":"rtn","bits":3}}', "notation", "duplicate key"],
];
for (const [text, code, said] of wrong) {
  Deno.test(`${text || "nothing"} is refused: ${said}`, () => {
    const error = assertThrows(() => readScheme(text), SchemeError, said);
    assert(error instanceof SchemeError);
    assertEquals(error.code, code);
  });
}

Deno.test("random schemes go through their text unchanged, whatever options they set", () => {
  const tried = new Map<string, number>();
  const value = fc.oneof(
    fc.integer({ min: -1, max: 300 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.constantFrom(true, false, null, Infinity, -0),
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...catalogue()),
      fc.integer({ min: 0, max: 8 }),
      fc.infiniteStream(fc.tuple(fc.nat(3), value, fc.nat())),
      ({ name, fills, options }, which, draws) => {
        const given: Record<string, unknown> = { method: name };
        for (const { name: option, expected, required } of options) {
          const [chance, drawn, index] = draws.next().value ?? [1, 0, 0], set = chance === 0;
          const words = expected.startsWith("one of ") ? expected.slice(7).split(", ") : [];
          if (!set && !required) continue;
          given[option] = words.length > 0
            ? JSON.parse(words[index % words.length])
            : expected.startsWith("an integer") && required
            ? 4
            : drawn;
        }
        const site = fills[which % fills.length];
        let scheme: Scheme;
        try {
          scheme = parseScheme({ [site]: site === "transforms" ? [given] : given });
        } catch (error) {
          if (error instanceof SchemeError) return;
          throw error;
        }
        tried.set(name, (tried.get(name) ?? 0) + 1);
        assertEquals(readScheme(writeScheme(scheme)), scheme);
      },
    ),
    { numRuns: 6000, seed: 1 },
  );
  // What distill takes are schemes of another method.
  const few = catalogue().filter(({ name }) => name !== "distill" && (tried.get(name) ?? 0) < 3);
  assertEquals(few.map(({ name }) => name), []);
});
