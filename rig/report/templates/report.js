"use strict";
// Draws every figure in the colours of the page's style, again when those change or the page is printed; opens and closes
// what is folded.
const rig = (() => {
  const root = document.documentElement;
  const specs = JSON.parse(document.getElementById("figures").textContent);
  const config = { displayModeBar: false, doubleClick: false };
  const all = (selector) => [...document.querySelectorAll(selector)];

  function themed(value, style) {
    if (typeof value === "string") return value.startsWith("--") ? style.getPropertyValue(value).trim() : value;
    if (Array.isArray(value)) return value.map((item) => themed(item, style));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, themed(item, style)]));
  }

  function draw(node) {
    if (!window.Plotly) return;
    const { data, layout } = themed(specs[node.dataset.figure], getComputedStyle(root));
    const lasting = "printing" in root.dataset ? data.filter((trace) => trace.meta !== "chosen") : data;
    Plotly.react(node, lasting, { ...layout, width: node.clientWidth, height: node.clientHeight }, config);
  }

  // what is folded away is drawn when it is unfolded; what looks as it did is not drawn again
  const looks = new Map();
  const look = (node) =>
    [node.clientWidth, node.clientHeight, getComputedStyle(root).getPropertyValue("--page"), "printing" in root.dataset].join();
  const stale = () =>
    all("[data-figure]").filter((node) => !node.closest("details:not([open])") && node.clientWidth && looks.get(node) !== look(node));
  function drawNow(node) { looks.set(node, look(node)); draw(node); }
  const drawAll = () => stale().forEach(drawNow);

  // one figure a turn, so that the page can be read and scrolled meanwhile
  let waiting = [], turn = 0;
  function drawNext() {
    const node = waiting.shift();
    if (!node) return;
    drawNow(node);
    turn = setTimeout(drawNext);
  }
  function drawSoon() {
    if (!window.Plotly) return;
    clearTimeout(turn);
    waiting = stale();
    turn = setTimeout(drawNext);
  }

  function failed() {
    for (const node of all("[data-figure]")) node.textContent = "This browser cannot draw the figure: the table has its numbers.";
  }

  // a link to something folded opens what it lies in
  function unfold() {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    if (target) target.scrollIntoView();
  }

  let folded = [];
  function beforePrint() {
    folded = all("details:not([open])");
    for (const node of folded) node.open = true;
    root.dataset.printing = "";
    drawAll();
  }
  function afterPrint() {
    for (const node of folded) node.open = false;
    delete root.dataset.printing;
    drawSoon();
  }

  plotly.then(drawSoon, failed);
  for (const node of all("details")) node.addEventListener("toggle", drawSoon);
  for (const button of all("[data-unfold]")) {
    button.addEventListener("click", () => {
      for (const node of all("details.group")) node.open = button.dataset.unfold === "all";
    });
  }
  unfold();
  addEventListener("hashchange", unfold);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawSoon);
  addEventListener("resize", drawSoon);
  addEventListener("beforeprint", beforePrint);
  addEventListener("afterprint", afterPrint);
  return { specs, draw };
})();
