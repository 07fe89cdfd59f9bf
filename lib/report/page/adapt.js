/* Fits figures, which are made for white paper and a wide page, to the reader's colours and to narrow screens. */
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 600px)");
const adapt = async () => {
  const [ink, paper, line] = dark.matches ? ["#e6e9ed", "#14181d", "#343c46"] : ["#222222", "#ffffff", "#e4e4e4"];
  for (const plot of document.querySelectorAll(".plot")) {
    const change = {
      "font.color": ink,
      "font.size": narrow.matches ? 11 : 13,
      paper_bgcolor: paper,
      plot_bgcolor: paper,
    };
    // under a finger the page scrolls; a tap shows the numbers
    change.dragmode = narrow.matches ? false : "zoom";
    for (const key of Object.keys(plot.layout ?? {}))
      if (/^[xy]axis/.test(key)) {
        change[`${key}.gridcolor`] = line;
        change[`${key}.title.font.size`] = narrow.matches ? 11 : 13;
      }
    if (plot.layout?.scene) {
      change.dragmode = "turntable";
      for (const axis of ["xaxis", "yaxis", "zaxis"]) change[`scene.${axis}.gridcolor`] = line;
    }
    await Plotly.relayout(plot, change);
  }
};
await adapt();
dark.addEventListener("change", adapt);
narrow.addEventListener("change", adapt);
