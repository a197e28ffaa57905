// Draws the table that Python describes. Every text goes in as text: nothing here is ever read as HTML.
const inside = (cell) => {
  let node
  if (cell.h) {
    node = el("a", cell.c ? "code" : "", shown(cell.t))
    node.setAttribute("href", cell.h)
  } else {
    node = el("span", cell.n ? `badge ${cell.n}` : cell.c ? "code" : "")
    if (cell.m) {
      const mark = el("span", "mark", cell.m + " ")
      mark.setAttribute("aria-hidden", "true")
      node.append(mark)
    }
    node.append(shown(cell.t))
  }
  if (cell.x) node.title = shown(cell.x)
  node.dir = "auto"
  return node
}

const course = (heights) => {
  const box = el("span", "course")
  box.setAttribute("aria-hidden", "true")
  for (const height of heights) {
    const bar = el("i")
    bar.style.height = `${height && Math.max(height, 6)}%`
    box.append(bar)
  }
  return box
}

const place = (cell, head) => {
  const td = el("td", [head.r ? "right" : "", head.i ? "inner" : "", head.w ? "wide" : ""].join(" ").trim())
  td.dataset.label = head.t
  if (cell.p !== undefined) {
    const bar = el("span", "bar")
    bar.style.width = `${Math.max(0, Math.min(1, cell.p)) * 100}%`
    const track = el("span", "track")
    track.setAttribute("aria-hidden", "true")
    track.append(bar)
    td.append(track)
  }
  td.append(inside(cell))
  if (cell.v) td.append(course(cell.v))
  if (cell.b) td.append(el("span", "below", shown(cell.b)))
  return td
}

const header = (head, sort, act) => {
  const th = el("th", [head.r ? "right" : "", head.i ? "inner" : ""].join(" ").trim())
  th.scope = "col"
  if (head.a) th.title = head.a
  if (!head.s) {
    th.textContent = head.t
    return th
  }
  const field = sort.replace(/^-/, "")
  const own = field === head.f
  const falling = sort.startsWith("-")
  if (own) th.setAttribute("aria-sort", falling ? "descending" : "ascending")
  const button = el("button", "", head.t)
  button.type = "button"
  const arrow = el("span", "arrow", own ? (falling ? " ↓" : " ↑") : "")
  arrow.setAttribute("aria-hidden", "true")
  button.append(arrow)
  button.onclick = () => act("sort", own && falling ? head.f : `-${head.f}`)
  th.append(button)
  return th
}

export default function (component) {
  const { data, setTriggerValue } = component
  const root = rootOf(component)
  const still = !data.keys.length && !data.heads.some((head) => head.s)
  const print = still ? JSON.stringify(data) : ""
  if (still && root.print === print) return // a page that refreshes itself leaves alone what has not changed
  root.print = print
  const table = el("table")
  table.append(el("caption", "", data.caption))
  const top = table.createTHead().insertRow()
  for (const head of data.heads) top.append(header(head, data.sort, setTriggerValue))
  const body = table.createTBody()
  data.rows.forEach((row, index) => {
    const tr = body.insertRow()
    row.forEach((cell, at) => tr.append(place(cell, data.heads[at])))
    const key = data.keys[index]
    if (key === undefined) return
    tr.className = key === data.chosen ? "pick chosen" : "pick"
    tr.tabIndex = 0
    tr.setAttribute("aria-selected", key === data.chosen)
    tr.onclick = (event) => { if (!event.composedPath().some((n) => n.tagName === "A")) setTriggerValue("choose", key) }
    tr.onkeydown = (event) => {
      if (event.key === "Enter" && event.target === tr) setTriggerValue("choose", key)
      const step = event.key === "ArrowDown" ? tr.nextElementSibling : event.key === "ArrowUp" ? tr.previousElementSibling : null
      if (step) { step.focus(); event.preventDefault() }
    }
  })
  if (data.total.length) {
    const foot = table.createTFoot().insertRow()
    data.total.forEach((cell, at) => foot.append(place(cell, data.heads[at])))
  }
  root.replaceChildren(table)
}
