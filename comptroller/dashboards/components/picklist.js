// A list box: arrow keys, Home and End move the focus, Enter and the space bar pick. Texts go in as text.
function lineOf(left, right, cls) {
  const node = el("span", cls);
  node.append(left, el("span", "right", shown(right)));
  return node;
}

function option(item, chosen, pick) {
  const node = el("div", "option");
  node.setAttribute("role", "option");
  node.setAttribute("aria-selected", String(item.k === chosen));
  node.dataset.key = item.k;
  node.tabIndex = -1;
  if (item.x) node.title = shown(item.x);
  const head = el("span", "head");
  const title = el("bdi", "title", shown(item.t));
  head.append(title);
  if (item.w) head.append(badge(item.w, item.n));
  node.append(lineOf(head, item.r, "first"), lineOf(el("bdi", "", shown(item.b)), item.c, "second"));
  node.onclick = () => pick(item.k);
  return node;
}

function move(options, event) {
  const at = options.indexOf(event.target.closest(".option"));
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: options.length - 1 }[event.key];
  const next = to === undefined ? null : options[Math.max(0, Math.min(options.length - 1, to))];
  if (!next) return false;
  for (const one of options) one.tabIndex = one === next ? 0 : -1;
  next.focus();
  return true;
}

export default function (component) {
  const { data, setTriggerValue } = component;
  const root = rootOf(component);
  const pick = (key) => setTriggerValue("pick", key);
  const focused = root.getRootNode().activeElement?.dataset?.key;
  const list = el("div", "list");
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", data.label);
  const options = data.items.map((item) => option(item, data.chosen, pick));
  list.append(...options);
  (options.find((one) => one.dataset.key === (focused || data.chosen)) || options[0] || list).tabIndex = 0;
  list.onkeydown = (event) => {
    const here = event.target.closest(".option");
    if (here && (event.key === "Enter" || event.key === " ")) pick(here.dataset.key);
    else if (!move(options, event)) return;
    event.preventDefault();
  };
  root.replaceChildren(list); // made anew every few seconds: the focus stays where it was
  options.find((one) => one.dataset.key === focused)?.focus({ preventScroll: true });
}
