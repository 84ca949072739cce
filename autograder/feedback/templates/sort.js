
// A click on a column's heading sorts its table. Without this script the tables are complete, in the usual order.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const rank = { p: 3, n: 2, x: 1, e: 0 }; // of the marks in a cell
  const key = (row, index) => {
    const cell = row.cells[index];
    const text = cell.dataset.key ?? cell.textContent.trim();
    const mark = rank[cell.className];
    return mark ?? (text === "" || Number.isNaN(parseFloat(text)) ? text.toLowerCase() : parseFloat(text));
  };
  const order = (a, b) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1);
  [...table.tHead.rows[0].cells].forEach((heading, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [key(row, index), row]);
      rows.sort((a, b) => (descending ? order(b[0], a[0]) : order(a[0], b[0])));
      body.append(...rows.map(([, row]) => row));
    });
  });
}

// Above a table that can be filtered: a field for names, and a choice of the check that was not passed.
for (const table of document.querySelectorAll("table.filtered")) {
  const labelled = (control, words) => {
    const label = document.createElement("label");
    label.append(words, " ", control);
    return label;
  };
  const field = document.createElement("input");
  field.type = "search";
  const choice = document.createElement("select");
  choice.add(new Option(table.dataset.all, ""));
  [...table.tHead.rows[0].cells].forEach((cell, index) => {
    const full = cell.querySelector("abbr")?.title;
    if (full) choice.add(new Option(`${cell.textContent.trim()}: ${full}`, index));
  });
  const bar = document.createElement("p");
  bar.className = "filter";
  bar.append(labelled(field, table.dataset.filter), labelled(choice, table.dataset.below));
  table.parentElement.before(bar);
  const apply = () => {
    const wanted = field.value.trim().toLowerCase();
    for (const row of table.tBodies[0].rows) {
      const named = row.cells[0].textContent.toLowerCase().includes(wanted);
      row.hidden = !named || (choice.value !== "" && row.cells[choice.value].className === "p");
    }
  };
  field.addEventListener("input", apply);
  choice.addEventListener("change", apply);
}
