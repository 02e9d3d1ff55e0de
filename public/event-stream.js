/**
 * The text/event-stream parser of the HTML standard, section 9.2.6, over byte chunks cut anywhere.
 * `retry` is left out: it speaks of reconnecting, and an answer that was paid for is not asked for again unbidden.
 */
export class EventStreamParser {
  // One streaming decoder for the whole stream: it holds back a UTF-8 sequence cut by a chunk border, and drops the BOM.
  #decoder = new TextDecoder();
  #line = "";
  #endedInCR = false;
  #type = "";
  #data = null;
  #lastEventId = "";

  /** Takes the next bytes, returns the events which they complete: `{ type, data, lastEventId }`. */
  push(bytes) {
    const events = [];
    const text = this.#decoder.decode(bytes, { stream: true });
    if (text === "") return events;

    // A CR ends its line at once, so that nothing waits for the next chunk; the LF of a CRLF cut in two is passed over.
    let start = this.#endedInCR && text[0] === "\n" ? 1 : 0;
    this.#endedInCR = text.endsWith("\r");

    const lineEnd = /\r\n|\r|\n/g;
    lineEnd.lastIndex = start;
    for (let end; (end = lineEnd.exec(text)); start = lineEnd.lastIndex) {
      const line = this.#line + text.slice(start, end.index);
      this.#line = "";
      if (line === "") this.#dispatch(events);
      else this.#field(line);
    }
    this.#line += text.slice(start);
    return events;
  }

  #field(line) {
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment, such as ": ping"
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);

    if (name === "data") this.#data = this.#data === null ? value : `${this.#data}\n${value}`;
    else if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) this.#lastEventId = value;
  }

  #dispatch(events) {
    if (this.#data !== null) {
      events.push({ type: this.#type || "message", data: this.#data, lastEventId: this.#lastEventId });
    }
    this.#type = "";
    this.#data = null;
  }
}
