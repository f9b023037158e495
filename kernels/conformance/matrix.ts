/**
 * `deno run -A kernels/conformance/matrix.ts`: a table of operations and devices with the largest error of each operation on
 * the cases of its tests, as a share of what float32 arithmetic of that device guarantees ("exact" where the bits must
 * be those of the reference, nothing where a device has the kernels of another one). A share over 1 would fail the test
 * of the operation. With `--json` one line of JSON per operation, for programs.
 */

import { compare, linearDevices, suites } from "./suite.ts";
import { referenceDevice } from "../reference.ts";
import "./attention_test.ts";
import "./decode_test.ts";
import "./hadamard_test.ts";
import "./int8_test.ts";
import "./quantize_test.ts";
import "./recurrent_test.ts";
import "./device_test.ts";

// The bits do not depend on the threads.
const devices = linearDevices.filter(({ name, family }) =>
  family.startsWith("gpu") || name.includes("1 thread")
);
const reference = referenceDevice();

const json = Deno.args.includes("--json");
if (!json) {
  console.log(["operation", "cases", ...devices.map(({ name }) => name)].join(" | "));
  console.log(["---", "---:", ...devices.map(() => "---:")].join(" | "));
}
for (const [operation, { cases, devices: own }] of suites) {
  const shares = await Promise.all(devices.map(async (device) => {
    if (!own.includes(device)) return null;
    const opened = await device.open();
    let worst = 0;
    for (const one of cases) {
      worst = Math.max(worst, compare(one, await one.run(opened), await one.run(reference), device.accuracy));
    }
    return cases.every(({ bound }) => bound === "exact") ? "exact" : worst;
  }));
  if (json) {
    const byDevice = Object.fromEntries(shares.map((share, i) => [devices[i].name, share]));
    console.log(JSON.stringify({ operation, cases: cases.length, shares: byDevice }));
  } else {
    const text = shares.map((share) => typeof share === "number" ? share.toFixed(3) : share ?? "");
    console.log([operation, cases.length, ...text].join(" | "));
  }
}
