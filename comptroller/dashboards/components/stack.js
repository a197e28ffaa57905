// Columns of parts over time. What is in a column is read by the arrow keys or the pointer; texts go in as text.
const ROOM = { left: 62, right: 8, top: 10, bottom: 22 };

export default function (component) {
  const root = rootOf(component);
  const view = stateOf(root, () => build(root));
  view.data = component.data;
  view.at = -1;
  draw(view);
}

function build(root) {
  const view = { root, at: -1 };
  view.chart = svg("svg", { class: "chart", tabindex: 0, role: "slider", "aria-valuemin": 1, "aria-valuenow": 1 });
  view.tip = el("div", "tip");
  view.tip.hidden = true;
  view.legend = el("div", "legend");
  root.replaceChildren(view.chart, view.tip, view.legend);
  view.chart.addEventListener("pointermove", (event) => point(view, under(view, event)));
  view.chart.addEventListener("pointerleave", () => point(view, -1));
  view.chart.addEventListener("blur", () => point(view, -1));
  view.chart.addEventListener("keydown", (event) => {
    const to = { ArrowRight: view.at + 1, ArrowLeft: view.at - 1, Home: 0, End: view.data.labels.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    point(view, Math.max(0, Math.min(view.data.labels.length - 1, to)));
  });
  new ResizeObserver(once(() => view.data && draw(view))).observe(root);
  return view;
}

const total = (data, at) => data.parts.reduce((sum, part) => sum + Number(part.values[at]), 0);

function draw(view) {
  const { data, chart } = view;
  const count = data.labels.length;
  const wide = Math.max(view.root.clientWidth, 240);
  view.plot = wide - ROOM.left - ROOM.right;
  view.slot = view.plot / Math.max(count, 1);
  view.deep = data.height - ROOM.top - ROOM.bottom;
  view.most = Math.max(...data.labels.map((_, at) => total(data, at)), 0) || 1;
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${wide} ${data.height}`, width: wide, height: data.height, "aria-valuemax": count }))
    chart.setAttribute(name, String(value));
  chart.setAttribute("aria-label", line(data.title));
  chart.replaceChildren(...grid(view, wide), ...bars(view), ...days(view));
  view.legend.replaceChildren(...data.parts.map((part, at) => {
    const item = el("span", "part");
    const swatch = el("span", `swatch c${at}`);
    swatch.setAttribute("aria-hidden", "true");
    item.append(swatch, el("bdi", "", line(part.name)));
    return item;
  }));
  point(view, view.at);
}

const high = (view, amount) => (amount / view.most) * view.deep;

function grid(view, wide) {
  const step = steps(view.most, 3);
  const made = [];
  for (let amount = 0; amount <= view.most * 1.0001; amount += step) {
    const y = ROOM.top + view.deep - high(view, amount);
    made.push(svg("line", { class: "gridline", x1: ROOM.left, x2: wide - ROOM.right, y1: y, y2: y }));
    made.push(svg("text", { class: "figure", x: ROOM.left - 8, y: y + 4, "text-anchor": "end" }, money(String(amount), view.data.currency)));
  }
  return made;
}

function bars(view) {
  const gap = view.slot > 6 ? 2 : view.slot > 3 ? 1 : 0;
  return view.data.labels.flatMap((_, at) => {
    let y = ROOM.top + view.deep;
    return view.data.parts.flatMap((part, number) => {
      const tall = high(view, Number(part.values[at]));
      if (tall <= 0) return [];
      y -= tall;
      return [svg("rect", { class: `c${number}`, x: ROOM.left + at * view.slot, y, width: Math.max(view.slot - gap, 1), height: Math.max(tall, 0.5) })];
    });
  });
}

function days(view) {
  const every = Math.max(1, Math.ceil(76 / view.slot));
  return view.data.labels.flatMap((label, at) => {
    if (at % every) return [];
    const x = ROOM.left + (at + 0.5) * view.slot;
    return [svg("text", { class: "figure", x: Math.max(x, ROOM.left + 14), y: view.data.height - 6, "text-anchor": "middle" }, line(label))];
  });
}

function under(view, event) {
  const at = Math.floor((event.clientX - view.chart.getBoundingClientRect().left - ROOM.left) / view.slot);
  return at >= 0 && at < view.data.labels.length ? at : -1;
}

function point(view, at) {
  const { data } = view;
  view.at = at < data.labels.length ? at : -1;
  view.tip.hidden = view.at < 0;
  for (const rect of view.chart.querySelectorAll(".here")) rect.remove();
  if (view.at < 0) return;
  const parts = data.parts.filter((part) => Number(part.values[at]) > 0);
  const said = [`${line(data.labels[at])}: ${money(String(total(data, at)), data.currency)}`, ...parts.map((part) => `${line(part.name)} ${money(part.values[at], data.currency)}`)];
  view.tip.replaceChildren(...said.map((text, number) => el("div", number ? "" : "first", text)));
  view.tip.style.left = `${Math.min(ROOM.left + (at + 1) * view.slot, Math.max(view.root.clientWidth - 230, 0))}px`;
  view.chart.append(svg("rect", { class: "here", x: ROOM.left + at * view.slot, y: ROOM.top, width: view.slot, height: view.deep }));
  view.chart.setAttribute("aria-valuenow", String(at + 1));
  view.chart.setAttribute("aria-valuetext", said.join(", "));
}
