/** "Measure it here": the button's other half, loaded when it is pressed. Never compares with a tolerance. */
const here = (name) => new URL(name, import.meta.url);
// (module (func (drop (v128.const ...)))): validates where the engine has SIMD.
const simd = new Uint8Array([
  0,
  97,
  115,
  109,
  1,
  0,
  0,
  0,
  1,
  4,
  1,
  96,
  0,
  0,
  3,
  2,
  1,
  0,
  10,
  23,
  1,
  21,
  0,
  253,
  12,
  ...Array(16).fill(0),
  26,
  11,
]);

/** Takes over a section, and measures its first cell. */
export async function start(section) {
  const find = (selector) => section.querySelector(selector);
  const run = find(".live-run"), stop = find(".live-stop"), copy = find(".live-copy"), bar = find("progress");
  const status = find(".live-status"),
    left = find(".live-left"),
    controls = [...section.querySelectorAll("select")];
  const say = (text, failed = false) => {
    status.textContent = text;
    status.classList.toggle("live-red", failed);
  };
  const running = (yes) => {
    run.disabled = yes;
    stop.hidden = bar.hidden = !yes;
    for (const control of controls) control.disabled = yes;
    if (!yes) left.textContent = "";
  };
  if (typeof WebAssembly !== "object" || !WebAssembly.validate(simd)) {
    return say(
      "This browser has no WebAssembly SIMD, which the kernels are made of: nothing was measured.",
      true,
    );
  }
  let page, worker, measuredCell, ended = () => {};
  const table = async () => {
    if (page) return page;
    const response = await fetch(here(`${section.dataset.live}.json`));
    if (!response.ok) throw new Error(`the server says ${response.status} to its list of cells`);
    return page = await response.json();
  };
  const rowOf = (name) => section.querySelector(`tr[data-cell="${CSS.escape(name)}"]`);
  const chosen = () =>
    [section.dataset.live, ...controls.map(({ name, value }) => `${name}=${value}`)].join(" ");
  const mark = () => {
    for (const row of section.querySelectorAll("tr[data-cell]")) {
      row.classList.toggle("live-chosen", row.dataset.cell === chosen());
    }
  };
  const open = () => {
    if (worker) return worker;
    worker = new Worker(here("worker.js"), { type: "module" });
    worker.onerror = (event) =>
      ended({ kind: "failed", message: event.message || "the browser did not start a worker" });
    worker.onmessage = ({ data }) => ended(data);
    return worker;
  };

  /** Lets the worker do one thing, and waits for what it says in the end. */
  function ask(kind, name) {
    const begun = performance.now();
    return new Promise((resolve, reject) => {
      let over = false;
      ended = (data) => {
        if (data.kind !== "progress") {
          over = true;
          return resolve(data);
        }
        bar.value = data.share;
        const seconds = (performance.now() - begun) / 1000;
        const rest = data.share > 0.05
          ? `, about ${Math.max(1, Math.round(seconds / data.share - seconds))} s left`
          : "";
        left.textContent = `${data.what}${rest}`;
      };
      table().then(({ cells, ...loaded }) => {
        // The reader may have stopped it meanwhile.
        if (!over) open().postMessage({ ...loaded, kind, run: cells[name].run });
      }).catch(reject);
    });
  }

  async function measure() {
    const name = chosen();
    running(true);
    copy.hidden = true;
    bar.value = 0;
    say(`Measuring ${name} in this browser.`);
    try {
      const answer = await ask("measure", name);
      if (answer.kind === "stopped") return say("Stopped: nothing was measured.");
      if (answer.kind === "failed") throw new Error(answer.message);
      show(name, page.cells[name].stored, answer);
    } catch (error) {
      worker?.terminate();
      worker = undefined;
      say(`Not measured: ${error.message}.`, true);
    } finally {
      running(false);
    }
  }

  function show(name, stored, { measured, seconds }) {
    const equal = measured.perplexity === stored.perplexity && measured.certificate === stored.certificate;
    const row = rowOf(name),
      value = row.querySelector("[data-here]"),
      proof = row.querySelector("[data-proof]");
    row.classList.toggle("live-red", !equal);
    value.textContent = measured.perplexity.toFixed(6);
    value.title = String(measured.perplexity);
    // Both hashes in full stand in the sentence above; the stored one also in the next column.
    proof.textContent = equal ? "equal" : `differs: ${measured.certificate.slice(0, 12)}`;
    measuredCell = name;
    copy.hidden = false;
    say(
      equal
        ? `Equal, bit for bit: perplexity ${measured.perplexity} ± ${
          measured.standardError.toFixed(2)
        }, certificate ${measured.certificate}, in ${seconds.toFixed(1)} s.`
        : `Not equal: the stored run has ${stored.perplexity} (${stored.certificate}), this browser ${measured.perplexity} (${measured.certificate}).`,
      !equal,
    );
  }

  stop.addEventListener("click", () => {
    worker?.terminate();
    worker = undefined;
    ended({ kind: "stopped" });
    run.focus();
  });
  // A receipt holds the bits of all logits together with what it says, so it is made by measuring once more.
  copy.addEventListener("click", async () => {
    running(true);
    copy.disabled = true;
    bar.removeAttribute("value");
    say(`Making the receipt of ${measuredCell}.`);
    try {
      const answer = await ask("receipt", measuredCell);
      if (answer.kind === "stopped") return say("Stopped: no receipt was made.");
      if (answer.kind === "failed") throw new Error(answer.message);
      const shown = find(".live-receipt");
      shown.textContent = answer.text;
      shown.hidden = false;
      await navigator.clipboard.writeText(answer.text).then(
        () => say("The receipt is copied: quantbook verify measures it again."),
        () => {
          // Without https there is no clipboard.
          getSelection().selectAllChildren(shown);
          say("The receipt is below, selected: quantbook verify measures it again.");
        },
      );
    } catch (error) {
      say(`No receipt: ${error.message}.`, true);
    } finally {
      copy.disabled = false;
      running(false);
    }
  });
  for (const control of controls) control.addEventListener("change", mark);
  run.addEventListener("click", measure);
  mark();
  await measure();
}
