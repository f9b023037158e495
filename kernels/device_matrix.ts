/**
 * `deno run -A kernels/device_matrix.ts`: a table of operations and devices with the largest error of each operation on
 * the cases of its tests, as a share of what float32 arithmetic of that device guarantees ("exact" where the bits must
 * be those of the reference). A share over 1 would fail the test of the operation.
 */

import { compare, suites, testedDevices } from "./device_suite.ts";
import { referenceDevice } from "./reference.ts";
import "./device_attention_test.ts";
import "./device_decode_test.ts";
import "./device_int8_test.ts";
import "./device_quantize_test.ts";
import "./device_test.ts";

// The CPU's bits do not depend on its threads.
const devices = testedDevices.filter(({ name, family }) => family !== "cpu" || name.includes("1 thread"));
const reference = referenceDevice();

console.log(["operation", "cases", ...devices.map(({ name }) => name)].join(" | "));
console.log(["---", "---:", ...devices.map(() => "---:")].join(" | "));
for (const [name, cases] of suites) {
  const shares: string[] = [];
  for (const { accuracy, open } of devices) {
    const device = await open();
    let worst = 0;
    for (const one of cases) {
      worst = Math.max(worst, compare(one, await one.run(device), await one.run(reference), accuracy));
    }
    shares.push(cases.every(({ bound }) => bound === "exact") ? "exact" : worst.toFixed(3));
  }
  console.log([name, cases.length, ...shares].join(" | "));
}
