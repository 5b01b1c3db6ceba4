// Copying and downloading. Everything else works without scripts. The server puts the words that a script says in front of
// this file, as `WORDS`: pages/script.rs.

const text = (id) => document.getElementById(id).textContent;

function say(button, word) {
  const before = button.textContent;
  button.textContent = word;
  button.setAttribute("aria-live", "polite");
  setTimeout(() => { button.textContent = before; }, 2000);
}

for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text(button.dataset.copy));
    say(button, WORDS.copied);
  });
}

for (const button of document.querySelectorAll("button.download")) {
  button.addEventListener("click", () => {
    const pair = { key_id: text(button.dataset.key), secret: text(button.dataset.secret) };
    const file = new Blob([JSON.stringify(pair, null, 2) + "\n"], { type: "application/json" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `${pair.key_id}.json`;
    link.click();
    URL.revokeObjectURL(link.href);
    say(button, WORDS.saved);
  });
}

// On a phone not every tab is in sight; the one that is open is.
const tab = document.querySelector(".tabs [aria-current]");
if (tab) {
  const tabs = tab.parentElement;
  new ResizeObserver(() => {
    const from = tab.offsetLeft - tabs.offsetLeft;
    const isInSight = from + tab.offsetWidth + 24 <= tabs.clientWidth;
    tabs.scrollLeft = isInSight ? 0 : from - (tabs.clientWidth - tab.offsetWidth) / 2;
  }).observe(tabs);
}

// A page that held a secret does not come back out of the browser's memory.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

// A form that takes a moment says so, and is not sent twice meanwhile.
for (const form of document.querySelectorAll("form[method=post]:not(.passkey)")) {
  form.addEventListener("submit", (event) => {
    if (form.ariaBusy === "true") return event.preventDefault();
    form.ariaBusy = "true";
    setTimeout(() => { form.ariaBusy = null; }, 10_000);
  });
}

// Shortcuts, never while somebody types: / and Ctrl K search, g and a letter goes to a place, ? lists them.
const jump = document.getElementById("jump");
let going = 0;
addEventListener("keydown", (event) => {
  if (!jump || event.altKey || event.metaKey && event.key !== "k") return;
  if ((event.ctrlKey || event.metaKey) && event.key === "k") {
    event.preventDefault();
    return jump.focus();
  }
  if (event.ctrlKey || event.target.closest("input, select, textarea, dialog, [contenteditable]")) return;
  const place = Date.now() - going < 1500 && document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
  going = event.key === "g" ? Date.now() : 0;
  if (event.key === "/") {
    event.preventDefault();
    jump.focus();
  } else if (event.key === "?") {
    document.getElementById("shortcuts").showModal();
  } else if (place) {
    place.click();
  }
});

// The page of the first call asks whether it has arrived, for ten minutes at most.
const arrival = document.getElementById("arrival");
if (arrival && ["waiting", "denied"].includes(arrival.dataset.state)) {
  let left = 300;
  let seen = "";
  const timer = setInterval(async () => {
    if (document.hidden) return;
    if (left-- === 0) return clearInterval(timer);
    const answer = await fetch(arrival.dataset.from);
    if (!answer.ok || answer.redirected) return clearInterval(timer);
    const page = await answer.text();
    // That time has passed is no news to be read out.
    const news = page.replace(/<time[^]*?<\/time>/g, "");
    if (news !== seen) arrival.innerHTML = page;
    seen = news;
    if (page.includes("notice success")) clearInterval(timer);
  }, 2000);
}

// The logs ask for what came since, while they are looked at: switched on by a person, for ten minutes at most.
const live = document.getElementById("live");
if (live) {
  const rows = document.getElementById("rows");
  const news = document.getElementById("live-news");
  let timer;
  let until = 0;
  let count = 0;
  let isAsking = false;

  const stop = (words) => {
    clearInterval(timer);
    timer = undefined;
    live.setAttribute("aria-pressed", "false");
    news.textContent = words;
  };

  const ask = async () => {
    if (Date.now() > until) return stop(WORDS.liveOver);
    if (document.hidden || isAsking) return;
    isAsking = true;
    const answer = await fetch(`${live.dataset.from}&after=${rows.dataset.after}`).catch(() => undefined);
    const part = document.createElement("template");
    if (answer?.ok && !answer.redirected) part.innerHTML = `<table>${await answer.text()}</table>`;
    isAsking = false;
    if (timer === undefined) return;
    const newer = part.content.querySelector("tbody");
    if (newer === null) return stop(WORDS.liveFailed);
    rows.dataset.after = newer.dataset.after;
    if (newer.rows.length === 0) return;
    count += newer.rows.length;
    rows.prepend(...newer.rows);
    while (rows.rows.length > 200) rows.lastElementChild.remove();
    rows.closest(".scroll").hidden = false;
    document.querySelector(".empty").hidden = true;
    news.textContent = WORDS.liveNew.replace("#", count);
  };

  live.hidden = false;
  live.addEventListener("click", () => {
    if (timer !== undefined) return stop("");
    live.setAttribute("aria-pressed", "true");
    [until, count] = [Date.now() + 600_000, 0];
    news.textContent = WORDS.liveOn;
    timer = setInterval(ask, 2000);
    ask();
  });
}
