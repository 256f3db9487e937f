(() => {
  "use strict";
  const LETTERS = "atocue-";
  document.documentElement.classList.add("js"); // before the table is laid out: its rows are shown page by page
  document.addEventListener("DOMContentLoaded", start);

  function start() {
    const table = document.getElementById("cases");
    const all = [...table.tBodies].map((body, place) => ({
      body,
      place,
      id: body.id,
      task: body.dataset.t,
      letters: body.dataset.v,
      sure: body.dataset.c.split(","),
      rank: Number(body.dataset.r || 0),
      text: null,
    }));
    const byId = new Map(all.map((row) => [row.id, row]));
    const state = { rows: all, shown: [], key: null, down: false, page: 0, size: 50 };
    for (const row of all) row.body.remove();
    table.classList.add("ready");
    addPlayers(table);
    const field = (name) => document.getElementById(`f-${name}`);
    const form = document.getElementById("filters");
    form.hidden = document.getElementById("shown").hidden = document.getElementById("pager").hidden = false;

    function matches(row, want) {
      if (want.task && row.task !== want.task) return false;
      if (want.turned && !row.rank) return false;
      if (want.verdict) {
        const letters = want.condition === "" ? row.letters : row.letters[want.condition];
        if (!letters.includes(want.verdict)) return false;
      }
      if (!want.words.length) return true;
      row.text ??= `${row.id} ${row.body.textContent}`.toLowerCase();
      return want.words.every((word) => row.text.includes(word));
    }

    function filter() {
      const want = {
        task: field("task").value,
        condition: field("condition").value,
        verdict: field("verdict").value,
        turned: field("turned").checked,
        words: field("text").value.toLowerCase().split(/\s+/).filter(Boolean),
      };
      state.rows = all.filter((row) => matches(row, want));
      state.page = 0;
      sort();
    }

    function order(key) {
      const worth = (row) => LETTERS.indexOf(row.letters[key]) * 2 - Number(row.sure[key] || 0);
      if (key === "id") return (a, b) => a.place - b.place;
      if (key === "rank") return (a, b) => (a.rank || Infinity) - (b.rank || Infinity) || a.place - b.place;
      if (key === "gold") {
        const gold = (row) => row.body.rows[0].cells[1].textContent;
        return (a, b) => gold(a).localeCompare(gold(b)) || a.place - b.place;
      }
      return (a, b) => worth(a) - worth(b) || a.place - b.place;
    }

    function sort() {
      if (state.key !== null) {
        const compare = order(state.key);
        state.rows.sort((a, b) => (state.down ? compare(b, a) : compare(a, b)));
      }
      show();
    }

    function show() {
      const size = state.size || state.rows.length || 1;
      const pages = Math.max(1, Math.ceil(state.rows.length / size));
      state.page = Math.min(Math.max(state.page, 0), pages - 1);
      for (const row of state.shown) row.body.remove();
      state.shown = state.rows.slice(state.page * size, (state.page + 1) * size);
      table.append(...state.shown.map((row) => row.body));
      const first = state.shown.length ? state.page * size + 1 : 0;
      const last = state.page * size + state.shown.length;
      document.getElementById("shown").textContent =
        `${state.rows.length} of ${all.length} samples match; ${first} to ${last} are shown`;
      document.getElementById("place").textContent = `page ${state.page + 1} of ${pages}`;
      document.getElementById("before").disabled = state.page === 0;
      document.getElementById("after").disabled = state.page === pages - 1;
    }

    function turn(step) {
      state.page += step;
      show();
      document.getElementById("samples").scrollIntoView();
    }

    function go() {
      const row = byId.get(decodeURIComponent(location.hash.slice(1)));
      if (!row) return;
      if (!state.rows.includes(row)) {
        form.reset();
        filter();
      }
      state.page = Math.floor(state.rows.indexOf(row) / (state.size || all.length));
      show();
      const details = row.body.querySelector("details");
      details.open = true;
      row.body.scrollIntoView({ block: "center" });
      details.querySelector("summary").focus({ preventScroll: true });
    }

    for (const head of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        state.down = state.key === head.dataset.key && !state.down;
        state.key = head.dataset.key;
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
        state.page = 0;
        sort();
      });
    }
    let waiting = 0;
    field("text").addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(filter, 120);
    });
    for (const name of ["task", "condition", "verdict", "turned"]) field(name).addEventListener("change", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(filter));
    document.getElementById("before").addEventListener("click", () => turn(-1));
    document.getElementById("after").addEventListener("click", () => turn(1));
    document.getElementById("size").addEventListener("change", (event) => {
      state.size = Number(event.target.value);
      state.page = 0;
      show();
    });
    addEventListener("hashchange", go);
    show();
    go();
  }

  // A player for each of thousands of links would slow the page down, so a row gets its own when it is opened. A clip
  // that is embedded in the first minute is not embedded again.
  function addPlayers(table) {
    table.addEventListener(
      "toggle",
      (event) => {
        const clip = event.target.querySelector(".clip");
        if (!event.target.open || !clip || clip.querySelector("audio")) return;
        const id = event.target.closest("tbody[id]").id;
        const source = document.querySelector(`[data-clip="${id}"]`)?.src ?? clip.querySelector("a")?.href;
        if (!source) return;
        const player = document.createElement("audio");
        player.controls = true;
        player.preload = "none";
        player.src = source;
        player.setAttribute("aria-label", `Clip of ${id}`);
        clip.prepend(player, " ");
      },
      true,
    );
  }
})();
