/** In the page of a reader's own model: the script that reads files is loaded with the first of them. */
"use strict";
addEventListener("DOMContentLoaded", () => {
  const section = document.querySelector(".own"), input = section.querySelector("input");
  section.querySelector(".own-drop").hidden = false;
  section.querySelector(".own-none").remove();
  let take;
  const open = async (files) => {
    try {
      await import("./live/own.js");
      take ??= quantbookOwn(section);
    } catch {
      section.querySelector(".live-status").textContent =
        "Nothing was opened: live/own.js did not load. A page opened from a disk may load nothing: serve its folder.";
      return;
    }
    await take([...files]);
  };
  input.addEventListener("change", () => open(input.files));
  section.addEventListener("dragover", (event) => event.preventDefault());
  section.addEventListener("drop", (event) => {
    event.preventDefault();
    open(event.dataTransfer.files);
  });
});
