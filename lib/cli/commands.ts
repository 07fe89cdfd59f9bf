import type { Commands } from "./dispatch";

/** Every command: its line in the usage, and its file, loaded when it runs. */
export const commands: Commands = {
  doctor: { about: "what this machine offers: engine, browser, Jupyter, data", load: () => import("./doctor") },
  engine: { about: "list the engines; install TensorFlow's or CUDA's libraries", load: () => import("./engine") },
  params: { about: "count the model's parameters by what trains them", load: () => import("./params") },
  convert: { about: "check a Hugging Face folder or an adapter against a preset", load: () => import("./convert") },
  departures: { about: "where a preset departs from the paper and its release", load: () => import("./departures") },
  stream: { about: "one answer with weights read part by part: time and memory", load: () => import("./stream") },
  parity: { about: "compare the model with reference numbers and gradients", load: () => import("./parity") },
  bench: { about: "engines and PyTorch side by side: speed, memory, matrix products", load: () => import("./bench") },
  gpu: { about: "show what the lab does on this machine's GPU; pack it for one", load: () => import("./gpu") },
  data: { about: "make S2-Rooms, check a data folder, write the data card", load: () => import("./data") },
  pretrain: { about: "make the weights that a small preset starts from", load: () => import("./pretrain") },
  train: { about: "fine-tune one configuration", load: () => import("./train") },
  eval: { about: "evaluate a finished run; export predictions in the authors' form", load: () => import("./eval") },
  ground: { about: "answer one sentence on one scene of a folder", load: () => import("./ground") },
  runs: { about: "list, show, compare and remove this machine's runs", load: () => import("./runs") },
  explore: { about: "pages of answers and attention of one run or two", load: () => import("./explore") },
  probe: { about: "what a run's tokens and attention know of geometry", load: () => import("./probe") },
  study: { about: "run what is missing of a study and print its table", load: () => import("./study") },
  start: { about: "everything at nano size: data, training, notebooks, report", load: () => import("./start") },
  notebooks: { about: "run or check the notebooks, with or without Jupyter", load: () => import("./notebooks") },
  kernel: { about: "install the notebooks' kernel for Jupyter", load: () => import("./kernel") },
  report: { about: "tables, figures and the report page from finished rows", load: () => import("./report") },
};
