/** The stored runs of a page as a plot of rings, which what is measured here fills. */

const colours = ["blue", "vermilion", "green", "purple", "orange"];
const height = 210, left = 52, right = 96, top = 22, bottom = 40;

const made = (name, given, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(given)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};
const words = (x, y, text, given = {}) =>
  made("text", { x, y, fill: "var(--plot-label)", "font-size": 11, ...given }, text);

/** Numbers in their order; words as they come. */
const inOrder = (values) =>
  values.every((value) => Number.isFinite(Number(value))) ? values.sort((a, b) => a - b) : values;

/** Round values within a range, of a logarithmic axis where it spans much. */
function ticks(low, high) {
  const step = 10 ** Math.floor(Math.log10((high - low) / 2)), found = [];
  const wide = [1, 2, 5, 10].map((times) => times * step).find((one) => (high - low) / one <= 4);
  if (high / low > 3) {
    for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10) {
      for (const one of [power, 2 * power, 5 * power]) if (one >= low && one <= high) found.push(one);
    }
  } else for (let one = Math.ceil(low / wide) * wide; one <= high; one += wide) found.push(one);
  return found.map((one) => Number(one.toPrecision(6)));
}

/**
 * Draws a plot: along it the values of the first control, a line for each of the others', perplexity upwards. Gives the figure, and what
 * adds a measured point to it. `room` is how wide it may be, in pixels.
 */
export function plotOf(controls, cells, room) {
  // Letters stay as large on a phone.
  const width = Math.min(420, Math.max(270, room));
  const all = Object.entries(cells).map(([name, { stored }]) => {
    const values = name.split(" ").slice(1).map((part) => part.slice(part.indexOf("=") + 1));
    return { name, x: values[0], line: values.slice(1).join(", "), y: stored.perplexity };
  });
  const xs = inOrder([...new Set(all.map(({ x }) => x))]),
    lines = inOrder([...new Set(all.map((one) => one.line))]);
  const ys = all.map(({ y }) => y), logarithmic = Math.max(...ys) / Math.min(...ys) > 3;
  const scale = logarithmic ? Math.log : (y) => y;
  const margin = (scale(Math.max(...ys)) - scale(Math.min(...ys))) * 0.08 || 0.01;
  const low = scale(Math.min(...ys)) - margin, high = scale(Math.max(...ys)) + margin;
  const across = (x) => left + (width - left - right) * (xs.indexOf(x) + 0.5) / xs.length;
  const upwards = (y) =>
    height - bottom -
    (height - top - bottom) * Math.min(1.04, Math.max(-0.04, (scale(y) - low) / (high - low)));
  const [first, second] = controls.map((control) => control.closest("label").firstChild.textContent.trim());
  const svg = made(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img" },
    words(4, 12, "perplexity", { fill: "var(--plot-text)" }),
    words((left + width - right) / 2, height - 6, first, {
      fill: "var(--plot-text)",
      "text-anchor": "middle",
    }),
  );
  for (const y of ticks(...logarithmic ? [Math.exp(low), Math.exp(high)] : [low, high])) {
    svg.append(
      made("line", {
        x1: left,
        x2: width - right,
        y1: upwards(y),
        y2: upwards(y),
        stroke: "var(--plot-grid)",
      }),
      words(left - 6, upwards(y) + 4, String(y), { "text-anchor": "end" }),
    );
  }
  for (const x of xs) svg.append(words(across(x), height - 22, x, { "text-anchor": "middle" }));
  const places = new Map(), labels = [];
  lines.forEach((line, i) => {
    const stroke = `var(--plot-${colours[i % colours.length]})`;
    const points = all.filter((one) => one.line === line).sort((a, b) => xs.indexOf(a.x) - xs.indexOf(b.x));
    const path = points.map(({ x, y }) => `${across(x)},${upwards(y)}`).join(" ");
    svg.append(made("polyline", { points: path, fill: "none", stroke, "stroke-opacity": 0.45 }));
    for (const { name, x, y } of points) {
      const tip = `${name}: ${y.toFixed(6)} (stored)`;
      places.set(name, { x: across(x), stroke });
      svg.append(made("circle", {
        cx: across(x),
        cy: upwards(y),
        r: 4,
        stroke,
        fill: "var(--plot-paper)",
        "stroke-width": 1.5,
        "data-tip": tip,
      }));
    }
    if (line !== "") labels.push({ y: upwards(points.at(-1).y), text: `${second} ${line}`, stroke });
  });
  // From top to bottom, none on another.
  let free = -Infinity;
  for (const { y, text, stroke } of labels.sort((a, b) => a.y - b.y)) {
    free = Math.max(free + 13, y);
    svg.append(words(width - right + 6, free + 4, text, { fill: stroke }));
  }
  const figure = document.createElement("figure"), caption = document.createElement("figcaption");
  figure.className = "live-plot";
  figure.append(svg, caption);
  const measured = new Map();
  const tell = () => {
    caption.textContent =
      `Rings are stored runs, dots were measured in this browser: ${measured.size} of ${all.length}.`;
    const list = [...measured].map(([name, y]) => `${name} ${y.toFixed(6)}`);
    svg.setAttribute(
      "aria-label",
      `Perplexities of ${all.length} stored runs. Measured here: ${list.join("; ") || "none"}`,
    );
  };
  tell();
  return {
    figure,
    /** A dot: in the colour of its line, or a red cross where it is not the stored run's. */
    add(name, y, equal) {
      const { x, stroke } = places.get(name), at = upwards(y), tip = `${name}: ${y.toFixed(6)} (here)`;
      svg.querySelector(`[data-measured="${CSS.escape(name)}"]`)?.remove();
      const given = { "data-measured": name, "data-tip": tip };
      svg.append(
        equal ? made("circle", { ...given, cx: x, cy: at, r: 4.5, fill: stroke }) : made("path", {
          ...given,
          d: `M${x - 6} ${at - 6}l12 12m0 -12l-12 12`,
          class: "live-red",
          fill: "none",
          stroke: "currentColor",
          "stroke-width": 2.5,
        }),
      );
      measured.set(name, y);
      tell();
    },
  };
}
