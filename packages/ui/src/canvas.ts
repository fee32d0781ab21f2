/** Shared functions for canvases: sharp pixels and the colours of the page. */
export const prepare = (canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null => {
  const ratio = Math.min(devicePixelRatio, 2)
  const w = Math.max(1, Math.round(width * ratio))
  const h = Math.max(1, Math.round(height * ratio))
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w
    canvas.height = h
    canvas.style.width = `${width}px`
    canvas.style.height = `${height}px`
  }
  const context = canvas.getContext("2d")
  context?.setTransform(ratio, 0, 0, ratio, 0, 0)
  context?.clearRect(0, 0, width, height)
  return context
}

export const colours = () => {
  const style = getComputedStyle(document.documentElement)
  const read = (name: string) => style.getPropertyValue(name).trim()
  return {
    text: read("--text"),
    dim: read("--dim"),
    line: read("--line"),
    panel: read("--panel"),
    page: read("--page"),
    accent: read("--accent")
  }
}

/** The text truncated to a width. */
export const fitText = (context: CanvasRenderingContext2D, text: string, width: number): string => {
  if (width <= 8) return ""
  if (context.measureText(text).width <= width) return text
  let low = 0
  let high = text.length
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (context.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle
    else high = middle - 1
  }
  return low === 0 ? "" : `${text.slice(0, low)}…`
}
