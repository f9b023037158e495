/** "Measure it here": the button's other half, loaded when it is pressed. Never compares with a tolerance. */
import { cellsOf, givenFiles, startWorker } from "./client/files.js";
import { plotOf } from "./client/plot.js";

// (module (func (drop (v128.const ...)))): validates where the engine has SIMD.
const simd = new Uint8Array([
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 23, 1, 21, 0, 253, 12],
  ...Array(16).fill(0),
  ...[26, 11],
]);

/** Why this browser cannot measure, or nothing. */
function missing() {
  if (typeof WebAssembly !== "object" || !WebAssembly.validate(simd)) {
    return "This browser has no WebAssembly SIMD, which the kernels are made of: nothing was measured.";
  }
  if (typeof Worker !== "function") return "This browser has no workers: nothing was measured.";
}

/** What an engine says where it has no memory to give, in words of readers. */
const reason = (message) =>
  /out of memory|allocat|could not grow|memory.*(?:grow|exhaust)/i.test(message)
    ? `this browser has no memory left for it (${message})`
    : message;

/** Takes over a section. */
function takeOver(section) {
  const find = (selector) => section.querySelector(selector);
  const stop = find(".live-stop"), copy = find(".live-copy"), bar = find("progress");
  const status = find(".live-status"), left = find(".live-left");
  const buttons = [find(".live-run"), find(".live-gpu")].filter(Boolean),
    controls = [...section.querySelectorAll("select")];
  const say = (text, failed = false) => {
    status.textContent = text;
    status.classList.toggle("live-red", failed);
  };
  const running = (yes) => {
    stop.hidden = bar.hidden = !yes;
    for (const one of [...buttons, ...controls, copy]) one.disabled = yes;
    if (!yes) left.textContent = "";
  };
  let page, worker, kindOfWorker, plot, measuredCell, ended = () => {};
  const rowOf = (name) => section.querySelector(`tr[data-cell="${CSS.escape(name)}"]`);
  const chosen = () =>
    [section.dataset.live, ...controls.map(({ name, value }) => `${name}=${value}`)].join(" ");
  const mark = () => {
    for (const row of section.querySelectorAll("tr[data-cell]")) {
      row.classList.toggle("live-chosen", row.dataset.cell === chosen());
    }
  };
  const close = () => {
    worker?.terminate();
    worker = undefined;
  };

  /** The list of cells, once; the plot with it. */
  async function table() {
    if (page) return page;
    page = await cellsOf(section.dataset.live);
    const table = find(".table-box");
    plot = plotOf(controls, page.cells, table.clientWidth);
    table.before(plot.figure);
    return page;
  }

  /** A worker of a kind, and what it must be given at first. */
  function open(kind) {
    if (worker && kindOfWorker === kind) return {};
    close();
    kindOfWorker = kind;
    worker = startWorker(kind);
    worker.onerror = (event) => {
      event.preventDefault?.();
      ended({ kind: "failed", message: event.message || "this browser did not start a worker" });
    };
    worker.onmessage = ({ data }) => ended(data);
    return { given: givenFiles(page) };
  }

  /** Lets a worker do one thing, and waits for what it says in the end. */
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
        if (over) return;
        const given = open(kind === "gpu" ? "gpu.js" : "worker.js");
        worker.postMessage({ ...loaded, ...given, kind, run: cells[name].run, stored: cells[name].stored });
      }).catch(reject);
    });
  }

  /** Does one thing with everything that belongs to its beginning and its end; `done` is given the answer. */
  async function perform(kind, name, saying, nothing, done) {
    running(true);
    if (kind === "receipt") bar.removeAttribute("value");
    else bar.value = 0;
    say(saying);
    try {
      const answer = await ask(kind, name);
      if (answer.kind === "stopped") return say(`${answer.why ?? "Stopped"}: ${nothing}.`);
      if (answer.kind === "failed") throw new Error(answer.message);
      await done(answer);
    } catch (error) {
      close();
      if (kind === "measure") differ(name, "not measured");
      say(`${kind === "receipt" ? "No receipt" : "Not measured"}: ${reason(error.message)}.`, true);
    } finally {
      running(false);
    }
  }

  /** A row whose number is not what is stored. */
  function differ(name, text) {
    const row = rowOf(name);
    row.classList.add("live-red");
    row.querySelector("[data-proof]").textContent = text;
  }

  function show(name, { measured, seconds }) {
    const { stored } = page.cells[name], { perplexity, certificate } = measured;
    const equal = perplexity === stored.perplexity && certificate === stored.certificate;
    const row = rowOf(name), value = row.querySelector("[data-here]");
    value.textContent = perplexity.toFixed(6);
    value.title = String(perplexity);
    row.classList.remove("live-red");
    row.querySelector("[data-proof]").textContent = "equal";
    // Both hashes in full stand in the sentence above; the stored one also in the next column.
    if (!equal) differ(name, `differs: ${certificate.slice(0, 12)}`);
    plot.add(name, perplexity, equal);
    measuredCell = name;
    copy.hidden = false;
    say(
      equal
        ? `Equal, bit for bit: perplexity ${perplexity} ± ${
          measured.standardError.toFixed(2)
        }, certificate ${certificate}, in ${seconds.toFixed(1)} s.`
        : `Not equal: the stored run has ${stored.perplexity} (${stored.certificate}), this browser ${perplexity} (${certificate}).`,
      !equal,
    );
  }

  const measure = (kind) => {
    const why = missing(), name = chosen();
    if (why !== undefined) return say(why, true);
    copy.hidden = true;
    return kind === "gpu"
      ? perform(
        kind,
        name,
        `Testing this browser's GPU, then measuring ${name} on it.`,
        "nothing was measured",
        showGpu,
      )
      : perform(
        kind,
        name,
        `Measuring ${name} in this browser.`,
        "nothing was measured",
        (answer) => show(name, answer),
      );
  };
  const showGpu = ({ text, failed }) => say(text, failed);

  const end = (why) => {
    close();
    ended({ kind: "stopped", why });
  };
  stop.addEventListener("click", () => {
    end("Stopped");
    buttons[0].focus();
  });
  // A page that is left computes nothing; it may be returned to.
  addEventListener("pagehide", () => end("Stopped as the page was left"));
  // A receipt holds the bits of all logits together with what it says, so it is made by measuring once more.
  copy.addEventListener("click", () =>
    perform(
      "receipt",
      measuredCell,
      `Making the receipt of ${measuredCell}.`,
      "no receipt was made",
      async ({ text }) => {
        const shown = find(".live-receipt");
        shown.textContent = text;
        shown.hidden = false;
        await navigator.clipboard.writeText(text).then(
          () => say("The receipt is copied: quantbook verify measures it again."),
          () => {
            // Without https there is no clipboard.
            getSelection().selectAllChildren(shown);
            say("The receipt is below, selected: quantbook verify measures it again.");
          },
        );
      },
    ));
  for (const control of controls) control.addEventListener("change", mark);
  buttons.forEach((button, i) => button.addEventListener("click", () => measure(["measure", "gpu"][i])));
  mark();
  return measure;
}

// The page's script finds it here, whether it was loaded or stood in the page.
globalThis.quantbookLive = takeOver;
