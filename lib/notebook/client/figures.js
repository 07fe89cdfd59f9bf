/* Draws a notebook's figures in the page that shows them: those there already, and each that comes later. */
(async () => {
  const queue = (window.labFigures ??= []);
  if (queue.library) return;
  queue.library = true;
  const text = (packed) => {
    const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  const source = await text(LIBRARY);
  // "define" is hidden: plotly.js would register itself with a page's module loader
  const Plotly = new Function("define", "module", "exports", `${source}\nreturn window.Plotly;`)();
  TOUCH;
  const canDraw3D = document.createElement("canvas").getContext("webgl") !== null;
  const draw = async ([id, packed]) => {
    const [data, layout, config] = JSON.parse(await text(packed));
    if (layout.scene && !canDraw3D) return;
    for (const place of document.querySelectorAll(`[data-live="${id}"]:not([data-drawn])`)) {
      place.dataset.drawn = "yes";
      const node = document.createElement("div");
      node.style.cssText = `width:100%;height:${layout.height ?? 440}px`;
      place.replaceChildren(node);
      const [own, look] = [structuredClone(data), structuredClone(layout)];
      turnWithTwoFingers(await Plotly.newPlot(node, own, look, forTouch(config)));
    }
  };
  queue.push = (figure) => void draw(figure).catch(console.error);
  for (const figure of queue.splice(0)) queue.push(figure);
})();
