// Who called whom: boxes and lines, the dearer the wider. Arrow keys go from box to box along the lines.

const BOX = { width: 188, height: 42, gapX: 150, gapY: 12, edge: 16 };
const WAYS = [0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8]; // along a line, where its name may stand

export default function (component) {
  const root = rootOf(component);
  const view = stateOf(root, () => build(root));
  view.tell = (id) => component.setStateValue("selected", id);
  const print = JSON.stringify(component.data); // drawn anew only where something is: five hundred lines take their time
  if (view.print === print) return;
  view.print = print;
  take(view, component.data);
}

function build(root) {
  const view = { root, scale: 0, selected: "", active: -1, obeyed: 0 };
  const tools = el("div", "bar-of-tools");
  tools.append(
    button("−", "", () => zoom(view, view.scale / 1.25), "Smaller"),
    button("+", "", () => zoom(view, view.scale * 1.25), "Larger"),
    button("Fit", "", () => zoom(view, 0), "Fit the whole graph in"),
  );
  view.all = button("Show all", "", () => choose(view, -1), "Let go of the chosen node");
  view.said = el("span", "said");
  view.said.setAttribute("role", "status");
  tools.append(view.all, view.said);
  view.frame = el("div", "frame");
  view.empty = el("p", "empty", "No calls are on record yet. Who calls whom shows here after the first.");
  const legend = el("p", "legend");
  legend.append(
    swatch("wide", "the wider, the dearer"), swatch("failed", "red and “failed”: calls failed or were refused"),
    swatch("back", "dashed: back to an earlier agent"),
    el("span", "", "Arrow keys go along the lines, Enter chooses, Esc lets go."),
  );
  root.replaceChildren(tools, view.frame, view.empty, legend);
  root.addEventListener("keydown", (event) => press(view, event));
  view.frame.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return; // a wheel without Ctrl scrolls, as everywhere
    event.preventDefault();
    zoom(view, view.scale * (event.deltaY < 0 ? 1.1 : 1 / 1.1));
  }, { passive: false });
  return view;
}

function swatch(cls, text) {
  const node = el("span", "swatch", text);
  const mark = svg("svg", { width: 26, height: 8, "aria-hidden": "true" });
  mark.append(svg("line", { class: "edge " + cls, x1: 1, x2: 25, y1: 4, y2: 4, "stroke-width": cls === "wide" ? 6 : 2.5 }));
  node.prepend(mark);
  return node;
}

function take(view, data) {
  view.data = data;
  view.nodes = data.nodes.map(([id, kind, name, column, row, calls, failed, costs], at) =>
    ({ at, id, kind, name: line(name) || "(no name)", column, row, calls, failed, costs, out: [], into: [] }));
  view.edges = data.edges.map(([from, to, calls, failed, costs, share], at) =>
    ({ at, from: view.nodes[from], to: view.nodes[to], calls, failed, costs, share }));
  for (const edge of view.edges) {
    edge.from.out.push(edge);
    edge.to.into.push(edge);
  }
  const [wish, id] = data.ask || [0, ""];
  if (wish !== view.obeyed) view.selected = id;
  view.obeyed = wish;
  view.active = view.nodes.findIndex((node) => node.id === view.selected);
  place(view);
  draw(view);
  zoom(view, view.scale || Math.max(fit(view), 0.75));
  view.frame.scrollTop = (view.high * view.scale - view.frame.clientHeight) / 2; // where those stand that begin it
}

// A column stands in the middle of the tallest.
function place(view) {
  const tall = new Map();
  for (const { column, row } of view.nodes) tall.set(column, Math.max(tall.get(column) || 0, row + 1));
  const most = Math.max(1, ...tall.values());
  const columns = Math.max(1, ...[...tall.keys()].map((one) => one + 1));
  view.high = most * (BOX.height + BOX.gapY) + 2 * BOX.edge;
  view.wide = columns * (BOX.width + BOX.gapX) - BOX.gapX + 2 * BOX.edge;
  for (const node of view.nodes) {
    const room = most / tall.get(node.column);
    node.x = BOX.edge + node.column * (BOX.width + BOX.gapX);
    node.y = BOX.edge + (node.row + 0.5) * room * (BOX.height + BOX.gapY) - BOX.height / 2;
  }
}

function fit(view) {
  return Math.min(1, (view.frame.clientWidth - 4) / view.wide, (view.data.height - 4) / view.high);
}

function zoom(view, scale) {
  view.scale = Math.max(0.15, Math.min(2.5, scale || fit(view)));
  const chart = view.frame.firstChild;
  if (!chart) return;
  chart.setAttribute("width", view.wide * view.scale);
  chart.setAttribute("height", view.high * view.scale);
  view.frame.style.height = Math.min(view.high * view.scale + 18, view.data.height) + "px";
}

// ---- drawing ----------------------------------------------------------------------------------------------------

const costsInWords = (costs) => costs.map(([text, currency]) => money(text, currency)).join(" + ");
const costsInFull = (costs) => costs.map(([text, currency]) => exact(text, currency)).join(" + ");
const times = (calls) => count(calls) + (calls === 1 ? " call" : " calls");

function draw(view) {
  const n = view.nodes.length;
  view.empty.hidden = n > 0;
  view.frame.hidden = n === 0;
  const chart = svg("svg", { viewBox: `0 0 ${view.wide} ${view.high}`, role: "group" });
  chart.setAttribute("aria-label", `Who calls whom: ${count(n)} nodes, ${count(view.edges.length)} lines`);
  const lines = svg("g", { "aria-hidden": "true" }), labels = svg("g", { "aria-hidden": "true" }), boxes = svg("g");
  for (const edge of [...view.edges].sort((one, other) => !!one.failed - !!other.failed)) {
    lines.append(drawLine(edge));
    edge.label = drawLabel(view, edge);
    labels.append(edge.label);
  }
  for (const node of view.nodes) boxes.append(drawBox(view, node));
  chart.append(lines, labels, boxes);
  view.frame.replaceChildren(chart);
  view.all.disabled = !view.selected;
  view.said.textContent = `${count(n)} nodes, ${count(view.edges.length)} lines`;
  light(view, view.active);
}

function drawLine(edge) {
  const { from, to } = edge;
  const [x1, y1, x2, y2] = [from.x + BOX.width, from.y + BOX.height / 2, to.x, to.y + BOX.height / 2];
  edge.back = to.column <= from.column;
  const bend = edge.back ? 90 : Math.max((x2 - x1) / 2, 30);
  const sink = edge.back && from === to ? 46 : 0; // a call of oneself hangs below the box
  const path = `M${x1},${y1} C${x1 + bend},${y1 + sink} ${x2 - bend},${y2 + sink} ${x2 - 5},${y2}`;
  edge.line = svg("path", {
    class: "edge" + (edge.failed ? " failed" : "") + (edge.back ? " back" : ""), d: path,
    "stroke-width": (1.2 + 5.8 * Math.sqrt(edge.share / 1000)).toFixed(2),
  });
  edge.line.append(svg("title", {}, `${from.name} → ${to.name}: ${times(edge.calls)}${edge.costs.length ? ", " + costsInFull(edge.costs) : ""}${edge.failed ? ", " + count(edge.failed) + " failed" : ""}`));
  return edge.line;
}

function drawLabel(view, edge) {
  const words = [count(edge.calls) + "×", costsInWords(edge.costs), edge.failed ? count(edge.failed) + " failed" : ""];
  edge.quiet = view.edges.length > 24 && !(edge.failed && view.edges.length <= 80);
  return svg("text", { class: "words" + (edge.failed ? " failed" : ""), "text-anchor": "middle" }, words.filter(Boolean).join(" · "));
}

function drawBox(view, node) {
  const group = svg("g", { class: "box " + (node.kind in KINDS ? node.kind : "other"), transform: `translate(${node.x},${node.y})`, role: "button" });
  group.setAttribute("tabindex", node.at === Math.max(view.active, 0) ? "0" : "-1");
  group.setAttribute("aria-pressed", String(node.id === view.selected));
  group.setAttribute("aria-label", `${node.name}, ${line(node.kind)}, ${times(node.calls)}` + (node.costs.length ? ", " + costsInFull(node.costs) : "")
    + (node.failed ? `, ${count(node.failed)} failed` : "") + (node.out.length ? `; calls ${node.out.slice(0, 5).map((edge) => edge.to.name).join(", ")}` : ""));
  group.dataset.id = node.id;
  group.append(svg("rect", { class: "card", width: BOX.width, height: BOX.height, rx: 8 }), svg("rect", { class: "strip", width: 5, height: BOX.height, rx: 2 }));
  const failed = node.failed ? count(node.failed) + " failed" : "";
  const words = [line(node.kind), count(node.calls) + "×", costsInWords(node.costs), failed].filter(Boolean).join(" · ");
  group.append(
    svg("text", { class: "name", x: 14, y: 17 }, short(node.name, 25)),
    svg("text", { class: "side" + (node.failed ? " failed" : ""), x: 14, y: 33 }, short(words, 36)),
    svg("title", {}, `${node.name}: ${words}`),
  );
  group.addEventListener("click", () => choose(view, node.id === view.selected ? -1 : node.at));
  group.addEventListener("pointerenter", () => light(view, node.at));
  group.addEventListener("pointerleave", () => light(view, view.nodes.findIndex((one) => one.id === view.selected)));
  group.addEventListener("focus", () => light(view, node.at));
  node.box = group;
  return group;
}

const short = (text, most) => {
  const letters = [...text];
  return letters.length <= most ? text : letters.slice(0, most - 1).join("") + "…";
};

// What the node has to do with stands out; the rest steps back.
function light(view, at) {
  const node = view.nodes[at];
  const near = new Set(node ? [node, ...node.out.map((edge) => edge.to), ...node.into.map((edge) => edge.from)] : view.nodes);
  for (const one of view.nodes) one.box.classList.toggle("dim", !near.has(one));
  for (const edge of view.edges) {
    const mine = !node || edge.from === node || edge.to === node;
    edge.line.classList.toggle("dim", !mine);
    edge.label.classList.add("gone");
  }
  const named = view.edges.filter((edge) => (node ? edge.from === node || edge.to === node : !edge.quiet));
  name(view, named.sort((one, other) => !!other.failed - !!one.failed || other.share - one.share));
}

// What matters most is named first, each line where it has room; where it has none, its tip and the table tell.
// A line has a length, and a text its width, once they are in the document.
function name(view, edges) {
  const taken = view.nodes.map(({ x, y }) => [x, y, x + BOX.width, y + BOX.height]);
  for (const edge of edges) {
    edge.label.classList.remove("gone");
    const [long, half] = [edge.line.getTotalLength(), edge.label.getComputedTextLength() / 2 + 3];
    const room = WAYS.map((way) => {
      const { x, y } = edge.line.getPointAtLength(long * way);
      return [x - half, y - 15, x + half, y + 1];
    }).find((one) => !taken.some((other) => one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3]));
    edge.label.classList.toggle("gone", !room);
    if (!room) continue;
    taken.push(room);
    edge.label.setAttribute("x", (room[0] + room[2]) / 2);
    edge.label.setAttribute("y", room[3] - 5);
  }
}

// ---- moving about -----------------------------------------------------------------------------------------------

function choose(view, at) {
  view.selected = at < 0 ? "" : view.nodes[at].id;
  if (at >= 0) view.active = at;
  for (const node of view.nodes) node.box.setAttribute("aria-pressed", String(node.id === view.selected));
  view.all.disabled = !view.selected;
  light(view, at);
  view.tell(view.selected);
}

function press(view, event) {
  const at = view.nodes ? view.nodes.findIndex((node) => node.box === view.root.getRootNode().activeElement) : -1;
  if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const node = view.nodes[at];
  const beside = (way) => view.nodes.find((one) => one.column === node.column && one.row === node.row + way);
  const gap = (one) => Math.abs(one.column - node.column) * 1e6 + Math.abs(one.y - node.y);
  const nearest = (those) => those.filter((one) => one !== node).sort((one, other) => gap(one) - gap(other))[0];
  const column = (way) => nearest(view.nodes.filter((one) => one.column === node.column + way));
  const to = {
    ArrowUp: () => beside(-1), ArrowDown: () => beside(1),
    ArrowRight: () => nearest(node.out.map((edge) => edge.to)) || column(1),
    ArrowLeft: () => nearest(node.into.map((edge) => edge.from)) || column(-1),
    Home: () => view.nodes.find((one) => one.column === 0 && one.row === 0),
    End: () => view.nodes.reduce((best, one) => (one.column > best.column || (one.column === best.column && one.row > best.row) ? one : best)),
  }[event.key];
  if (to) move(view, to());
  else if (event.key === "Enter" || event.key === " ") choose(view, node.id === view.selected ? -1 : at);
  else if (event.key === "Escape" && view.selected) choose(view, -1);
  else return;
  event.preventDefault();
}

function move(view, node) {
  if (!node) return;
  for (const one of view.nodes) one.box.setAttribute("tabindex", one === node ? "0" : "-1");
  view.active = node.at;
  node.box.focus();
  node.box.scrollIntoView({ block: "nearest", inline: "nearest" });
}
