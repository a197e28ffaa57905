// Spend as an area above, failed calls as columns below, over one axis of time.

const EDGE = { left: 64, right: 12, top: 26, gap: 30, bottom: 22 };

export default function (component) {
  const root = rootOf(component);
  const view = stateOf(root, () => build(root));
  view.tell = (id) => component.setStateValue("selected", id);
  if (view.data !== component.data) {
    view.data = component.data;
    const [wish, id] = component.data.ask || [0, ""];
    if (wish !== view.obeyed) view.selected = id;
    view.obeyed = wish;
    view.cursor = Math.min(view.cursor, view.data.at.length - 1);
  }
  draw(view);
}

function build(root) {
  const view = { root, cursor: -1, selected: "", obeyed: 0 };
  view.chart = svg("svg", { class: "chart", tabindex: 0, role: "slider" });
  view.tip = el("div", "tip");
  view.tip.hidden = true;
  view.empty = el("p", "empty");
  const hint = el("p", "hint", "← → read a period · Enter shows it alone · Esc shows all");
  root.replaceChildren(view.chart, view.tip, view.empty, hint);
  view.chart.addEventListener("pointermove", (event) => { point(view, under(view, event)); });
  view.chart.addEventListener("pointerleave", () => point(view, -1));
  view.chart.addEventListener("blur", () => point(view, -1));
  view.chart.addEventListener("click", (event) => choose(view, under(view, event)));
  view.chart.addEventListener("keydown", (event) => press(view, event));
  new ResizeObserver(once(() => view.data && draw(view))).observe(root);
  return view;
}

function draw(view) {
  const { data, chart } = view;
  const n = data.at.length;
  view.empty.hidden = n > 0;
  chart.style.display = n ? "" : "none";
  view.empty.textContent = "Nothing was spent in this time. Choose a longer one, or wait for the first call.";
  if (!n) return;
  const wide = Math.max(view.root.clientWidth, 240);
  const plot = wide - EDGE.left - EDGE.right;
  const room = data.height - EDGE.top - EDGE.gap - EDGE.bottom;
  view.upper = { top: EDGE.top, height: Math.round(room * 0.64) };
  view.lower = { top: EDGE.top + view.upper.height + EDGE.gap, height: Math.round(room * 0.36) };
  view.slot = plot / n;
  view.wide = wide;
  chart.setAttribute("viewBox", `0 0 ${wide} ${data.height}`);
  chart.setAttribute("width", wide);
  chart.setAttribute("height", data.height);
  chart.setAttribute("aria-label", line(data.title) + " and failed calls over time");
  chart.setAttribute("aria-valuemin", "1");
  chart.setAttribute("aria-valuemax", String(n));
  chart.setAttribute("aria-valuenow", "1");
  view.rule = svg("line", { class: "cursor", y1: EDGE.top, y2: data.height - EDGE.bottom, visibility: "hidden" });
  chart.replaceChildren(...chosen(view), ...moneyPanel(view), ...failedPanel(view), ...times(view), view.rule);
  read(view, view.cursor);
}

const middle = (view, at) => EDGE.left + view.slot * (at + 0.5);

function moneyPanel(view) {
  const { data, upper } = view;
  const sizes = data.cost.map(Number); // of the picture alone: what is read out is the exact text
  const most = Math.max(...sizes, 0);
  const step = steps(most || 1, 4);
  const top = Math.max(Math.ceil(most / step) * step, step);
  const y = (size) => upper.top + upper.height * (1 - Math.max(size, 0) / top);
  const parts = [svg("text", { class: "title", x: EDGE.left, y: upper.top - 10 }, line(data.title))];
  for (let at = 0; at <= top * 1.001; at += step) parts.push(...gridline(view, y(at), money(String(at), data.currency)));
  const points = sizes.map((size, at) => `${middle(view, at).toFixed(1)},${y(size).toFixed(1)}`);
  const base = y(0);
  parts.push(svg("polygon", { class: "area", points: `${middle(view, 0)},${base} ${points.join(" ")} ${middle(view, sizes.length - 1)},${base}` }));
  parts.push(svg("polyline", { class: "curve", points: points.join(" ") }));
  if (sizes.length === 1) parts.push(svg("circle", { class: "dot", cx: middle(view, 0), cy: y(sizes[0]), r: 3 }));
  return parts;
}

function failedPanel(view) {
  const { data, lower } = view;
  const most = Math.max(...data.failed, 1);
  const y = (size) => lower.top + lower.height * (1 - size / most);
  const parts = [svg("text", { class: "title", x: EDGE.left, y: lower.top - 10 }, "Failed calls")];
  parts.push(...gridline(view, y(most), count(most)), ...gridline(view, y(0), "0"));
  data.failed.forEach((failed, at) => {
    if (!failed) return;
    const width = Math.max(view.slot * 0.7, 1);
    parts.push(svg("rect", { class: "column", x: middle(view, at) - width / 2, width, y: y(failed), height: lower.top + lower.height - y(failed) }));
  });
  return parts;
}

function gridline(view, y, text) {
  return [
    svg("line", { class: "gridline", x1: EDGE.left, x2: view.wide - EDGE.right, y1: y, y2: y }),
    svg("text", { class: "figure", x: EDGE.left - 6, y: y + 4, "text-anchor": "end" }, text),
  ];
}

function times(view) {
  const { data } = view;
  const every = Math.ceil((data.at.length * 92) / (view.wide - EDGE.left - EDGE.right));
  return data.at.flatMap((at, index) => {
    if (index % every || middle(view, index) > view.wide - 40) return [];
    return [svg("text", { class: "figure", x: middle(view, index), y: data.height - 5, "text-anchor": "middle" }, moment(view, at, true))];
  });
}

function moment(view, at, brief) {
  const { at: all } = view.data;
  const days = all.length > 1 && all[1] - all[0] >= 86400000;
  // A day of the books is a day of UTC: in another zone the 20th could read as the 19th.
  const hours = all.length < 2 || all[1] - all[0] >= 36e5;
  const options = days
    ? { day: "numeric", month: "short", timeZone: "UTC", ...(brief ? {} : { weekday: "short", year: "numeric" }) }
    : { hour: hours && brief ? "numeric" : "2-digit", ...(hours && brief ? {} : { minute: "2-digit" }), ...(brief && all[all.length - 1] - all[0] < 864e5 ? {} : { day: "numeric", month: "short" }), ...(brief ? {} : { timeZoneName: "short" }) };
  return new Intl.DateTimeFormat(undefined, options).format(new Date(at));
}

function chosen(view) {
  const at = view.data.ids.indexOf(view.selected);
  if (at < 0) return [];
  return [svg("rect", { class: "chosen", x: EDGE.left + view.slot * at, width: Math.max(view.slot, 2), y: 0, height: view.data.height - EDGE.bottom })];
}

// ---- reading and choosing ---------------------------------------------------------------------------------------

function under(view, event) {
  const at = Math.floor((event.clientX - view.chart.getBoundingClientRect().left - EDGE.left) / view.slot);
  return at >= 0 && at < view.data.at.length ? at : -1;
}

function point(view, at) {
  view.tip.hidden = at < 0;
  view.rule.setAttribute("visibility", at < 0 ? "hidden" : "visible");
  if (at < 0) return;
  view.cursor = at;
  view.rule.setAttribute("x1", middle(view, at));
  view.rule.setAttribute("x2", middle(view, at));
  const { data } = view;
  view.tip.replaceChildren(
    el("b", "", moment(view, data.at[at])),
    el("div", "", exact(data.cost[at], data.currency)),
    el("div", data.failed[at] ? "failed" : "", count(data.failed[at]) + " of " + count(data.calls[at]) + " calls failed"),
  );
  const left = middle(view, at);
  view.tip.style.left = left > view.wide / 2 ? "" : left + 10 + "px";
  view.tip.style.right = left > view.wide / 2 ? view.wide - left + 10 + "px" : "";
  read(view, at);
}

function read(view, at) {
  const { data, chart } = view;
  chart.setAttribute("aria-valuenow", String(Math.max(at, 0) + 1));
  const words = at < 0 ? count(data.at.length) + " periods; press an arrow key to read them"
    : `${moment(view, data.at[at])}: ${exact(data.cost[at], data.currency)}, ${count(data.failed[at])} of ${count(data.calls[at])} calls failed`;
  chart.setAttribute("aria-valuetext", words + (view.selected && at >= 0 && data.ids[at] === view.selected ? ", chosen" : ""));
}

function choose(view, at) {
  const id = view.data.ids[at] ?? "";
  view.selected = id === view.selected ? "" : id; // a second time lets go of it
  draw(view);
  view.tell(view.selected);
}

function press(view, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const last = view.data.at.length - 1;
  const to = { ArrowRight: view.cursor + 1, ArrowLeft: view.cursor - 1, Home: 0, End: last }[event.key];
  if (to !== undefined) point(view, Math.max(0, Math.min(last, to)));
  else if ((event.key === "Enter" || event.key === " ") && view.cursor >= 0) choose(view, view.cursor);
  else if (event.key === "Escape" && view.selected) choose(view, -1);
  else return;
  event.preventDefault();
}
