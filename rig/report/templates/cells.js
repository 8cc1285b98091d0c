"use strict";
// The frames behind a cell of a view-sphere map, chosen by a click on the map or by a button of the table beside it.
(() => {
  const store = document.getElementById("cells");
  if (!store) return;
  const { labels, pictures, results, spheres } = JSON.parse(store.textContent);
  const elsewhere = new Map([...document.querySelectorAll("img[data-frame]")].map((img) => [img.dataset.frame, img.src]));
  const symbols = { correct: "●", fooled: "▲", other_wrong: "■" };

  function make(tag, className, ...children) {
    const node = document.createElement(tag);
    node.className = className;
    node.append(...children);
    return node;
  }

  const percent = (prob) => `${Math.round(100 * prob)}\u00a0%`;
  const degrees = (angle) => `${angle}°`.replace("-", "\u2212");
  const picture = (hash) =>
    Object.hasOwn(pictures, hash) ? `data:image/jpeg;base64,${pictures[hash]}` : elsewhere.get(hash);

  function answer([label, prob, result]) {
    const name = results[result].replace("_", "-");
    const mark = make("span", `mark ${name}`, symbols[results[result]]);
    mark.setAttribute("aria-hidden", "true");
    return make("span", "label", mark, ` ${labels[label]} `, make("span", "soft", percent(prob)));
  }

  function frame(one, hash, name, where) {
    const image = make("img", "");
    image.src = picture(hash);
    image.alt = `${name} at azimuth and elevation ${where}: ${labels[one[0]]}`;
    return make("div", `frame ${results[one[2]].replace("_", "-")}`, image, answer(one));
  }

  function pair([view, azimuth, elevation, answers, hashes], names) {
    const where = `${degrees(azimuth)}, ${degrees(elevation)}`;
    const frames = answers.map((one, i) => frame(one, hashes[i], names[i], where));
    return make("figure", "", make("div", "beside", ...frames), make("figcaption", "", `${where} · ${view}`));
  }

  function row([view, azimuth, elevation, answers]) {
    const place = make("th", "", `${degrees(azimuth)}, ${degrees(elevation)}`, make("br", ""), make("code", "", view));
    place.scope = "row";
    return make("tr", "", place, ...answers.map((one) => make("td", "", answer(one))));
  }

  function rows(views, names) {
    const head = ["View", ...names].map((name) => make("th", "", name));
    const table = make("table", "", make("thead", "", make("tr", "", ...head)), make("tbody", "", ...views.map(row)));
    return make("div", "scroll", table);
  }

  function fill(panel, names, cell, button) {
    const withFrames = cell.views.filter((view) => view[4].length > 0);
    const others = cell.views.filter((view) => view[4].length === 0);
    const { name, said } = button.closest("tr").dataset;
    const unlisted = cell.n - cell.views.length;
    let kept = `${withFrames.length} of ${cell.n} frames kept on this page`;
    if (others.length) kept += `; the answers to ${others.length} more stand below`;
    if (unlisted) kept += `; ${unlisted} are not listed here, the rates count them`;
    panel.replaceChildren(
      make("h4", "chosen", name), make("p", "small", said), make("p", "soft small", `${kept}.`),
      make("div", "beside-grid", ...withFrames.map((view) => pair(view, names))),
      ...(others.length ? [rows(others, names)] : []),
    );
  }

  // a cell's outline is the k-th line of the map's edges, which are parted by nulls
  function mark(figure, k) {
    const [edges, chosen] = ["edges", "chosen"].map((kind) => rig.specs[figure].data.find((trace) => trace.meta === kind));
    const ends = [-1, ...edges.x.flatMap((value, i) => (value === null ? [i] : []))];
    for (const axis of ["x", "y"]) chosen[axis] = edges[axis].slice(ends[k] + 1, ends[k + 1]);
  }

  // Hammer's projection undone: degrees round the map's middle; null outside the sphere
  function direction(x, y) {
    const z2 = 1 - x * x / 16 - y * y / 4;
    if (z2 < 0.5) return null;
    const z = Math.sqrt(z2);
    return [2 * Math.atan2(z * x, 2 * (2 * z2 - 1)) * 180 / Math.PI, Math.asin(z * y) * 180 / Math.PI];
  }

  function cellAt({ bands, columns, azimuth_deg: [left, right], elevation_deg: span }, towards) {
    if (!towards) return null;
    const [low, high] = span.map((angle) => Math.sin(angle * Math.PI / 180));
    const band = (Math.sin(towards[1] * Math.PI / 180) - low) / (high - low) * bands;
    const column = (towards[0] + (right - left) / 2) / (right - left) * columns;
    if (band < 0 || band >= bands || column < 0 || column >= columns) return null;
    return Math.floor(band) * columns + Math.floor(column);
  }

  function onMap(node, event) {
    const box = node.getBoundingClientRect(), { _size: edge, xaxis, yaxis } = node._fullLayout;
    return direction(xaxis.p2d(event.clientX - box.x - edge.l), yaxis.p2d(event.clientY - box.y - edge.t));
  }

  function clickable(node, choose) {
    let down = null;
    node.addEventListener("pointerdown", (event) => { down = event; }, true);
    addEventListener("pointerup", (event) => {
      if (down && Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) < 6) choose(event);
      down = null;
    }, true);
    addEventListener("pointercancel", () => { down = null; }, true);
  }

  for (const node of document.querySelectorAll("[data-sphere]")) {
    const { grid, cells } = spheres[Number(node.dataset.sphere)];
    const maps = [...node.querySelectorAll("[data-figure]")], buttons = [...node.querySelectorAll("button[data-cell]")];
    const panel = node.querySelector(".frames-behind"), names = JSON.parse(node.dataset.names);

    function choose(k, look = true) {
      for (const button of buttons) button.setAttribute("aria-pressed", String(Number(button.dataset.cell) === k));
      fill(panel, names, cells[k], buttons[k]);
      const row = buttons[k].closest("tr"), list = node.querySelector(".cell-list");
      if (look) list.scrollTop = row.offsetTop - list.clientHeight / 2;
      for (const map of maps) { mark(map.dataset.figure, k); if (map.clientWidth) rig.draw(map); }
    }

    for (const button of buttons) button.addEventListener("click", () => choose(Number(button.dataset.cell), false));
    for (const map of maps) clickable(map, (event) => {
      const k = cellAt(grid, onMap(map, event));
      if (k !== null) choose(k);
    });
    choose(Math.floor(grid.bands / 2) * grid.columns + Math.floor(grid.columns / 2));
  }
})();
