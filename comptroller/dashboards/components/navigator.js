// A plain click on a link of the console changes the address and tells Streamlit so, as the Back button does: the
// session stays, and Back leads where one came from. (Its own way of switching pages leaves a step in between that
// never was.) Any other click is the browser's business, and so is the way out, which is no page of Streamlit's.
const APART = /^\/(leave|signin|enter)\b/

export default function () {
  const follow = (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement)
    if (!link || link.target === "_self" || link.target === "_blank" || link.hasAttribute("download")) return
    const address = link.getAttribute("href") || ""
    if (!address.startsWith("/") || address.startsWith("//") || APART.test(address) || link.closest('[data-testid="stSidebarNav"]')) return
    event.preventDefault()
    window.history.pushState({}, "", address)
    window.dispatchEvent(new PopStateEvent("popstate", { state: {} }))
    document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0)
  }
  document.addEventListener("click", follow)
  return () => document.removeEventListener("click", follow)
}
