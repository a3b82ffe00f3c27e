"use strict";
(() => {
  const number = (text) => (text === "" ? NaN : Number(text));

  const compare = (kind) => (a, b) => {
    if (kind !== "text") {
      const x = number(a), y = number(b);
      if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
      if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
    }
    return a.localeCompare(b, "en", { numeric: true });
  };

  // A table's rows are tbody elements, so that an arm and its error move together.
  const sort = (table, column, kind, down) => {
    const value = (body) => body.rows[0].cells[column].dataset.value ?? "";
    const order = compare(kind);
    const bodies = [...table.tBodies];
    bodies.sort((a, b) => {
      const x = value(a), y = value(b);
      if ((x === "") !== (y === "")) return x === "" ? 1 : -1; // no value: always last
      return down ? order(y, x) : order(x, y);
    });
    table.append(...bodies);
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const head of table.querySelectorAll("th[data-sort]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const first = head.dataset.sort === "number" ? "descending" : "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        const way = head.getAttribute("aria-sort") === first ? other : first;
        for (const th of table.querySelectorAll("th[aria-sort]")) th.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", way);
        sort(table, head.cellIndex, head.dataset.sort, way === "descending");
      });
    }
  }

  // A list of boxes with a search field: a page of those that fit, more on request.
  const PAGE = 10;
  const filtered = (name, knobs, fits) => {
    const list = document.querySelector(`#${name}-list`);
    if (!list) return;
    const text = document.querySelector(`#${name}-text`);
    const told = document.querySelector(`#${name}-count`);
    const more = document.querySelector(`#${name}-more`);
    const boxes = [...list.children].map((box) => ({ box, words: box.textContent.toLowerCase() }));
    let limit = PAGE;
    const show = () => {
      const wanted = text.value.trim().toLowerCase();
      const found = boxes.filter(({ box, words }) => words.includes(wanted) && fits(box));
      for (const { box } of boxes) box.hidden = true;
      for (const { box } of found.slice(0, limit)) box.hidden = false;
      told.textContent = `${found.length} of ${boxes.length} match`;
      more.hidden = found.length <= limit;
      more.textContent = `Show ${Math.min(found.length - limit, 50)} more`;
    };
    const anew = () => { limit = PAGE; show(); };
    text.addEventListener("input", anew);
    for (const knob of knobs) knob.addEventListener("change", anew);
    more.addEventListener("click", () => { limit += 50; show(); });
    text.closest(".filter").hidden = false;
    show();
  };

  const differ = document.querySelector("#sample-differ");
  filtered("sample", [differ].filter(Boolean), (box) => !differ.checked || "differ" in box.dataset);
  const kinds = [...document.querySelectorAll("input[name=row-kind]")];
  filtered("row", kinds, (box) => {
    const kind = kinds.find((knob) => knob.checked)?.value;
    return !kind || box.dataset.kind === kind;
  });

  // Paper has nothing to click on.
  window.addEventListener("beforeprint", () => {
    for (const box of document.querySelectorAll("details")) box.open = true;
  });
})();
