"use strict";
// Draws every figure in the colours of the page's style, again when those change or the page is printed.
const rig = (() => {
  const root = document.documentElement;
  const specs = JSON.parse(document.getElementById("figures").textContent);
  const config = { displayModeBar: false, doubleClick: false };

  function themed(value, style) {
    if (typeof value === "string") return value.startsWith("--") ? style.getPropertyValue(value).trim() : value;
    if (Array.isArray(value)) return value.map((item) => themed(item, style));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, themed(item, style)]));
  }

  function draw(node) {
    const { data, layout } = themed(specs[node.dataset.figure], getComputedStyle(root));
    Plotly.react(node, data, { ...layout, width: node.clientWidth, height: node.clientHeight }, config);
  }

  // a figure inside a closed details element has no width yet
  const drawn = () => [...document.querySelectorAll("[data-figure]")].filter((node) => node.clientWidth > 0);
  const drawAll = () => drawn().forEach(draw);

  drawAll();
  document.querySelectorAll("details").forEach((node) => node.addEventListener("toggle", drawAll));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  addEventListener("resize", drawAll);
  addEventListener("beforeprint", () => { root.dataset.printing = ""; drawAll(); });
  addEventListener("afterprint", () => { delete root.dataset.printing; drawAll(); });
  return { specs, draw };
})();
