/**
 * `deno run -A kernels/device_matrix.ts`: a table of operations and devices with the largest error of each operation on
 * the cases of its tests, as a share of what float32 arithmetic of that device guarantees ("exact" where the bits must
 * be those of the reference). A share over 1 would fail the test of the operation. With `--json` one line of JSON per
 * operation, for programs.
 */

import { compare, suites, testedDevices } from "./device_suite.ts";
import { referenceDevice } from "./reference.ts";
import "./device_attention_test.ts";
import "./device_decode_test.ts";
import "./device_int8_test.ts";
import "./device_quantize_test.ts";
import "./device_test.ts";

// The bits do not depend on the threads.
const devices = testedDevices.filter(({ name, family }) => family === "gpu" || name.includes("1 thread"));
const reference = referenceDevice();

const json = Deno.args.includes("--json");
if (!json) {
  console.log(["operation", "cases", ...devices.map(({ name }) => name)].join(" | "));
  console.log(["---", "---:", ...devices.map(() => "---:")].join(" | "));
}
for (const [operation, cases] of suites) {
  const shares: (number | "exact")[] = [];
  for (const { accuracy, open } of devices) {
    const device = await open();
    let worst = 0;
    for (const one of cases) {
      worst = Math.max(worst, compare(one, await one.run(device), await one.run(reference), accuracy));
    }
    shares.push(cases.every(({ bound }) => bound === "exact") ? "exact" : worst);
  }
  if (json) {
    const byDevice = Object.fromEntries(shares.map((share, i) => [devices[i].name, share]));
    console.log(JSON.stringify({ operation, cases: cases.length, shares: byDevice }));
  } else {
    const text = shares.map((share) => share === "exact" ? share : share.toFixed(3));
    console.log([operation, cases.length, ...text].join(" | "));
  }
}
