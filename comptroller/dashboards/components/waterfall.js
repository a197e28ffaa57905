// The trace of a run: a tree of calls beside a time axis. Only the rows in view are in the document.

const ROW = 30;
const SPARE = 8; // rows drawn beyond the edges, so that a turn of the wheel finds them there
const PROBLEM = 1, OPEN = 2, ESTIMATED = 4, UNPRICED = 8, FOLDED = 16, OPAQUE = 32, ABOVE = 64;

export default function (component) {
  const root = rootOf(component);
  const view = stateOf(root, () => build(root));
  view.tell = (id) => component.setStateValue("selected", id);
  if (view.data !== component.data) take(view, component.data);
  else draw(view);
  return () => clearInterval(view.timer);
}

function build(root) {
  const view = {
    root, toggled: new Set(), query: "", kind: "", agent: "", problems: false, lanes: false,
    active: "", selected: "", obeyed: 0, order: [], place: new Map(), timer: 0,
  };
  view.later = once(() => draw(view));
  const tools = el("div", "bar-of-tools");
  view.find = el("input");
  view.find.type = "search";
  view.find.placeholder = "Find a call";
  view.find.setAttribute("aria-label", "Find a call by name, model, agent or id");
  view.find.addEventListener("input", () => change(view, () => { view.query = view.find.value.trim().toLowerCase(); }));
  view.find.addEventListener("keydown", (event) => seek(view, event));
  view.kinds = picker("Kind of call", (value) => change(view, () => { view.kind = value; }));
  view.agents = picker("Agent", (value) => change(view, () => { view.agent = value; }));
  view.only = toggle("Only problems", (on) => change(view, () => { view.problems = on; }));
  view.byAgent = toggle("By agent", (on) => change(view, () => { view.lanes = on; }));
  view.back = button("↑", "", () => step(view, -1), "Previous problem (Shift+N)");
  view.next = button("↓", "", () => step(view, 1), "Next problem (N)");
  view.said = el("span", "said");
  view.said.setAttribute("role", "status");
  tools.append(view.find, view.kinds, view.agents, view.only, view.byAgent, view.back, view.next, view.said);

  view.grid = el("div", "grid");
  view.grid.tabIndex = 0;
  view.grid.setAttribute("role", "treegrid");
  view.grid.setAttribute("aria-label", "Calls of this run");
  view.grid.addEventListener("keydown", (event) => press(view, event));
  view.head = head();
  view.scroller = el("div", "scroller");
  view.scroller.setAttribute("role", "rowgroup");
  view.body = el("div", "body");
  view.body.setAttribute("role", "presentation");
  view.body.addEventListener("click", (event) => click(view, event));
  view.scroller.append(view.body);
  view.scroller.addEventListener("scroll", view.later, { passive: true });
  view.grid.append(view.head, view.scroller);
  view.empty = el("p", "empty");
  const hint = el("p", "hint", "↑ ↓ move · ← → fold · Enter shows a call · n next problem · N previous");
  root.replaceChildren(tools, view.grid, view.empty, hint);
  new ResizeObserver(view.later).observe(view.scroller);
  return view;
}

function head() {
  const row = el("div", "row head");
  row.setAttribute("role", "row");
  row.setAttribute("aria-rowindex", "1");
  const titles = [["Call", "call"], ["Cost", "num"], ["So far", "num"], ["Tokens", "num"], ["", "time"]];
  for (const [title, cls] of titles) {
    const cell = el("div", "cell " + cls, title);
    cell.setAttribute("role", "columnheader");
    row.append(cell);
  }
  row.children[2].title = "What the run had cost when this call was over";
  row.lastChild.setAttribute("aria-label", "Time");
  return row;
}

function toggle(text, act) {
  const node = button(text, "", () => {
    const on = node.getAttribute("aria-pressed") !== "true";
    node.setAttribute("aria-pressed", String(on));
    act(on);
  });
  node.setAttribute("aria-pressed", "false");
  return node;
}

// ---- data -------------------------------------------------------------------------------------------------------

function take(view, data) {
  view.data = data;
  view.arrived = performance.now();
  const { n, depth } = data;
  view.id = (at) => (at < 0 ? "lane:" + (-at - 1) : data.prefix + data.ids[at]);
  view.parent = new Int32Array(n).fill(-1);
  view.end = new Int32Array(n).fill(n);
  const path = [];
  for (let at = 0; at < n; at++) {
    while (path.length > depth[at]) view.end[path.pop()] = at;
    if (path.length) view.parent[at] = path[path.length - 1];
    path.push(at);
  }
  view.most = 1;
  for (let at = 0; at < n; at++) view.most = Math.max(view.most, data.at[at] + Math.max(data.took[at], 0));
  if (data.now !== null) view.most = Math.max(view.most, data.now) * 1.08; // room for the open calls to grow into
  view.crossed = new Map(data.crossed);
  offer(view.kinds, "All kinds", data.kinds.filter(Boolean).sort().map((one) => [one, one]));
  offer(view.agents, "All agents", data.agents.filter(Boolean).sort().map((one) => [one, one]));
  view.agents.hidden = view.byAgent.hidden = data.agents.filter(Boolean).length < 2;
  const [wish, id] = data.ask || [0, ""];
  const obey = wish !== view.obeyed;
  view.obeyed = wish;
  if (obey) view.active = view.selected = id;
  arrange(view);
  if (obey && id) reveal(view, id);
  draw(view);
  clearInterval(view.timer);
  if (data.now !== null) view.timer = setInterval(() => tick(view), 1000);
}

function tick(view) {
  if (!view.root.isConnected) return clearInterval(view.timer);
  if (now(view) > view.most) view.most = now(view) * 1.2;
  draw(view);
}

const now = (view) => view.data.now + (performance.now() - view.arrived) * 1000;
const has = (view, at, flag) => (view.data.flags[at] & flag) !== 0;
// A row that hides a problem is one; an agent that failed with a call of its own sends one on to that call.
const bad = (view, at) => has(view, at, PROBLEM) || (has(view, at, ABOVE) && shut(view, at));
const stop = (view, at) => bad(view, at) && (view.lanes || !has(view, at, ABOVE) || shut(view, at));

// ---- drawing ----------------------------------------------------------------------------------------------------

function draw(view) {
  const { data, order, scroller } = view;
  if (!data) return;
  const height = Math.min(order.length * ROW + 2, data.height - ROW);
  scroller.style.height = height + "px";
  view.body.style.height = order.length * ROW + "px";
  view.grid.setAttribute("aria-rowcount", String(order.length + 1));
  const first = Math.max(0, Math.floor(scroller.scrollTop / ROW) - SPARE);
  const last = Math.min(order.length, Math.ceil((scroller.scrollTop + height) / ROW) + SPARE);
  const rows = document.createDocumentFragment();
  axis(view);
  const active = view.place.get(view.active);
  for (let index = first; index < last; index++) rows.append(row(view, index));
  // The row with the focus stays in the document wherever one has scrolled to: a reader's cursor hangs on it.
  if (active !== undefined && (active < first || active >= last)) rows.append(row(view, active));
  view.body.replaceChildren(rows);
  if (active === undefined) view.grid.removeAttribute("aria-activedescendant");
  else view.grid.setAttribute("aria-activedescendant", "row-" + active);
  say(view);
}

function say(view) {
  const { data, filtered, trouble } = view;
  const calls = data.n - Object.keys(data.times).length;
  const troubles = trouble.length === 1 ? "1 problem" : count(trouble.length) + " problems";
  const words = (filtered ? count(filtered.found) + " of " : "") + count(calls) + (calls === 1 ? " row, " : " rows, ") + troubles;
  if (view.said.textContent !== words) view.said.textContent = words;
  view.back.disabled = view.next.disabled = !trouble.length;
  view.grid.hidden = !view.order.length;
  view.empty.hidden = view.order.length > 0;
  view.empty.textContent = data.n
    ? "No call is like that. Clear the search or choose another kind or agent."
    : "No calls are on record for this run yet. They show here as soon as an agent makes one.";
}

function axis(view) {
  const cell = view.head.lastChild;
  const wide = cell.clientWidth || 400;
  const step = timeSteps(view.most, Math.max(2, Math.floor(wide / 90)));
  if (view.drawnAxis === step + ":" + view.most + ":" + wide) return;
  view.drawnAxis = step + ":" + view.most + ":" + wide;
  const ticks = [];
  for (let at = 0; at <= view.most * 0.97; at += step) {
    const tick = el("span", "tick", at ? span(at) : "0");
    tick.style.left = (at / view.most) * 100 + "%";
    if (at && at > view.most * (1 - 54 / wide)) tick.classList.add("late");
    ticks.push(tick);
  }
  cell.replaceChildren(...ticks);
  view.body.style.setProperty("--tick", (step / view.most) * 100 + "%");
  const [crossing] = view.data.crossed;
  const moment = crossing && view.data.at[crossing[0]] + Math.max(view.data.took[crossing[0]], 0);
  view.body.style.setProperty("--cross", crossing ? (moment / view.most) * 100 + "%" : "-10px");
}

function row(view, index) {
  const at = view.order[index];
  const { data } = view;
  const node = el("div", "row");
  const id = view.id(at);
  node.id = "row-" + index;
  node.style.top = index * ROW + "px";
  node.dataset.index = index;
  node.setAttribute("role", "row");
  node.setAttribute("aria-rowindex", String(index + 2));
  node.setAttribute("aria-level", String(level(view, at) + 1));
  node.setAttribute("aria-selected", String(id === view.selected));
  if (parental(view, at)) node.setAttribute("aria-expanded", String(!shut(view, at)));
  if (id === view.active) node.classList.add("active");
  if (at >= 0 && bad(view, at)) node.classList.add("bad");
  if (at >= 0 && view.crossed.has(at)) node.classList.add("crossing");
  if (view.filtered && at >= 0 && !view.filtered[at]) node.classList.add("only-path");
  node.append(...(at < 0 ? laneCells(view, at) : [callCell(view, at), ...figures(view, at), timeCell(view, at)]));
  return node;
}

function cell(cls, text, title) {
  const node = el("div", "cell " + cls, text);
  node.setAttribute("role", "gridcell");
  if (title) node.title = title;
  return node;
}

function callCell(view, at) {
  const { data } = view;
  const node = cell("call");
  node.style.setProperty("--depth", Math.min(level(view, at), 14));
  const agent = data.agents[data.agent[at]];
  const lane = el("span", "lane");
  lane.style.background = laneColour(data.agent[at]);
  if (agent) lane.title = line(agent);
  node.append(lane, arrow(view, at), kindMark(data.kinds[data.kind[at]]));
  const name = line(data.names[data.name[at]]) || "(no name)";
  const label = el("span", "name");
  if (has(view, at, FOLDED)) label.append(el("b", "times", "×" + count(data.times[at]) + " "));
  label.append(marked(name, view.query));
  const model = line(data.models[data.model[at]]);
  if (model) {
    const side = el("span", "model", " ");
    side.append(marked(model, view.query));
    label.append(side);
  }
  label.title = [name, model, agent && "agent " + line(agent)].filter(Boolean).join(" · ");
  node.append(label);
  if (level(view, at) > 14) node.append(badge("level " + (level(view, at) + 1), "plain"));
  if (at === data.first_bad) node.append(badge("First bad call", "first"));
  if (view.crossed.has(at)) node.append(badge("Budget crossed", "crossed", view.crossed.get(at)));
  for (const [word, tone, title] of data.badges[at] || []) node.append(badge(word, tone, title));
  if (has(view, at, ABOVE) && shut(view, at) && !has(view, at, PROBLEM)) node.append(badge("Failed inside", "failed"));
  if (has(view, at, OPAQUE)) node.append(badge("Opaque", "plain", "A request to a model that could not be read"));
  return node;
}

function arrow(view, at) {
  const node = el("span", "arrow", parental(view, at) ? (shut(view, at) ? "▸" : "▾") : "");
  node.setAttribute("aria-hidden", "true");
  return node;
}

function figures(view, at) {
  const { data } = view;
  const currency = data.currencies[data.currency[at]];
  const sum = currency === "mixed" ? "several" : (has(view, at, ESTIMATED) && data.cost[at] ? "≈ " : "") + money(data.cost[at], currency);
  const cost = cell("num", sum || (has(view, at, UNPRICED) ? "unknown" : ""));
  if (data.cost[at]) cost.title = exact(data.cost[at], currency) + (has(view, at, ESTIMATED) ? ", estimated" : "");
  if (parental(view, at)) cost.classList.add("sum");
  const total = cell("num", money(data.total[at], currency), data.total[at] && exact(data.total[at], currency));
  const [input, output] = [data.input[at], data.output[at]];
  const tokens = cell("num", input + output ? count(input + output) : "", input + output ? count(input) + " in, " + count(output) + " out" : "");
  return [cost, total, tokens];
}

function timeCell(view, at) {
  const { data } = view;
  const node = cell("time");
  const open = has(view, at, OPEN);
  const took = open ? Math.max((data.now === null ? view.most : now(view)) - data.at[at], 0) : Math.max(data.took[at], 0);
  node.append(...bar(view, data.at[at], took, [
    data.kinds[data.kind[at]] in KINDS ? data.kinds[data.kind[at]] : "other",
    bad(view, at) ? "failed" : "", open ? "open" : "", parental(view, at) ? "whole" : "", has(view, at, FOLDED) ? "folded" : "",
  ], (open ? "open · " : "") + span(took)));
  node.title = "Began after " + span(data.at[at]) + (open ? ", still open" : ", took " + span(took));
  return node;
}

function bar(view, from, took, classes, text) {
  const [left, width] = [(from / view.most) * 100, (took / view.most) * 100];
  const mark = el("span", "mark " + classes.filter(Boolean).join(" "));
  mark.style.left = `min(${left}%, 100% - 3px)`; // the last call of a long run would lie beyond the edge
  mark.style.width = `max(3px, ${width}%)`;
  const label = el("span", "took", text);
  if (left + width < 78) label.style.left = `calc(${left}% + max(3px, ${width}%) + 4px)`;
  else if (left > 24) label.style.right = `calc(${100 - left}% + 4px)`;
  else {
    label.style.right = `calc(${Math.max(100 - left - width, 0)}% + 6px)`;
    label.classList.add("upon");
  }
  return [mark, label];
}

function laneCells(view, at) {
  const { data } = view;
  const agent = data.agents[-at - 1];
  const lane = data.lanes[agent] || { calls: 0, problems: 0, costs: [] };
  const node = cell("call");
  node.style.setProperty("--depth", 0);
  const strip = el("span", "lane");
  strip.style.background = laneColour(-at - 1);
  const name = el("span", "name");
  name.append(marked(line(agent) || "(no agent)", view.query));
  node.append(strip, arrow(view, at), kindMark("agent"), name, badge(count(lane.calls) + (lane.calls === 1 ? " call" : " calls"), "plain"));
  if (lane.problems) node.append(badge(count(lane.problems) + (lane.problems === 1 ? " problem" : " problems"), "failed"));
  const costs = lane.costs.map(([text, currency]) => money(text, currency)).join(" + ");
  const cost = cell("num sum", costs, lane.costs.map(([text, currency]) => exact(text, currency)).join(" + "));
  return [node, cost, cell("num"), cell("num"), cell("time")];
}

const LANES = ["#2563eb", "#be185d", "#0e7490", "#b45309", "#6d28d9", "#4d7c0f", "#9f1239", "#0369a1", "#854d0e", "#475569"];
const laneColour = (agent) => LANES[agent % LANES.length];
