/** What a process of its own does in tests of several: loads a model's files and prints where they lie, or why not. */
import { hubDirectory } from "../hub.ts";
import { HubError } from "./error.ts";

try {
  const directory = await hubDirectory(Deno.args[0], { patience: { tries: 2, seconds: 0.01 } });
  console.log(`in ${directory}`);
} catch (error) {
  if (!(error instanceof HubError)) throw error;
  console.log(`${error.code}: ${error.message}`);
}
