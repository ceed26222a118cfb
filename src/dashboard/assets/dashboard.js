// The dashboard's only script. Every page reads and acts without it. It adds: the viewer's zone, the theme, buttons that copy,
// keys, a count beside what is selected, and pages that renew themselves without moving a row under the reader's hand.
(() => {
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const cookie = (name) => new RegExp(`(?:^|; )${name}=([^;]*)`).exec(document.cookie)?.[1];
  const keep = (name, value) => {
    // biome-ignore lint/suspicious/noDocumentCookie: browsers have no other way over plain HTTP
    document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=strict`;
  };

  /** What a part of the page said when it came, apart from how long ago things were: by this it is seen whether it is new. */
  const said = new Map();
  function words(part) {
    const copy = part.cloneNode(true);
    for (const time of all("time, [data-ago]", copy)) time.textContent = "";
    return copy.innerHTML;
  }
  for (const part of all("[data-part]")) said.set(part.id, words(part));

  // Times. The server writes the zone that the cookie names, else UTC; here it is the browser's own.

  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (cookie("tz") !== zone) keep("tz", zone);
  const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
  const UNITS = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["min", 60_000],
    ["s", 1_000],
  ];
  const pad = (n, width = 2) => String(n).padStart(width, "0");

  function exact(at, hasMillis) {
    const millis = hasMillis ? `.${pad(at.getMilliseconds(), 3)}` : "";
    const clock = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}${millis}`;
    if (Math.abs(Date.now() - at) < 12 * 3_600_000) return clock;
    if (at.getFullYear() === new Date().getFullYear()) return `${at.getDate()} ${MONTHS[at.getMonth()]} ${clock}`;
    return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${clock}`;
  }

  function relative(at) {
    const away = Math.abs(at - Date.now());
    const index = UNITS.findIndex(([, ms]) => away >= ms);
    if (index < 0) return "now";
    const [name, ms] = UNITS[index];
    const count = Math.floor(away / ms);
    const [next, small] = UNITS[index + 1] ?? [];
    const rest = small === undefined ? 0 : Math.floor((away % ms) / small);
    const text = `${count} ${name}${rest > 0 && count < 10 && name !== "min" ? ` ${rest} ${next}` : ""}`;
    return at > Date.now() ? `in ${text}` : `${text} ago`;
  }

  /** An age without a time of its own is that of the time before it, or of the one that its row is in order by. */
  function showAges(from = document) {
    const before = (one) => one.previousElementSibling?.dateTime;
    for (const one of all("[data-ago]", from)) {
      const time = one.dataset.ago || (before(one) ?? before(one.closest("tr").querySelector("time + .under")));
      one.textContent = relative(new Date(time));
    }
  }

  function enhance(from = document) {
    for (const time of all("time[datetime]", from)) {
      time.title = time.dateTime;
      time.textContent = exact(new Date(time.dateTime), "millis" in time.dataset);
    }
    for (const place of all("[data-zone]", from)) place.textContent = zone;
    for (const button of all("[data-copy], [data-copy-of], [data-theme-switch], [data-keys]", from))
      button.hidden = false;
    for (const form of all("form[data-bulk]", from)) count(form);
    showAges(from);
  }

  // The theme: system, light, dark; in a cookie, so that the server writes data-theme and nothing flashes.

  const THEMES = ["system", "light", "dark"];
  function switchTheme(button) {
    const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "system") + 1) % 3];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    keep("theme", next);
    button.textContent = `Theme: ${next}`;
  }

  async function copy(button) {
    const { copy, copyOf } = button.dataset;
    try {
      await navigator.clipboard.writeText(copy ?? document.getElementById(copyOf).textContent);
      button.textContent = "Copied";
    } catch {
      // Browsers allow it on https and on this machine only.
      button.textContent = "Not allowed here";
    }
    setTimeout(() => {
      button.textContent = "Copy";
    }, 1_500);
  }

  // Selecting: the count is said before anything is done; the server counts again on the page that asks.

  function count(form) {
    const boxes = all("tbody input[type=checkbox]", form);
    const chosen = boxes.filter((box) => box.checked).length;
    const every = form.querySelector("[data-every]");
    every.checked = chosen > 0 && chosen === boxes.length;
    every.indeterminate = chosen > 0 && chosen < boxes.length;
    for (const button of all("[data-chosen]", form)) {
      button.disabled = chosen === 0;
      button.textContent =
        chosen === 0 ? `${button.dataset.chosen} selected` : `${button.dataset.chosen} ${chosen} selected…`;
    }
  }

  document.addEventListener("change", ({ target }) => {
    const form = target.closest("form[data-bulk]");
    if (form === null) return;
    if ("every" in target.dataset)
      for (const box of all("tbody input[type=checkbox]", form)) box.checked = target.checked;
    count(form);
  });

  // Keys: off in fields, and off altogether on request (WCAG 2.1.4).

  const PLACES = {
    o: "/",
    e: "/events",
    v: "/videos",
    d: "/deliveries",
    p: "/endpoints",
    m: "/media",
    q: "/quarantine",
    a: "/audit",
    s: "/settings",
  };
  const HELP = [
    ["/", "find"],
    ["j k", "next, previous row"],
    ["Enter", "open it"],
    ["x", "select it"],
    ["u", "back to the list"],
    ...Object.entries(PLACES).map(([key, path]) => [`g ${key}`, path.slice(1) || "overview"]),
  ];

  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "keys-title");
  const rows = HELP.map(
    ([keys, does]) =>
      `<dt>${keys
        .split(" ")
        .map((key) => `<kbd>${key}</kbd>`)
        .join(" ")}</dt><dd>${does}</dd>`,
  );
  dialog.innerHTML = `<h2 id="keys-title">Keys</h2><dl class="pairs">${rows.join("")}</dl><p class="actions"><label><input type="checkbox" data-keys-on> Single keys are on</label><button type="button" data-close>Close</button></p>`;
  document.body.append(dialog);
  const areKeysOn = dialog.querySelector("[data-keys-on]");
  areKeysOn.checked = cookie("keys") !== "off";
  areKeysOn.onchange = () => keep("keys", areKeysOn.checked ? "on" : "off");

  document.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button === null) return;
    if ("copy" in button.dataset || "copyOf" in button.dataset) void copy(button);
    else if ("themeSwitch" in button.dataset) switchTheme(button);
    else if ("keys" in button.dataset) dialog.showModal();
    else if ("close" in button.dataset) dialog.close();
  });

  let row = -1;
  let hasGone = false;
  addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || !areKeysOn.checked) return;
    if (target.closest("input:not([type=checkbox]), select, textarea, dialog, video")) return;
    const found = all("main tbody tr").filter((one) => one.querySelector("a"));
    if (hasGone) {
      hasGone = false;
      if (PLACES[key]) location.href = PLACES[key];
      return;
    }
    if (key === "/") document.getElementById("find")?.focus();
    else if (key === "?") dialog.showModal();
    else if (key === "g") hasGone = true;
    else if (key === "u") document.querySelector(".crumbs a")?.click();
    else if ((key === "j" || key === "k") && found.length > 0) {
      row = Math.min(Math.max(row + (key === "j" ? 1 : -1), 0), found.length - 1);
      found[row].querySelector("td.main a, a").focus();
    } else if (key === "x") target.closest("tr")?.querySelector("input[type=checkbox]")?.click();
    else return;
    event.preventDefault();
  });

  // Live. The server says only that something has changed; the page then asks for itself and takes its parts (data-part, an id
  // each). A part that the reader is in waits until they have left it: focus, selection, the pointer, an open <details>. A list
  // never grows by itself. Hidden tabs hold no connection: a browser has six per host with HTTP/1.1.

  const live = document.querySelector("[data-live-switch]");
  const address = document.body.dataset.live;
  const fresh = new Map();
  let source = null;
  let isAsking = false;
  let isStale = false;

  const isBusy = (part) => {
    const { anchorNode, isCollapsed } = getSelection();
    const at = document.activeElement;
    return (
      (at !== document.body && part.contains(at)) ||
      (!isCollapsed && part.contains(anchorNode)) ||
      part.matches(":hover") ||
      part.querySelector("details[open], input:checked, video, dialog[open]") !== null
    );
  };

  function say(word, isOn) {
    live.querySelector("span").textContent = word;
    live.setAttribute("aria-pressed", String(isOn));
  }

  async function refresh() {
    isStale = isAsking;
    if (isAsking) return;
    isAsking = true;
    const began = performance.now();
    const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
    if (answer?.redirected || answer?.status === 401 || answer?.status === 404) leave(answer.status);
    else if (answer !== null && !answer.ok) say("Not renewed", true);
    else if (answer !== null) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
    // A server that is busy is asked less.
    setTimeout(
      () => {
        isAsking = false;
        if (isStale) void refresh();
      },
      Math.max(1_000, 4 * (performance.now() - began)),
    );
  }

  /** There is no login any more, or no such thing, or it is elsewhere: the page says so itself, but for what is being typed. */
  function leave(status) {
    stop(status === 401 ? "Logged out" : "Gone");
    const isTyped = all("main input:not([type=checkbox])").some((field) => field.value !== field.defaultValue);
    if (!isTyped) location.reload();
  }

  function take(page) {
    // What there was nothing of has come, or the page is another one: nothing is under the reader's hand.
    const hasCome = (selector) => document.querySelector(selector) !== null && page.querySelector(selector) === null;
    if (hasCome("main .empty")) return location.reload();
    // A part inside of another one goes with that.
    for (const part of all("[data-part]").filter((one) => one.parentElement.closest("[data-part]") === null)) {
      const next = page.getElementById(part.id);
      if (next !== null && words(next) !== said.get(part.id)) fresh.set(part.id, next);
      else fresh.delete(part.id);
    }
    // A page has only the shapes that it uses.
    const sprite = document.querySelector(".sprite");
    for (const symbol of all(".sprite symbol", page)) if (!document.getElementById(symbol.id)) sprite.append(symbol);
    offer(page);
    settle();
  }

  /** How many rows came above the first one of a list. */
  function offer(page) {
    const place = document.querySelector("[data-newer]");
    const [first] = all("main tbody tr[data-part]");
    if (place === null || first === undefined) return;
    const ids = all("main tbody tr[data-part]", page).map(({ id }) => id);
    const at = ids.indexOf(first.id);
    const many = at < 0 ? `${ids.length} or more` : String(at);
    place.hidden = at === 0 || ids.length === 0;
    place.firstElementChild.textContent = `${many} newer: show them`;
  }

  function settle() {
    for (const [id, next] of fresh) {
      const part = document.getElementById(id);
      if (part === null || isBusy(part)) continue;
      said.set(id, words(next));
      part.replaceWith(next);
      enhance(next);
      fresh.delete(id);
    }
  }

  function stop(word) {
    source?.close();
    source = null;
    say(word, false);
  }

  function watch() {
    source?.close();
    source = null;
    if (document.hidden || live.getAttribute("aria-pressed") !== "true") return;
    source = new EventSource(address);
    source.onopen = () => say("Live", true);
    source.onerror = () => {
      const isOver = source?.readyState === EventSource.CLOSED;
      say(isOver ? "Not live" : "Reconnecting", true);
      if (isOver) void refresh();
    };
    for (const name of ["changed", "over"]) source.addEventListener(name, refresh);
  }

  // What was done is said once, and not again when the page is renewed or kept as a bookmark.
  const here = new URL(location.href);
  if (here.searchParams.has("done")) {
    for (const name of ["done", "n", "of"]) here.searchParams.delete(name);
    history.replaceState(null, "", here.pathname + here.search + here.hash);
  }

  enhance();
  setInterval(showAges, 15_000);
  if (live !== null && address !== undefined) {
    live.hidden = false;
    live.onclick = () => {
      const isOn = live.getAttribute("aria-pressed") !== "true";
      say(isOn ? "Live" : "Paused", isOn);
      if (isOn) void refresh();
      watch();
    };
    for (const kind of ["focusout", "selectionchange", "pointerout", "toggle", "change"]) {
      document.addEventListener(kind, () => setTimeout(settle, 50), true);
    }
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && live.getAttribute("aria-pressed") === "true") void refresh();
      watch();
    });
    // What a form does may end the login of this page, which is about to be left.
    addEventListener("submit", () => source?.close());
    watch();
  }
})();
