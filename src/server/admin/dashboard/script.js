"use strict";
// Puts what the server sends in place of what is shown, and leaves alone what has not changed: so the
// focus, a selection and what is unfolded stay.
(() => {
  const connection = document.getElementById("connection");
  const filters = document.getElementById("filters");
  const shown = document.getElementById("shown");
  const requests = document.getElementById("part-requests");
  const MOST_OPTIONS = 200;
  const SILENCE = 30000;
  const PAUSE = 3000;
  let source;
  let silence;
  let retry;

  function say(tone, text) {
    if (connection.textContent === text) return;
    connection.className = "pill " + tone;
    connection.textContent = text;
  }

  function connect() {
    if (source) source.close();
    clearTimeout(retry);
    source = new EventSource("/events");
    source.addEventListener("shape", (event) => {
      // Another orgproxy, or one with other orgs.
      if (event.data !== document.body.dataset.shape) location.reload();
      document.body.classList.remove("away");
      say("good", "live");
      hear();
    });
    source.addEventListener("part", (event) => {
      const part = JSON.parse(event.data);
      const place = document.getElementById("part-" + part.name);
      if (!place) return;
      const template = document.createElement("template");
      template.innerHTML = part.html;
      match(place, template.content);
      if (place === requests) filter();
      hear();
    });
    source.addEventListener("beat", hear);
    source.onerror = () => {
      lose();
      // After an answer that is no stream, or where it gives up, a browser does not try again.
      if (source.readyState === EventSource.CLOSED) retry = setTimeout(connect, PAUSE);
    };
    hear();
  }

  function hear() {
    clearTimeout(silence);
    silence = setTimeout(() => { lose(); connect(); }, SILENCE);
  }

  function lose() {
    if (document.body.classList.contains("away")) return;
    document.body.classList.add("away");
    const time = new Date().toISOString().slice(11, 19);
    say("bad", "orgproxy is away since " + time + " UTC, or has too many pages open; trying again. What is shown is from before.");
  }

  // Makes the children of `old` those of `fresh`.
  function match(old, fresh) {
    const known = new Map();
    for (const child of old.children) {
      if (child.dataset.key !== undefined) known.set(child.dataset.key, child);
    }
    let at = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const key = child.dataset && child.dataset.key;
      let same = null;
      if (key !== undefined && key !== null) {
        same = known.get(key) || null;
        known.delete(key);
      } else if (at && at.nodeName === child.nodeName && !(at.dataset && at.dataset.key !== undefined)) {
        same = at;
      }
      if (!same) {
        old.insertBefore(child, at);
        continue;
      }
      if (same === at) at = at.nextSibling;
      else old.insertBefore(same, at);
      if (same.nodeType === Node.ELEMENT_NODE) {
        attributes(same, child);
        match(same, child);
      } else if (same.data !== child.data) {
        same.data = child.data;
      }
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }

  function attributes(old, fresh) {
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && name !== "open" && name !== "hidden") old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  }

  // Shows the requests that are wanted, and offers those that there are.
  function filter() {
    const rows = [...requests.querySelectorAll("tbody tr")];
    for (const name of ["client", "family"]) {
      const select = filters.elements[name];
      const offered = new Set([...select.options].map((option) => option.value));
      for (const row of rows) {
        const value = row.dataset[name];
        if (value && !offered.has(value) && offered.size < MOST_OPTIONS) {
          offered.add(value);
          select.add(new Option(value, value));
        }
      }
    }
    const wanted = ["class", "client", "family"].map((name) => [name, filters.elements[name].value]);
    let count = 0;
    for (const row of rows) {
      const fits = wanted.every(([name, value]) => !value || row.dataset[name] === value);
      row.hidden = !fits;
      count += fits ? 1 : 0;
    }
    const all = wanted.every(([, value]) => !value);
    const text = all ? "" : "showing " + count + " of the last " + rows.length;
    if (shown.textContent !== text) shown.textContent = text;
  }

  filters.hidden = false;
  filters.addEventListener("change", filter);
  filters.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("unfilter").addEventListener("click", () => { filters.reset(); filter(); });
  filter();
  say("plain", "connecting");
  connect();
})();
