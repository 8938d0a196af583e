// Filters lists and tables by their rows' names, sorts tables, marks those that go on to the right,
// and shows what a dot tells.
"use strict";
(() => {
  const filterable = document.querySelectorAll("[data-filter]");
  for (const list of filterable) {
    const kinds = {OL: "li:not(.axis)", SECTION: ".place"};
    const rows = [...list.querySelectorAll(kinds[list.tagName] || "tbody tr")];
    if (rows.length < 6) continue;
    const field = document.createElement("input");
    field.type = "search";
    field.className = "filter";
    field.placeholder = list.dataset.filter;
    field.setAttribute("aria-label", list.dataset.filter);
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      for (const row of rows) {
        const name = (row.querySelector("h3, th") || row.firstElementChild).textContent.toLowerCase();
        row.hidden = !name.includes(wanted);
      }
    });
    (list.tagName === "SECTION" ? rows[0] : list.closest(".scroll") || list).before(field);
  }

  const value = (row, column) => {
    const text = row.children[column] ? row.children[column].textContent.trim() : "";
    const number = parseFloat(text.replace(/\s/g, "").replace("\u2212", "-").replace(",", "."));
    return Number.isNaN(number) ? text : number;
  };
  for (const table of document.querySelectorAll(".scroll table:not(.matrix)")) {
    const body = table.tBodies[0];
    const heads = table.tHead ? [...table.tHead.rows[0].cells] : [];
    if (!body || body.rows.length < 3) continue;
    heads.forEach((head, column) => {
      head.tabIndex = 0;
      head.classList.add("sorts");
      const sort = () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body.rows].filter((row) => !row.classList.contains("foot"));
        rows.sort((one, other) => {
          const a = value(one, column), b = value(other, column);
          const order = typeof a === typeof b
            ? (a < b ? -1 : a > b ? 1 : 0)
            : (typeof a === "number" ? -1 : 1);
          return down ? -order : order;
        });
        rows.reverse().forEach((row) => body.prepend(row));
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
    });
  }

  // What is folded up on the screen cannot be unfolded on paper.
  window.addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll(".alarms details")) folded.open = true;
  });

  const mark = () => {
    for (const table of document.querySelectorAll(".scroll")) {
      table.classList.toggle("more", table.scrollWidth > table.clientWidth);
    }
  };
  mark();
  window.addEventListener("resize", mark);

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);
  for (const dot of document.querySelectorAll("svg .dot")) {
    const title = dot.querySelector("title");
    const text = title.textContent;
    dot.setAttribute("aria-label", text);
    const show = () => {
      title.textContent = ""; // else the browser shows it a second time
      tip.textContent = text;
      tip.hidden = false;
      const place = dot.getBoundingClientRect();
      const left = Math.min(place.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
      tip.style.left = `${Math.max(8, left) + window.scrollX}px`;
      tip.style.top = `${place.top + window.scrollY - tip.offsetHeight - 8}px`;
    };
    const hide = () => { tip.hidden = true; title.textContent = text; };
    dot.addEventListener("pointerenter", show);
    dot.addEventListener("pointerleave", hide);
    dot.addEventListener("focus", show);
    dot.addEventListener("blur", hide);
  }
})();
