/** What the report's pages can do beyond being read: theme switch, tooltips, sorting, filters, copying, contents. */
"use strict";
(() => {
  const root = document.documentElement;
  const THEMES = ["auto", "light", "dark"];
  // Storage is refused in some browsers for local files; the switch then lasts for the page.
  const stored = {
    get theme() {
      try {
        return localStorage.getItem("quantbook-theme") ?? "auto";
      } catch {
        return "auto";
      }
    },
    set theme(value) {
      try {
        localStorage.setItem("quantbook-theme", value);
      } catch { /* see above */ }
    },
  };
  const applyTheme = (theme) => {
    if (theme === "auto") root.removeAttribute("data-theme");
    else root.dataset.theme = theme;
  };
  // Before the first paint, so that no page flashes in the other theme.
  applyTheme(stored.theme);

  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  function themeSwitch() {
    let theme = THEMES.includes(stored.theme) ? stored.theme : "auto";
    const button = element("button", { type: "button", className: "theme-switch" });
    const label = () => {
      button.textContent = { auto: "◐ auto", light: "○ light", dark: "● dark" }[theme];
      button.ariaLabel = `Colour theme: ${theme}. Change it`;
    };
    button.addEventListener("click", () => {
      theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
      stored.theme = theme;
      applyTheme(theme);
      label();
    });
    label();
    document.querySelector("header.site").append(button);
  }

  function copyButtons() {
    for (const pre of all("details.code pre, .run-it pre")) {
      const button = element("button", { type: "button", className: "copy", textContent: "Copy" });
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(pre.textContent);
          button.textContent = "Copied";
        } catch {
          // Not allowed here: select the text, so that one key press copies it.
          getSelection().selectAllChildren(pre);
          button.textContent = "Selected";
        }
        button.classList.add("done");
        setTimeout(() => {
          button.textContent = "Copy";
          button.classList.remove("done");
        }, 1500);
      });
      const box = element("div", { className: "has-copy" });
      pre.replaceWith(box);
      box.append(pre, button);
    }
  }

  const sortKey = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.sort ?? cell.textContent.trim();
  };

  function sortable(table) {
    const heads = all("thead th", table);
    const body = table.tBodies[0];
    if (!body || body.rows.length < 2) return;
    heads.forEach((head, column) => {
      const button = element("button", { type: "button", className: "sort" }, ...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const rows = [...body.rows];
        const descending = head.ariaSort === "ascending";
        const keys = new Map(rows.map((row) => [row, sortKey(row, column)]));
        const numeric = [...keys.values()].every((key) => key === "" || !Number.isNaN(Number(key)));
        rows.sort((a, b) => {
          const [x, y] = [keys.get(a), keys.get(b)];
          // Missing values stay at the end in both directions.
          if (x === "" || y === "") return (x === "") - (y === "");
          const order = numeric ? Number(x) - Number(y) : x.localeCompare(y, "en", { numeric: true });
          return descending ? -order : order;
        });
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        body.append(...rows);
      });
    });
  }

  function filterable(table) {
    const heads = all("thead th", table);
    const columns = heads.flatMap((head, i) => (head.hasAttribute("data-filter") ? [i] : []));
    if (columns.length === 0) return;
    const rows = [...table.tBodies[0].rows];
    const count = element("output");
    const selects = columns.map((column) => {
      const values = [...new Set(rows.map((row) => row.cells[column].textContent.trim()))].sort();
      const select = element("select", {}, element("option", { value: "", textContent: "all" }));
      for (const value of values) select.append(element("option", { value, textContent: value }));
      select.addEventListener("change", apply);
      return select;
    });
    function apply() {
      let shown = 0;
      for (const row of rows) {
        row.hidden = columns.some((column, i) =>
          selects[i].value !== "" && row.cells[column].textContent.trim() !== selects[i].value
        );
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = `${shown} of ${rows.length} shown`;
    }
    const labels = columns.map((column, i) => element("label", {}, heads[column].textContent, selects[i]));
    const form = element("form", { className: "filters" }, ...labels, count);
    (table.closest(".table-box") ?? table).before(form);
    apply();
  }

  function tooltips() {
    const tip = element("div", { className: "tip", hidden: true, role: "tooltip" });
    document.body.append(tip);
    const hide = () => tip.style.display = "none";
    hide();
    tip.hidden = false;
    document.addEventListener("pointerover", (event) => {
      const text = event.target.closest?.("[data-tip]")?.dataset.tip;
      if (!text) return hide();
      tip.replaceChildren(
        ...text.split("; ").flatMap((part) => {
          const [, name, value] = /^(.*?): (.*)$/s.exec(part) ?? [null, "", part];
          return [element("span", { textContent: name }), element("span", { textContent: value })];
        }),
      );
      tip.style.display = "";
      const { width, height } = tip.getBoundingClientRect();
      tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
      tip.style.top = `${
        event.clientY - height - 12 < 4 ? event.clientY + 18 : event.clientY - height - 12
      }px`;
    });
    addEventListener("scroll", hide, { passive: true });
  }

  function contents() {
    const links = all(".contents a");
    if (links.length === 0) return;
    const targets = links.map((link) => document.getElementById(decodeURIComponent(link.hash.slice(1))));
    const mark = () => {
      const above = targets.findLastIndex((target) => target.getBoundingClientRect().top < innerHeight * 0.3);
      links.forEach((link, i) => link.classList.toggle("here", i === Math.max(0, above)));
    };
    addEventListener("scroll", mark, { passive: true });
    mark();
  }

  // Folded code that someone links to, or prints, is unfolded.
  function unfold() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const details = target && target.querySelector("details.code");
    if (details) details.open = true;
  }

  // The only thing that a page ever loads, and only when its button is pressed.
  function measureHere() {
    const section = document.querySelector("[data-live]");
    if (!section) return;
    const find = (name) => section.querySelector(`.live-${name}`),
      buttons = { run: find("run"), gpu: find("gpu") };
    buttons.run.hidden = false;
    if (buttons.gpu) buttons.gpu.hidden = !navigator.gpu;
    const load = async ({ currentTarget }) => {
      for (const button of Object.values(buttons)) button?.removeEventListener("click", load);
      try {
        // In a single file it is there already.
        if (!globalThis.quantbookLive) await import("./live/client.js");
        quantbookLive(section)(currentTarget === buttons.gpu ? "gpu" : "measure");
      } catch {
        find("status").textContent = location.protocol === "file:"
          ? "Not measured: a page opened from a disk may load nothing. Serve its folder (any file server will do), or take the page as a single file."
          : "Not measured: live/client.js did not load from this server.";
        listen();
      }
    };
    const listen = () => {
      for (const button of Object.values(buttons)) button?.addEventListener("click", load);
    };
    listen();
  }

  addEventListener("DOMContentLoaded", () => {
    measureHere();
    themeSwitch();
    copyButtons();
    for (const table of all("table")) filterable(table);
    for (const table of all("main table")) sortable(table);
    tooltips();
    contents();
    unfold();
    addEventListener("hashchange", unfold);
    addEventListener("beforeprint", () => all("details.code").forEach((details) => details.open = true));
  });
})();
