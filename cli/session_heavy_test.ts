/** The session of docs/command-line.md, its export run in ONNX Runtime. */
import { runSession } from "./session_testing.ts";

Deno.test({
  name: "the session of docs/command-line.md, with ONNX Runtime",
  ignore: Deno.build.os === "windows",
  fn: (test) => runSession(test, { runtimes: true }),
});
