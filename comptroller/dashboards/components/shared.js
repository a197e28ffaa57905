// What all components use: elements made by hand (never from markup), figures in the viewer's own manner.

const SVG = "http://www.w3.org/2000/svg";
const states = new WeakMap();

// Everything that comes with the data enters the page here, as text.
function el(tag, cls, text) {
  const node = document.createElement(tag);
  if (cls) node.className = cls;
  if (text !== undefined && text !== null) node.textContent = String(text);
  return node;
}

function svg(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, String(value));
  if (text !== undefined) node.textContent = String(text);
  return node;
}

function rootOf(component) {
  const root = component.parentElement.querySelector(".root");
  root.dataset.tone = dark(root) ? "dark" : "light";
  return root;
}

function stateOf(root, fresh) {
  if (!states.has(root)) states.set(root, fresh());
  return states.get(root);
}

const tones = new Map();
function dark(node) {
  const colour = getComputedStyle(node).getPropertyValue("--st-background-color").trim();
  if (!tones.has(colour)) tones.set(colour, isDark(colour));
  return tones.get(colour);
}

function isDark(colour) {
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = "#ffffff";
  probe.fillStyle = colour;
  const hex = /^#(..)(..)(..)/.exec(probe.fillStyle);
  return hex ? 0.3 * parseInt(hex[1], 16) + 0.6 * parseInt(hex[2], 16) + 0.1 * parseInt(hex[3], 16) < 128 : false;
}

// Control characters and those that turn the reading direction are spelt out: they must not rearrange a record.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/u;
const UNSEEN_ALL = new RegExp(UNSEEN.source, "gu");
function shown(text) {
  if (!UNSEEN.test(text)) return text;
  return text.replace(UNSEEN_ALL, (one) => "⟨U+" + one.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "⟩");
}
const line = (text) => shown(String(text)).replace(/\s+/g, " ");

const formats = new Map();
function format(options) {
  const name = JSON.stringify(options);
  if (!formats.has(name)) formats.set(name, new Intl.NumberFormat(undefined, options));
  return formats.get(name);
}

const count = (number) => format({}).format(number);

// `text` is the exact decimal: it is what a title shows; what is rounded here is only the picture of it.
function money(text, currency) {
  if (text === "" || text === undefined || text === null) return "";
  const size = Math.abs(Number(text));
  const places = size >= 1 || size === 0 ? {} : { minimumSignificantDigits: 2, maximumSignificantDigits: 3 };
  try {
    return format({ style: "currency", currency, currencyDisplay: "narrowSymbol", ...places }).format(text);
  } catch {
    return line(text + " " + currency); // not a currency that Intl knows
  }
}
const exact = (text, currency) => line(text + " " + currency);

function span(micros) {
  if (micros < 1000) return format({ maximumFractionDigits: 0 }).format(micros) + " µs";
  if (micros < 1e6) return format({ maximumSignificantDigits: 3 }).format(micros / 1e3) + " ms";
  if (micros < 6e7) return format({ maximumFractionDigits: 2 }).format(micros / 1e6) + " s";
  const minutes = Math.floor(micros / 6e7);
  const rest = minutes < 60 ? Math.floor((micros % 6e7) / 1e6) : minutes % 60;
  const [large, small] = minutes < 60 ? [minutes + " min", "s"] : [count(Math.floor(minutes / 60)) + " h", "min"];
  return rest ? `${large} ${rest} ${small}` : large;
}

// Round steps for an axis from 0 to `most`: about `wanted` of them.
function steps(most, wanted) {
  const raw = most / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((one) => one * power).find((step) => step >= raw);
}

// The same of microseconds: minutes and hours do not go by tens.
function timeSteps(most, wanted) {
  const round = [30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400].map((one) => one * 1e6);
  const raw = most / wanted;
  return raw <= 2e7 ? steps(most, wanted) : round.find((one) => one >= raw) || steps(most / 864e8, wanted) * 864e8;
}

// The places where a text was found, marked.
function marked(text, query) {
  const whole = el("bdi");
  const at = query ? text.toLowerCase().indexOf(query) : -1;
  if (at < 0) {
    whole.textContent = text;
    return whole;
  }
  whole.append(text.slice(0, at), el("mark", "", text.slice(at, at + query.length)), text.slice(at + query.length));
  return whole;
}

const SIGNS = { failed: "✕", asked: "?", redacted: "▮", ok: "✓", open: "◔", shadow: "◌", first: "⚑", crossed: "▲", new: "+", changed: "±", gone: "−", plain: "•" };
function badge(word, tone, title) {
  const node = el("span", "badge " + (tone in SIGNS ? tone : "plain"));
  const sign = el("span", "sign", SIGNS[tone] || SIGNS.plain);
  sign.setAttribute("aria-hidden", "true");
  node.append(sign, el("bdi", "", line(word)));
  if (title) node.title = line(title);
  return node;
}

const KINDS = { agent: "A", model: "M", tool: "T", external: "X", human: "H", remote: "R" };
function kindMark(kind) {
  const node = el("span", "kind " + (kind in KINDS ? kind : "other"), KINDS[kind] || (kind[0] || "?").toUpperCase());
  node.title = line(kind);
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", line(kind));
  return node;
}

function button(text, cls, act, label) {
  const node = el("button", cls, text);
  node.type = "button";
  if (label) {
    node.setAttribute("aria-label", label);
    node.title = label;
  }
  node.addEventListener("click", act);
  return node;
}

function picker(label, act) {
  const node = el("select");
  node.setAttribute("aria-label", label);
  node.addEventListener("change", () => act(node.value));
  return node;
}

// Fill a select; keeps what is chosen.
function offer(select, all, options) {
  const wanted = JSON.stringify(options);
  if (select.dataset.options === wanted) return;
  select.dataset.options = wanted;
  const chosen = select.value;
  select.replaceChildren(...[["", all], ...options].map(([value, text]) => {
    const option = el("option", "", line(text));
    option.value = value;
    return option;
  }));
  select.value = chosen;
  if (select.selectedIndex < 0) select.value = "";
}

function once(fn) {
  let waiting = 0;
  return () => {
    if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; fn(); });
  };
}
