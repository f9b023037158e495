/** The worker of a page: measures one cell a message, on the CPU. */
import { writeNumbers } from "../../../base/json.ts";
import { measureInPage } from "../../../browser.ts";
import { giveSourceHash } from "../../../browser/key.ts";
import { makeReceipt } from "../../../eval/receipt.ts";
import { parseScheme } from "../../../quant/scheme.ts";
import { answer, load, post } from "./worker/load.ts";

answer(async (question) => {
  const given = await load(question), start = performance.now(), { run, kind, source } = question;
  if (kind === "receipt") {
    giveSourceHash(source);
    const receipt = await makeReceipt({
      model: run.model,
      scheme: parseScheme(run.scheme),
      text: { name: "sotu", split: "test", ...run.text },
      calibration: { name: "sotu", split: "train", ...run.calibration },
    });
    return { kind: "receipt", text: writeNumbers(receipt) };
  }
  const measured = await measureInPage({
    ...given,
    onProgress: (what, share) => post({ kind: "progress", what, share: 0.2 + 0.8 * share }),
  });
  return { kind: "measured", measured, seconds: (performance.now() - start) / 1000 };
});
