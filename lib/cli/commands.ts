import type { Commands } from "./dispatch";

/** Every command: its line in the usage, and its file, loaded when it runs. */
export const commands: Commands = {
  doctor: { about: "what this machine offers: engine, browser, Jupyter, data", load: () => import("./doctor") },
  report: { about: "tables, figures and the report page from finished rows", load: () => import("./report") },
};
