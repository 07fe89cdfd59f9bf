import which from "which";

/**
 * The first of the named programs that this machine has.
 *
 * @param names file names to look for on PATH, and absolute paths to try as they are
 * @returns absolute path, or undefined
 */
export function findProgram(names: readonly string[], path = process.env.PATH ?? ""): string | undefined {
  for (const name of names) {
    const found = which.sync(name, { path, nothrow: true });
    if (found !== null) return found;
  }
  return undefined;
}

/**
 * A Chromium or Chrome for figures as PNG and browser tests: S2_CHROMIUM where set, else the usual names and places.
 */
export function findChromium(): string | undefined {
  const named = process.env.S2_CHROMIUM;
  if (named !== undefined && named !== "") return findProgram([named]);
  return findProgram([
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
    "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe",
  ]);
}
