/** One output in several forms, richest first chosen by whoever shows it: MIME type → content. */
export type MimeBundle = Readonly<Record<string, unknown>>;

type Sink = (bundle: MimeBundle, displayId?: string, update?: boolean) => void;

let sink: Sink | undefined;

/** Set by the kernel when it starts; absent outside of a notebook. */
export function setDisplaySink(next: Sink | undefined): void {
  sink = next;
}

export function inNotebook(): boolean {
  return sink !== undefined;
}

/** Shows a bundle under the running cell, or prints its plain text outside of a notebook. */
export function display(bundle: MimeBundle, displayId?: string, update = false): void {
  if (sink !== undefined) sink(bundle, displayId, update);
  else process.stdout.write(`${String(bundle["text/plain"] ?? "")}\n`);
}
