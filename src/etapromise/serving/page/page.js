"use strict";

const CAUSES = {
  usual: "a usual parcel", handling: "handling and cut-off", closed_days: "days without deliveries",
  lane: "distance and lane", carrier: "carrier and service", now: "season and present pace",
  parcel: "the parcel", service_level: "reserve for the promise", disruption: "declared disruption",
  whole_days: "to the end of a day",
};
const SVG = "http://www.w3.org/2000/svg";
const at = (id) => document.getElementById(id);
let facts = { ways: [], places: {}, policies: [] };
let expires = null;
let asked = 0;

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error ? told.error.message : answer.statusText);
  return told;
}

function shipment() {
  const form = new FormData(at("ask"));
  const fields = { ...facts.places, origin: form.get("origin"), destination: form.get("destination") };
  const text = String(form.get("weight_kg")).trim();
  if (text) {
    const weight = Number(text.replace(",", "."));
    if (!(weight > 0)) throw new Error(`Found the weight ${text}; expected kilograms, such as 1.5.`);
    fields.weight_kg = weight;
  }
  return fields;
}

async function show(event) {
  if (event) event.preventDefault();
  const form = new FormData(at("ask"));
  const turn = ++asked;
  at("notice").textContent = "";
  const policy = facts.policies.find((one) => one.name === form.get("policy"));
  at("about").textContent = policy ? policy.about : "";
  try {
    const shared = { ...shipment(), ordered_at: new Date().toISOString() };
    const found = await post("/compare", {
      ...shared, options: facts.ways, policy: form.get("policy"), locale: form.get("locale"),
    });
    if (turn !== asked) return;
    at("options").replaceChildren(...found.options.map((one) => line(one, shared)));
    if (found.fallback) {
      at("notice").textContent = "These dates are an estimate: no forecast is available at present.";
      at("why").hidden = true;
    } else if (found.options.length) {
      await explain(found.options[0], shared);
    }
  } catch (error) {
    at("options").replaceChildren();
    at("why").hidden = true;
    at("notice").textContent = error.message;
  }
}

function line(one, shared) {
  const item = element("li");
  const button = element("button", "option");
  button.type = "button";
  button.setAttribute("aria-pressed", "false");
  const date = one.promise.estimated_delivery_date;
  const text = element("span", one.price ? "text" : "text wide");
  button.append(spoken(text, one.text || written(date)));
  if (one.price) button.append(element("span", "price", one.price.toFixed(2)));
  button.append(element("span", "way", [one.carrier, one.service].filter(Boolean).join(" · ")));
  const note = element("span", "note");
  if (one.rank === 1) note.append(element("span", "best", "best"));
  else if (one.dominated_by && one.dominated_by.length) note.textContent = "no better than another";
  else if (one.promised === false) note.textContent = "no date can be promised";
  button.append(note);
  for (const window of (one.windows || []).slice(0, 2)) {
    const kept = `${Math.floor(window.probability * 100)} %`;
    const hours = `${written(window.date)}, ${window.start}–${window.end}`;
    button.append(element("span", "window", `to be booked: ${hours} (kept with ${kept})`));
  }
  button.addEventListener("click", () => explain(one, shared).catch((error) => {
    at("notice").textContent = error.message;
  }));
  one.button = button;
  item.append(button);
  return item;
}

function language() {
  return at("ask").elements.locale.value;
}

// What a customer reads is in the chosen language, whichever way that is written.
function spoken(place, text) {
  place.lang = language();
  place.dir = "auto";
  place.textContent = text;
  return place;
}

function written(day) {
  return new Date(`${day}T12:00`).toLocaleDateString(language(), { weekday: "long", day: "numeric", month: "long" });
}

async function explain(one, shared) {
  for (const other of document.querySelectorAll(".option"))
    other.setAttribute("aria-pressed", String(other === one.button));
  if (one.promise.fallback) return;
  const form = new FormData(at("ask"));
  const fields = { ...shared, carrier: one.carrier, service: one.service };
  const told = await post("/quotes", {
    ...fields, service_level: one.promise.service_level, locale: form.get("locale"), why: true,
  });
  expires = told.expires_at ? new Date(told.expires_at) : null;
  tick();
  at("why").hidden = !told.why;
  at("version").textContent = `Model ${told.model_version}`;
  if (!told.why) return;
  spoken(at("why-text"), told.why.text);
  at("rests-on").replaceChildren(...told.messages.map((one) => element("li", "", one.text)));
  const parts = told.why.contributions.filter((part) => Math.abs(part.days) >= 0.005);
  const most = Math.max(1, ...parts.map((part) => Math.abs(part.days)));
  const rows = parts.map((part) => row(CAUSES[part.cause] || part.cause, part.days, most, 2));
  rows.push(row("from order to delivery", told.why.days, null, 0));
  at("why-parts").replaceChildren(...rows);
}

function row(name, days, most, digits) {
  const made = element("tr");
  made.append(element("td", "", name));
  const sign = most !== null && days > 0 ? "+" : "";
  made.append(element("td", "", sign + days.toFixed(digits).replace("-", "−")));
  const cell = element("td");
  if (most !== null) {
    const bar = document.createElementNS(SVG, "svg");
    bar.setAttribute("viewBox", "-50 0 100 10");
    bar.setAttribute("preserveAspectRatio", "none");
    bar.setAttribute("aria-hidden", "true");
    const size = (48 * Math.abs(days)) / most;
    const rect = document.createElementNS(SVG, "rect");
    rect.setAttribute("x", String(days < 0 ? -size : 0));
    rect.setAttribute("y", "1");
    rect.setAttribute("width", String(size));
    rect.setAttribute("height", "8");
    if (days < 0) rect.setAttribute("class", "less");
    const zero = document.createElementNS(SVG, "line");
    for (const [key, value] of Object.entries({ x1: 0, x2: 0, y1: 0, y2: 10 })) zero.setAttribute(key, value);
    bar.append(rect, zero);
    cell.append(bar);
  }
  made.append(cell);
  return made;
}

function tick() {
  const left = expires === null ? 0 : Math.floor((expires - Date.now()) / 1000);
  if (expires !== null && left <= 0) {
    expires = null;
    show();
  }
  const two = (number) => String(number).padStart(2, "0");
  at("countdown").textContent = left > 0
    ? `Order within ${Math.floor(left / 3600)}:${two(Math.floor(left / 60) % 60)}:${two(left % 60)}`
    : "";
}

async function begin() {
  facts = await (await fetch("/checkout.json")).json();
  const form = at("ask");
  // A link may bring the places: /?destination=90012
  const given = new URLSearchParams(location.search);
  for (const name of ["origin", "destination", "weight_kg"])
    form.elements[name].value = given.get(name) || facts.places[name] || "";
  form.elements.policy.replaceChildren(...facts.policies.map((one) => {
    const option = element("option", "", one.name.replaceAll("_", " "));
    option.value = one.name;
    return option;
  }));
  for (const name of ["policy", "locale"])
    if (given.get(name)) form.elements[name].value = given.get(name);
  form.addEventListener("submit", show);
  form.elements.policy.addEventListener("change", show);
  form.elements.locale.addEventListener("change", show);
  setInterval(tick, 1000);
  if (form.elements.origin.value && form.elements.destination.value) await show();
}

begin();
