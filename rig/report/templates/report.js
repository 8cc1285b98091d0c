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

  // a figure inside a closed details element has no width yet
  const drawAll = () => all("[data-figure]").filter((node) => node.clientWidth > 0).forEach(draw);

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
    drawAll();
  }

  plotly.then(drawAll, failed);
  for (const node of all("details")) node.addEventListener("toggle", drawAll);
  for (const button of all("[data-unfold]")) {
    button.addEventListener("click", () => {
      for (const node of all("details.group")) node.open = button.dataset.unfold === "all";
    });
  }
  unfold();
  addEventListener("hashchange", unfold);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  addEventListener("resize", drawAll);
  addEventListener("beforeprint", beforePrint);
  addEventListener("afterprint", afterPrint);
  return { specs, draw };
})();
