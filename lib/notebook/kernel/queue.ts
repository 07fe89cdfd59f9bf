import type { Header, Message } from "../wire";

/** When a message was sent, in µs of its sender's clock; undefined where the header does not say. */
function sentAt({ date }: Header): number | undefined {
  const ms = date === undefined ? Number.NaN : Date.parse(date);
  if (Number.isNaN(ms)) return undefined;
  // Date counts no microseconds, which jupyter_client gives
  return ms * 1000 + Number((/\.\d{3}(\d{1,3})/.exec(date!)?.[1] ?? "").padEnd(3, "0"));
}

interface Arrived {
  readonly message: Message;
}

/** Requests that wait for their turn. */
export class RequestQueue<T extends Arrived> {
  #waiting: { readonly request: T; readonly arrival: number }[] = [];
  #arrivals = 0;
  /** The latest interrupt. */
  #interrupt: { readonly header: Header; readonly arrival: number } | undefined;

  push(request: T): void {
    this.#waiting.push({ request, arrival: ++this.#arrivals });
  }

  next(): T | undefined {
    return this.#waiting.shift()?.request;
  }

  /** Takes all out of the queue, to be aborted. */
  drop(): T[] {
    return this.#waiting.splice(0).map(({ request }) => request);
  }

  interrupted({ header }: Message): void {
    this.#interrupt = { header, arrival: ++this.#arrivals };
  }

  /**
   * Takes out what was sent before the latest interrupt. Shell and control are two sockets, so where both messages
   * come from one session (one clock), their dates count; else, and for equal dates, the order of arrival.
   */
  dropInterrupted(): T[] {
    const interrupt = this.#interrupt;
    if (interrupt === undefined) return [];
    const before = ({ request, arrival }: { readonly request: T; readonly arrival: number }): boolean => {
      const { header } = request.message;
      const [sent, stopped] = [sentAt(header), sentAt(interrupt.header)];
      const oneClock = header.session === interrupt.header.session && sent !== undefined && stopped !== undefined;
      return oneClock && sent !== stopped ? sent < stopped : arrival < interrupt.arrival;
    };
    const dropped = this.#waiting.filter(before);
    this.#waiting = this.#waiting.filter((one) => !before(one));
    return dropped.map(({ request }) => request);
  }
}
