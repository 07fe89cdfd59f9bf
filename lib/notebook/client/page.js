/* Puts a page into the notebook that shows it, in the place of its picture. */
(async () => {
  const bytes = Uint8Array.from(atob(PAGE), (c) => c.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const page = await new Response(unpacked).text();
  for (const place of document.querySelectorAll(`[data-live="${ID}"]:not([data-drawn])`)) {
    place.dataset.drawn = "yes";
    const frame = document.createElement("iframe");
    frame.title = TITLE;
    frame.style.cssText = "width:100%;height:760px;border:0;resize:vertical;background:#fff";
    frame.srcdoc = page;
    place.replaceChildren(frame);
  }
})();
