/* Unpacks the page's data and opens it. */

async function start() {
  const root = document.getElementById("explorer");
  try {
    const raw = bytesOf(document.getElementById("data").textContent.trim());
    const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("gzip"));
    const data = JSON.parse(await new Response(stream).text());
    if (data.version !== pageVersion) {
      throw new Error(
        `the data of this page have form ${data.version}, its program reads ${pageVersion}; make the page anew`,
      );
    }
    await { answers: answersPage, attention: attentionPage }[data.kind](data, root);
    document.documentElement.dataset.drawn = "yes";
  } catch (error) {
    root.replaceChildren(el("p.note", { role: "alert" }, `This page cannot be shown: ${error.message}`));
    document.documentElement.dataset.drawn = "failed";
    throw error;
  }
}

void start();
