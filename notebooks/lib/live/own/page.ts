/** The page on which a reader drops a model. */
import type { Page } from "../../report/page.ts";
import starter from "./starter.js" with { type: "text" };

const options = (values: readonly (readonly [value: string | number, text: string])[]) =>
  values.map(([value, text]) => `<option value="${value}">${text}</option>`).join("");

/** "Your model", as it stands before anything is dropped. */
export const ownPage: Page = {
  file: "your-model.html",
  title: "Your model · quantbook",
  description: "The bits of a model of yours, and what rounding does to it, computed by your browser.",
  kind: "data",
  live: true,
  starter,
  body: `<section class="live own" aria-labelledby="your-model">
<h1 id="your-model">Your model</h1>
<p>Drop a GGUF file here, or a safetensors file with its <code>config.json</code> and <code>tokenizer.json</code>: up to 500 MB.
Your browser maps where its bits are, and compares the model with itself, its linear layers rounded again.
<strong>Nothing is uploaded</strong>: the file is read where it lies, and this page may connect to its own server alone,
from which it loads the suite (0.7 MB) when you drop something. A safetensors file alone is mapped, not compared.</p>
<p class="own-drop" hidden><label>Files <input type="file" multiple></label></p>
<p class="own-none">Dropping files needs JavaScript.</p>
<div class="live-controls own-controls" hidden><label>Bits <select name="bits" autocomplete="off">${
    options([4, 3, 2, 8].map((bits) => [bits, String(bits)]))
  }</select></label><label>Group size <select name="groupSize" autocomplete="off">${
    options([[32, "32"], [128, "128"], [0, "row"]])
  }</select></label><button type="button" class="live-run own-compare">Compare</button></div>
<p class="live-progress"><progress max="1" aria-label="Progress" hidden></progress> <span class="live-left"></span>
<button type="button" class="own-stop" hidden>Stop</button></p>
<p class="live-status" role="status" aria-live="polite"></p>
<div class="own-result"></div>
<div class="own-map"></div>
</section>`,
};
