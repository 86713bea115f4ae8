"use strict";
// Decisions stay in this browser until they are saved as a file; nothing is sent anywhere.
const cards = [...document.querySelectorAll("article")];
const key = "doors-review-" + document.body.dataset.page;
const state = {};

function remember() {
  try { localStorage.setItem(key, JSON.stringify(state)); } catch { /* a browser without storage */ }
}

function recall() {
  let found = {};
  try { found = JSON.parse(localStorage.getItem(key)) ?? {}; } catch { /* the same, or damaged */ }
  for (const card of cards) {
    const one = found[card.id];
    if (!one) continue;
    state[card.id] = { decision: String(one.decision), note: String(one.note) };
    card.querySelector("textarea").value = state[card.id].note;
  }
}

function show() {
  let decided = 0;
  for (const card of cards) {
    const decision = state[card.id]?.decision;
    decided += decision === "accept" || decision === "reject";
    for (const button of card.querySelectorAll("[data-decision]")) {
      button.setAttribute("aria-pressed", String(button.dataset.decision === decision));
    }
  }
  document.getElementById("state").textContent = `${decided} of ${cards.length} decided`;
}

function change(card, part) {
  state[card.id] = { decision: "undecided", note: "", ...state[card.id], ...part };
  remember();
  show();
}

function current() {
  return document.activeElement?.closest("article") ?? null;
}

function move(step) {
  const here = cards.indexOf(current());
  const next = here < 0 ? (step > 0 ? 0 : cards.length - 1) : here + step;
  cards[Math.min(Math.max(next, 0), cards.length - 1)]?.focus();
}

function decide(decision) {
  const card = current();
  if (!card) return move(1);
  change(card, { decision });
  if (decision !== "undecided") move(1);
}

function decisions() {
  const known = cards.filter(card => state[card.id]
    && (state[card.id].decision !== "undecided" || state[card.id].note.trim()));
  return {
    schema_version: 1,
    decisions: known.map(card => ({ ...JSON.parse(card.dataset.doubt), ...state[card.id] })),
  };
}

function save() {
  const text = JSON.stringify(decisions(), null, 1) + "\n";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = "label_decisions.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const keys = {
  j: () => move(1), k: () => move(-1),
  a: () => decide("accept"), r: () => decide("reject"), u: () => decide("undecided"),
  n: () => (current() ?? cards[0])?.querySelector("textarea").focus(),
  s: save,
};

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("textarea")) {
    if (event.key === "Escape") event.target.closest("article").focus();
    return;
  }
  const action = Object.hasOwn(keys, event.key) ? keys[event.key] : null;
  if (!action) return;
  event.preventDefault();
  action();
});

for (const card of cards) {
  for (const button of card.querySelectorAll("[data-decision]")) {
    button.addEventListener("click", () => {
      const isOn = button.getAttribute("aria-pressed") === "true";
      change(card, { decision: isOn ? "undecided" : button.dataset.decision });
    });
  }
  const note = card.querySelector("textarea");
  note.addEventListener("input", () => change(card, { note: note.value }));
}
document.getElementById("save").addEventListener("click", save);
recall();
show();
