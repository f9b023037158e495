/** "Your own model": what a reader drops is opened by a worker, and goes nowhere else. */
import { startWorker } from "../client/files.js";
import { mapOf, tableOf } from "./map.js";

/** What a page takes, in bytes. */
const most = 500e6;
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

function takeOver(section) {
  const find = (name) => section.querySelector(`.own-${name}`);
  const status = section.querySelector(".live-status"), left = section.querySelector(".live-left");
  const bar = section.querySelector("progress"), stop = find("stop"), run = find("compare");
  const controls = find("controls"), map = find("map"), result = find("result");
  let worker, ended = () => {};
  const say = (text, failed = false) => {
    status.textContent = text;
    status.classList.toggle("live-red", failed);
  };
  const running = (yes) => {
    stop.hidden = bar.hidden = !yes;
    run.disabled = yes;
    if (!yes) left.textContent = "";
    bar.removeAttribute("value");
  };
  const close = () => {
    worker?.terminate();
    worker = undefined;
  };
  const open = () => {
    if (worker) return worker;
    worker = startWorker("own_worker.js");
    worker.onerror = (event) =>
      ended({ kind: "failed", message: event.message || "this browser did not start a worker" });
    worker.onmessage = ({ data }) => {
      if (data.kind !== "progress") return ended(data);
      bar.value = data.share;
      left.textContent = data.what;
    };
    return worker;
  };
  /** Asks the worker, unless the reader stops it before the question is ready. */
  const ask = (question) =>
    new Promise((resolve, reject) => {
      let over = false;
      ended = (answer) => {
        over = true;
        resolve(answer);
      };
      question().then((ready) => over || open().postMessage(ready), reject);
    });

  /** One thing from its beginning to its end; what goes wrong is a sentence. */
  async function perform(question, saying, failing, done) {
    running(true);
    say(saying);
    try {
      const answer = await ask(question);
      if (answer.kind === "stopped") return say(`Stopped: ${failing}.`);
      if (answer.kind === "failed") throw new Error(answer.message);
      done(answer);
    } catch (error) {
      close();
      const memory = /out of memory|allocat|could not grow/i.test(error.message);
      const why = memory ? `this browser has no memory left for it (${error.message})` : error.message;
      say(`${failing[0].toUpperCase()}${failing.slice(1)}: ${why}.`, true);
    } finally {
      running(false);
    }
  }

  let files = [];
  async function take(given) {
    const bytes = given.reduce((sum, { size }) => sum + size, 0);
    const names = given.map(({ name }) => name).join(", ");
    close();
    controls.hidden = true;
    map.replaceChildren();
    result.replaceChildren();
    if (given.length === 0) return say("Nothing was dropped that is a file.", true);
    if (bytes > most) {
      return say(
        `${names}: ${megabytes(bytes)}, and this page takes up to ${megabytes(most)}. Nothing was read.`,
        true,
      );
    }
    files = given;
    await perform(
      () => Promise.resolve({ kind: "open", files }),
      `Reading ${names} (${megabytes(bytes)}) in this browser.`,
      "nothing was opened",
      (answer) => {
        const { sizes, tensors, notices, refusal, family } = answer;
        if (sizes !== null) map.append(mapOf(sizes));
        map.append(tableOf(tensors));
        controls.hidden = refusal !== null;
        const what = sizes === null
          ? `${tensors.length} tensors`
          : `${family}, ${sizes.model.weights.toLocaleString("en")} weights, ${
            sizes.linear.bitsPerWeight.toFixed(2)
          } bits per weight in linear layers, ${sizes.model.bitsPerWeight.toFixed(2)} in all`;
        const told = notices.length > 0 ? ` ${notices.join(" ")}` : "";
        say(
          refusal === null
            ? `Opened: ${what}. Nothing was uploaded.${told}`
            : `Opened: ${what}. Nothing was uploaded. It cannot be compared: ${
              refusal.replace(/\.$/, "")
            }.${told}`,
          refusal !== null,
        );
      },
    );
  }

  run.addEventListener("click", () => {
    const [bits, groupSize] = ["bits", "groupSize"].map((name) =>
      Number(section.querySelector(`select[name=${name}]`).value)
    );
    const scheme = { weights: { method: "rtn", bits, ...groupSize > 0 && { groupSize } } };
    const told = `${bits} bits, ${groupSize > 0 ? `groups of ${groupSize}` : "a group a row"}`;
    return perform(
      async () => {
        const response = await fetch(new URL("test.txt", import.meta.url));
        if (!response.ok) throw new Error(`the server says ${response.status} to its text`);
        return { kind: "compare", files, scheme, text: await response.text() };
      },
      `Comparing the model with itself, linear layers rounded to ${told}.`,
      "nothing was compared",
      ({ rows }) => {
        const table = tableOf(rows, ["Rounded to", told]);
        result.prepend(table);
        say(
          `Compared: the divergence from the file's own model is ${rows[1][1]} nats, with a 95 % interval.`,
        );
      },
    );
  });
  const end = () => {
    close();
    ended({ kind: "stopped" });
  };
  stop.addEventListener("click", end);
  addEventListener("pagehide", end);
  return take;
}

// The page's script finds it here.
globalThis.quantbookOwn = takeOver;
