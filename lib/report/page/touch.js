/*
 * Under one finger the page scrolls, also over what is in 3D; two fingers turn it. `node` gets "start", "move" and
 * "end" of a gesture with the point between the fingers and their distance; programs within it see no touch.
 */
const onTwoFingers = (node, listen) => {
  node.style.touchAction = "pan-x pan-y";
  let last;
  const handle = (event) => {
    event.stopPropagation();
    const { touches, target } = event;
    if (touches.length === 2) {
      event.preventDefault();
      const [a, b] = [...touches].map(({ clientX, clientY }) => [clientX, clientY]);
      const point = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
      const now = { target, point, distance: Math.hypot(a[0] - b[0], a[1] - b[1]) };
      listen(last === undefined ? "start" : "move", now);
      last = now;
    } else if (last !== undefined) {
      listen("end", last);
      last = undefined;
    }
  };
  for (const name of ["touchstart", "touchmove", "touchend", "touchcancel"])
    node.addEventListener(name, handle, { capture: true, passive: false });
};

/* plotly.js turns a 3D figure under one finger; as two fingers it gets a mouse. */
const turnWithTwoFingers = (plot) => {
  for (const scene of plot.querySelectorAll(".gl-container")) {
    onTwoFingers(scene, (phase, { target, point: [clientX, clientY] }) => {
      const name = { start: "mousedown", move: "mousemove", end: "mouseup" }[phase];
      const buttons = phase === "end" ? 0 : 1;
      target.dispatchEvent(new MouseEvent(name, { bubbles: true, cancelable: true, clientX, clientY, buttons }));
    });
  }
};

/* Where nothing hovers, plotly.js would always show its buttons, over titles and legends. */
const forTouch = (config) => (matchMedia("(hover: none)").matches ? { ...config, displayModeBar: false } : config);
