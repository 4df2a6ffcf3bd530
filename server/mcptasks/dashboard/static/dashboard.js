// What pages can do with scripts; without them they are complete pages that are loaded again.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("with-scripts");

  const units = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  const inWords = (seconds) => {
    seconds = Math.max(0, Math.floor(seconds));
    const found = units.findIndex(([length]) => seconds >= length);
    if (found < 0) return "0 s";
    const [length, unit] = units[found];
    const whole = Math.floor(seconds / length);
    const rest = found < 3 ? Math.floor((seconds % length) / units[found + 1][0]) : 0;
    return `${whole} ${unit}${rest && whole < 10 ? ` ${rest} ${units[found + 1][1]}` : ""}`;
  };
  const tellTimes = (within) => {
    for (const time of within.querySelectorAll("time[data-ago], time[data-since]")) {
      const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
      if (!time.title) time.title = `${time.dateTime.replace("T", " ").replace(/\.\d+Z$/, "")} UTC`;
      const text = "ago" in time.dataset ? `${inWords(seconds)} ago` : inWords(seconds);
      if (time.textContent !== text) time.textContent = text;
    }
  };

  const log = () => document.getElementById("log");
  const follow = () => {
    const box = document.getElementById("log-follow");
    if (box && box.checked && log()) log().scrollTop = log().scrollHeight;
  };
  const MAX_LINES = 5000;
  const search = () => {
    const field = document.getElementById("log-search");
    if (!field || !log()) return;
    const wanted = field.value.toLowerCase();
    let count = 0;
    for (const line of log().querySelectorAll(".lines li")) {
      const found = wanted !== "" && line.textContent.toLowerCase().includes(wanted);
      line.classList.toggle("found", found);
      count += found;
    }
    log().classList.toggle("searched", wanted !== "");
    document.getElementById("log-found").textContent = wanted ? `${count} ${count === 1 ? "line" : "lines"}` : "";
  };
  const bound = () => {
    const lines = log() && log().querySelector(".lines");
    while (lines && lines.children.length > MAX_LINES) lines.firstElementChild.remove();
  };

  const announce = (text) => { document.getElementById("announcer").textContent = text; };
  const phaseOf = () => (document.querySelector("#head .badge") || { textContent: "" }).textContent.trim();
  let phase = "";

  document.addEventListener("DOMContentLoaded", () => {
    tellTimes(document);
    follow();
    phase = phaseOf();
    setInterval(() => tellTimes(document), 1000);
  });
  document.addEventListener("input", (event) => { if (event.target.id === "log-search") search(); });
  document.addEventListener("change", (event) => { if (event.target.id === "log-follow") follow(); });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
      announce("Copied");
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select")) return;
    const field = document.getElementById("q") || document.getElementById("log-search");
    if (field) { event.preventDefault(); field.focus(); field.select(); }
  });

  const note = () => document.getElementById("live-note");
  document.addEventListener("htmx:sseOpen", () => {
    if (note()) { note().hidden = note().dataset.when === "lost"; note().textContent = "Live"; note().classList.remove("lost"); }
  });
  // A stream that was refused does not say why: the same request does, once more.
  const tellWhy = async (source) => {
    const over = new AbortController();
    try {
      const answer = await fetch(source.url, { headers: { accept: "text/plain" }, signal: over.signal });
      const words = answer.ok ? "" : (await answer.text()).trim();
      if (words && note()) note().textContent = `${words} Trying again.`;
    } catch {
      // The note has said so.
    } finally {
      over.abort();
    }
  };
  document.addEventListener("htmx:sseError", (event) => {
    if (note()) { note().hidden = false; note().textContent = "Connection lost, trying again"; note().classList.add("lost"); }
    if (event.detail.source && event.detail.source.readyState === EventSource.CLOSED) tellWhy(event.detail.source);
  });
  document.addEventListener("htmx:sseMessage", (event) => {
    tellTimes(event.target);
    if (event.target.id === "log" || event.target.matches(".lines")) { bound(); if (document.getElementById("log-search").value) search(); follow(); }
    if (event.target.id === "head" && phaseOf() !== phase) { phase = phaseOf(); announce(`The task is ${phase}`); }
  });
  document.addEventListener("htmx:afterSwap", (event) => tellTimes(event.target));
})();
