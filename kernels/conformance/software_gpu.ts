/** What tests ask before they run thousands of tokens: whether the GPU of this process is a program on the CPU. */

import { environmentVariable } from "../../base/environment.ts";
import { describe, findAdapter, isSoftware } from "../gpu/adapter.ts";

const adapter = environmentVariable("QUANTBOOK_DEVICE") === "gpu" ? await findAdapter() : "";

/** `QUANTBOOK_DEVICE=gpu` on a software adapter such as lavapipe, some hundred times slower than a GPU. */
export const onSoftwareGpu: boolean = typeof adapter !== "string" && isSoftware(adapter);

if (onSoftwareGpu && typeof adapter !== "string") {
  console.log(
    `${describe(adapter)} computes on the CPU: tests of thousands of tokens, minutes each, are skipped`,
  );
}
