// Which rows of the tree are shown, in which order, and how one moves among them.

// ---- which rows, in which order ---------------------------------------------------------------------------------

function change(view, act) {
  act();
  view.toggled.clear();
  arrange(view);
  if (view.place.has(view.active)) show(view, view.place.get(view.active));
  else view.scroller.scrollTop = 0;
  draw(view);
}

function arrange(view) {
  const keep = chosen(view);
  view.order = view.lanes ? laneOrder(view, keep) : treeOrder(view, keep);
  view.place = new Map(view.order.map((at, index) => [view.id(at), index]));
  view.trouble = view.order.filter((at) => at >= 0 && stop(view, at));
  if (!view.place.has(view.active)) view.active = view.order.length ? view.id(view.order[0]) : "";
}

// null where all rows are wanted; a row that stands for others is found through them.
function chosen(view) {
  const { data, query, kind, agent, problems } = view;
  if (!query && !kind && !agent && !problems) return null;
  const holds = (texts) => texts.map((text) => text.toLowerCase().includes(query));
  const [names, models, agents] = [holds(data.names), holds(data.models), holds(data.agents)];
  const [theKind, theAgent] = [data.kinds.indexOf(kind), data.agents.indexOf(agent)];
  const keep = new Uint8Array(data.n);
  let found = 0;
  for (let at = 0; at < data.n; at++) {
    if (has(view, at, FOLDED)) continue;
    if (kind && data.kind[at] !== theKind) continue;
    if (agent && data.agent[at] !== theAgent) continue;
    if (problems && !has(view, at, PROBLEM)) continue;
    if (query && !names[data.name[at]] && !models[data.model[at]] && !agents[data.agent[at]] && view.id(at) !== query) continue;
    keep[at] = 1;
    found++;
  }
  keep.found = found;
  return keep;
}

function treeOrder(view, keep) {
  const { data } = view;
  const within = keep && keep.slice();
  if (within) {
    for (let at = data.n - 1; at >= 0; at--) if (within[at] && view.parent[at] >= 0) within[view.parent[at]] ||= 2;
  }
  view.filtered = keep;
  const order = [];
  for (let at = 0; at < data.n; ) {
    if (!within || within[at]) order.push(at);
    at = shut(view, at) ? view.end[at] : at + 1;
  }
  return order;
}

function laneOrder(view, keep) {
  const { data } = view;
  view.filtered = keep;
  const lanes = new Map();
  let found = 0;
  for (let at = 0; at < data.n; at++) {
    if (has(view, at, FOLDED) || data.kinds[data.kind[at]] === "agent" || (keep && !keep[at])) continue;
    if (!lanes.has(data.agent[at])) lanes.set(data.agent[at], []);
    lanes.get(data.agent[at]).push(at);
    found++;
  }
  if (keep) keep.found = found; // agents are lanes here, not rows
  const order = [];
  for (const [agent, rows] of lanes) {
    order.push(-agent - 1);
    if (view.toggled.has(view.id(-agent - 1))) continue;
    for (const at of rows.sort((one, other) => data.at[one] - data.at[other])) order.push(at);
  }
  return order;
}

const parental = (view, at) => at < 0 || (!view.lanes && view.end[at] > at + 1);
const level = (view, at) => (at < 0 ? 0 : view.lanes ? 1 : view.data.depth[at]);
function shut(view, at) {
  if (!parental(view, at)) return false;
  const folded = at >= 0 && has(view, at, FOLDED) && !view.filtered;
  return view.toggled.has(view.id(at)) !== folded;
}

// ---- moving about -----------------------------------------------------------------------------------------------

function click(view, event) {
  const node = event.target.closest(".row");
  if (!node) return;
  const at = view.order[Number(node.dataset.index)];
  view.active = view.id(at);
  if (parental(view, at) && (at < 0 || has(view, at, FOLDED) || event.target.closest(".arrow"))) fold(view, at);
  else select(view);
}

function select(view) {
  const at = view.order[view.place.get(view.active)];
  if (at === undefined) return;
  if (at < 0 || has(view, at, FOLDED)) return fold(view, at);
  view.selected = view.active;
  draw(view);
  view.tell(view.selected);
}

function fold(view, at) {
  const id = view.id(at);
  if (!view.toggled.delete(id)) view.toggled.add(id);
  arrange(view);
  draw(view);
}

function go(view, index) {
  if (!view.order.length) return;
  const to = Math.max(0, Math.min(view.order.length - 1, index));
  view.active = view.id(view.order[to]);
  show(view, to);
  draw(view);
}

function show(view, index) {
  const { scroller } = view;
  const height = Math.min(view.order.length * ROW, (view.data.height || 560) - ROW);
  if (index * ROW < scroller.scrollTop) scroller.scrollTop = index * ROW;
  else if ((index + 1) * ROW > scroller.scrollTop + height) {
    view.body.style.height = view.order.length * ROW + "px"; // before the scroll, or there is nothing to scroll to
    scroller.style.height = height + "px";
    scroller.scrollTop = (index + 1) * ROW - height;
  }
}

// Open all that hides a call, then bring it into view.
function reveal(view, id) {
  const { data } = view;
  const at = id.startsWith(data.prefix) ? data.ids.indexOf(id.slice(data.prefix.length)) : -1;
  if (at < 0) return;
  if (!view.lanes) {
    for (let up = view.parent[at]; up >= 0; up = view.parent[up]) {
      if (!shut(view, up)) continue;
      const above = view.id(up);
      if (!view.toggled.delete(above)) view.toggled.add(above);
    }
  }
  arrange(view);
  view.active = view.place.has(id) ? id : view.active;
  const index = view.place.get(view.active) || 0;
  show(view, Math.min(index + 3, view.order.length - 1));
  show(view, index);
}

function step(view, way) {
  const from = view.place.get(view.active) ?? -1;
  const places = view.trouble.map((at) => view.place.get(view.id(at)));
  const next = way > 0 ? places.find((place) => place > from) : places.findLast((place) => place < from);
  if (next === undefined && !places.length) return;
  go(view, next ?? (way > 0 ? places[0] : places[places.length - 1]));
}

function seek(view, event) {
  if (event.key === "Escape" && view.find.value) {
    view.find.value = "";
    change(view, () => { view.query = ""; });
  } else if ((event.key === "Enter" || event.key === "ArrowDown") && view.order.length) {
    const hit = view.filtered ? view.order.findIndex((at) => at >= 0 && view.filtered[at] === 1) : 0;
    go(view, Math.max(hit, 0));
    view.grid.focus();
  } else return;
  event.preventDefault();
}

function press(view, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const index = view.place.get(view.active) ?? 0;
  const at = view.order[index];
  if (at === undefined) return;
  const page = Math.max(1, Math.floor(view.scroller.clientHeight / ROW) - 1);
  const acts = {
    ArrowDown: () => go(view, index + 1),
    ArrowUp: () => go(view, index - 1),
    PageDown: () => go(view, index + page),
    PageUp: () => go(view, index - page),
    Home: () => go(view, 0),
    End: () => go(view, view.order.length - 1),
    ArrowRight: () => (parental(view, at) && shut(view, at) ? fold(view, at) : parental(view, at) && go(view, index + 1)),
    ArrowLeft: () => (parental(view, at) && !shut(view, at) ? fold(view, at) : go(view, above(view, index))),
    Enter: () => select(view),
    " ": () => select(view),
    n: () => step(view, 1),
    N: () => step(view, -1),
  };
  if (!(event.key in acts)) return;
  event.preventDefault();
  event.stopPropagation(); // the page has keys of its own
  acts[event.key]();
}

function above(view, index) {
  const here = level(view, view.order[index]);
  for (let up = index - 1; up >= 0; up--) if (level(view, view.order[up]) < here) return up;
  return index;
}
