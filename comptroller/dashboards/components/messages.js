// A conversation to read. Every letter of it is text: what looks like markup, a link or an image is shown, not obeyed.

const BRIEF = 1200; // letters of a part that show before one asks for more
const MOST_HITS = 1000;
const ROLES = { system: "System", user: "User", assistant: "Assistant", tool: "Tool", text: "Text", unknown: "Unknown" };
const STATES = { new: ["New", "new"], changed: ["Changed", "changed"], gone: ["No longer sent", "gone"] };
const PARTS = { call: "Tool call", result: "Tool result", other: "As it was kept" };

export default function (component) {
  const root = rootOf(component);
  const view = stateOf(root, () => build(root));
  if (view.data === component.data) return;
  view.data = component.data;
  view.opened.clear();
  draw(view);
}

function build(root) {
  const view = { root, query: "", raw: false, news: false, opened: new Set(), at: -1 };
  const tools = el("div", "bar-of-tools");
  view.find = el("input");
  view.find.type = "search";
  view.find.placeholder = "Find in the conversation";
  view.find.setAttribute("aria-label", view.find.placeholder);
  let pause = 0;
  view.find.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(() => seek(view), 120);
  });
  view.find.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      clearTimeout(pause);
      if (view.query !== view.find.value.toLowerCase()) seek(view);
      else step(view, event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape" && view.find.value) {
      view.find.value = "";
      seek(view);
    } else return;
    event.preventDefault();
  });
  view.only = flag("Only what is new", (on) => { view.news = on; draw(view); });
  view.rawly = flag("Raw JSON", (on) => { view.raw = on; draw(view); });
  view.said = el("span", "said");
  view.said.setAttribute("role", "status");
  tools.append(view.find, button("↑", "", () => step(view, -1), "Previous place (Shift+Enter)"),
    button("↓", "", () => step(view, 1), "Next place (Enter)"), view.only, view.rawly, view.said);
  view.list = el("ol", "list");
  view.list.tabIndex = 0; // what scrolls must be reachable by keyboard
  view.list.setAttribute("aria-label", "Messages");
  root.replaceChildren(tools, view.list);
  return view;
}

function flag(text, act) {
  const node = button(text, "", () => {
    const on = node.getAttribute("aria-pressed") !== "true";
    node.setAttribute("aria-pressed", String(on));
    act(on);
  });
  node.setAttribute("aria-pressed", "false");
  return node;
}

// ---- drawing ----------------------------------------------------------------------------------------------------

function draw(view) {
  const { data } = view;
  view.hits = [];
  view.list.style.maxHeight = data.height + "px";
  view.only.hidden = !data.compared;
  const wanted = data.messages.map((one, at) => [one, at]).filter(([one]) => !view.news || one.state !== "same");
  view.list.replaceChildren(...wanted.map(([one, at]) => message(view, one, at)));
  if (!wanted.length) {
    const words = data.messages.length ? "Nothing is new: this call said what the one before it said."
      : "No text was kept of this call. What is kept is set by `capture` in comptroller.yaml.";
    view.list.append(el("li", "none", words));
  }
  say(view);
}

function say(view) {
  const { messages, compared } = view.data;
  const many = messages.filter((one) => one.state !== "gone").length;
  const words = [count(many) + (many === 1 ? " message" : " messages")];
  if (compared) for (const [state, [word]] of Object.entries(STATES)) {
    const those = messages.filter((one) => one.state === state).length;
    if (those) words.push(count(those) + " " + word.toLowerCase());
  }
  if (view.query) words.unshift(view.hits.length ? `${count(view.at + 1)} of ${view.hits.length >= MOST_HITS ? "more than " : ""}${count(view.hits.length)} places` : "Not found");
  view.said.textContent = words.join(" · ");
}

function message(view, one, at) {
  const node = el("li", "message " + (one.role in ROLES ? one.role : "unknown") + " " + one.state);
  const top = el("div", "top");
  top.append(el("b", "role", ROLES[one.role] || line(one.role)));
  if (one.number) top.append(el("span", "number", "#" + count(one.number)));
  if (STATES[one.state]) top.append(badge(...STATES[one.state]));
  node.append(top);
  if (view.raw) node.append(part(view, { kind: "raw", title: "", segments: [[one.raw || "(not kept)", 0]], rest: one.raw_rest }, at + ":raw"));
  else node.append(...one.parts.map((piece, n) => part(view, piece, at + ":" + n)));
  return node;
}

function part(view, piece, id) {
  const node = el("div", "part " + piece.kind);
  const title = [PARTS[piece.kind], piece.title && line(piece.title)].filter(Boolean).join(" ");
  if (title) node.append(el("bdi", "title", title));
  const whole = piece.segments.map(([text]) => text).join("");
  const found = places(view, whole);
  const open = view.opened.has(id) || found.length > 0 || whole.length <= BRIEF * 1.3;
  const box = el("pre");
  box.dir = "auto"; // by its own first letters: an Arabic text reads from the right
  fill(view, box, piece.segments, found, open ? Infinity : BRIEF);
  node.append(box);
  if (!open) node.append(button(`Show all ${count(whole.length)} letters`, "more", () => { view.opened.add(id); draw(view); }));
  if (piece.rest) node.append(el("p", "rest", `${count(piece.rest)} more letters are on record and not shown here. Download the call to read them.`));
  return node;
}

function places(view, text) {
  if (!view.query || view.hits.length >= MOST_HITS) return [];
  const lower = text.toLowerCase();
  if (lower.length !== text.length) return []; // a letter whose small form is longer would shift all places
  const found = [];
  for (let at = lower.indexOf(view.query); at >= 0 && found.length < MOST_HITS; at = lower.indexOf(view.query, at + view.query.length)) found.push(at);
  return found;
}

const KINDS_OF_CHANGE = ["", "ins", "del"];

// Pieces are cut where a place that was found begins or ends; one that spans pieces is marked in each.
function fill(view, box, segments, found, most) {
  let at = 0, hit = 0, last = -1;
  for (const [text, kind, label, tone] of segments) {
    if (at >= most) break;
    const begin = at, end = Math.min(at + text.length, most);
    const holder = el(kind ? KINDS_OF_CHANGE[kind] : "span", label ? "span " + (tone in SIGNS ? tone : "plain") : "");
    if (label) holder.title = line(label);
    while (at < end) {
      while (hit < found.length && found[hit] + view.query.length <= at) hit++;
      const start = hit < found.length ? found[hit] : Infinity;
      const inside = start <= at;
      const to = Math.min(end, inside ? start + view.query.length : start);
      const words = shown(text.slice(at - begin, to - begin));
      if (inside) {
        const mark = el("mark", "", words);
        if (last !== hit) view.hits.push(mark);
        last = hit;
        holder.append(mark);
      } else holder.append(words);
      at = to;
    }
    if (label) holder.append(el("sup", "label", line(label)));
    box.append(holder);
  }
  if (at >= most) box.append("…");
}

// ---- finding ----------------------------------------------------------------------------------------------------

function seek(view) {
  view.query = view.find.value.toLowerCase();
  view.at = -1;
  draw(view);
  if (view.hits.length) step(view, 1);
}

function step(view, way) {
  if (!view.hits.length) return;
  view.hits[view.at]?.classList.remove("here");
  view.at = (view.at + way + view.hits.length) % view.hits.length;
  const here = view.hits[view.at];
  here.classList.add("here");
  here.scrollIntoView({ block: "nearest" });
  say(view);
}
