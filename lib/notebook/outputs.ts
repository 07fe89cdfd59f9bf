import type { Output } from "./document";

/** What a terminal shows of text with carriage returns: each line's last state, so a progress line is saved once. */
export function settle(text: string): string {
  return text
    .split("\n")
    .map((line) => {
      const states = line.replace(/\r+$/, "").split("\r");
      return states[states.length - 1]!.replaceAll("\x1b[K", "");
    })
    .join("\n");
}

/** Displays by their id; an update may come from another cell than the one that shows it. */
export type Displays = Map<string, { data: Record<string, unknown> }>;

/** Collects the messages of one cell into the outputs that its notebook stores. */
export class OutputCollector {
  readonly #outputs: Output[] = [];
  #clearNext = false;

  constructor(private readonly displays: Displays = new Map()) {}

  add(type: string, content: Record<string, unknown>): void {
    if (type === "clear_output") {
      if (content.wait === true) this.#clearNext = true;
      else this.#outputs.length = 0;
      return;
    }
    if (type === "update_display_data") {
      const shown = this.displays.get(displayId(content) ?? "");
      if (shown !== undefined) shown.data = content.data as Record<string, unknown>;
      return;
    }
    if (this.#clearNext) {
      this.#outputs.length = 0;
      this.#clearNext = false;
    }
    if (type === "stream") {
      const name = String(content.name);
      const text = String(content.text);
      const last = this.#outputs[this.#outputs.length - 1];
      if (last?.output_type === "stream" && last.name === name) last.text += text;
      else this.#outputs.push({ output_type: "stream", name, text });
    } else if (type === "display_data") {
      const output = {
        output_type: "display_data" as const,
        data: content.data as Record<string, unknown>,
        metadata: {},
      };
      this.#outputs.push(output);
      const id = displayId(content);
      if (id !== undefined) this.displays.set(id, output);
    } else if (type === "execute_result") {
      const data = content.data as Record<string, unknown>;
      this.#outputs.push({
        output_type: "execute_result",
        data,
        metadata: {},
        execution_count: Number(content.execution_count),
      });
    } else if (type === "error") {
      const { ename, evalue, traceback } = content as { ename: string; evalue: string; traceback: string[] };
      this.#outputs.push({ output_type: "error", ename, evalue, traceback });
    }
  }

  /** The error of a cell that ended without reporting one, as with its kernel. */
  fail(ename: string, evalue: string): void {
    if (this.#outputs.some((output) => output.output_type === "error")) return;
    this.#outputs.push({ output_type: "error", ename, evalue, traceback: [`${ename}: ${evalue}`] });
  }

  outputs(): Output[] {
    return this.#outputs
      .map((o) => (o.output_type === "stream" ? { ...o, text: settle(o.text) } : o))
      .filter((o) => o.output_type !== "stream" || o.text !== "");
  }
}

function displayId(content: Record<string, unknown>): string | undefined {
  return (content.transient as { display_id?: string } | undefined)?.display_id;
}
