/** What an answer took, measured here and told by the worker's `done`. Times are milliseconds. */
export class Tally {
  #asked = performance.now();
  #first;
  #last;
  #stopped;
  #pieces = 0;

  /** Counts one piece of output: text, thought or tool call. */
  count() {
    this.#last = performance.now();
    this.#first ??= this.#last;
    this.#pieces += 1;
  }

  get began() {
    return this.#pieces > 0;
  }

  get elapsed() {
    return (this.#stopped ?? performance.now()) - this.#asked;
  }

  stop() {
    this.#stopped = performance.now();
  }

  /** The figures to show, as `{ id, term, text, data }`; those unknown are left out. */
  figures(done, requestId) {
    const usage = done?.usage;
    const rate = this.#rate(usage);
    return [
      this.began && {
        id: "ttft",
        term: "First token",
        text: milliseconds(this.#first - this.#asked) + told(done?.ttft_ms),
        data: { ttft: Math.round(this.#first - this.#asked), toldTtft: done?.ttft_ms },
      },
      rate !== null && {
        id: "rate",
        term: "Pace",
        text: `${number(rate)} tokens/s`,
        data: { tokensPerSecond: rate.toFixed(1) },
      },
      {
        id: "duration",
        term: "In all",
        text: milliseconds(this.elapsed) + told(done?.duration_ms),
        data: { duration: Math.round(this.elapsed), toldDuration: done?.duration_ms },
      },
      done && {
        id: "usage",
        term: "Tokens",
        text: usage ? `${integer(usage.prompt_tokens)} prompt, ${integer(usage.completion_tokens)} completion` : "not told by the provider",
        data: { promptTokens: usage?.prompt_tokens, completionTokens: usage?.completion_tokens },
      },
      typeof done?.cost_usd === "number" && {
        id: "cost",
        term: "Cost",
        text: dollars(done.cost_usd),
        data: { costUsd: done.cost_usd },
      },
      done?.finish_reason && {
        id: "finish",
        term: "Ended",
        text: finishInWords(done.finish_reason),
        data: { finishReason: done.finish_reason },
      },
      done?.model && { id: "spoke", term: "Model", text: done.model, data: { model: done.model } },
      done?.skipped > 0 && {
        id: "skipped",
        term: "Passed over",
        text: `${integer(done.skipped)} of the provider’s events were no data`,
        data: { skipped: done.skipped },
      },
      requestId && { id: "request-id", term: "Request", text: requestId, data: { requestId } },
    ].filter(Boolean);
  }

  /** Tokens a second from the first piece to the last; the provider's count where it gave one, else the pieces. */
  #rate(usage) {
    const span = this.#last - this.#first;
    const tokens = usage?.completion_tokens ?? this.#pieces;
    return span >= 1 && tokens > 1 ? ((tokens - 1) * 1000) / span : null;
  }
}

export function finishInWords(reason) {
  return (
    {
      stop: "by itself",
      length: "cut at the token limit",
      tool_calls: "to have a tool called",
      content_filter: "withheld by a content filter",
    }[reason] ?? reason
  );
}

export function dollars(amount) {
  const digits = amount >= 0.01 ? { minimumFractionDigits: 2 } : { maximumSignificantDigits: 3 };
  return amount.toLocaleString("en", { style: "currency", currency: "USD", ...digits });
}

const integer = (value) => (value ?? 0).toLocaleString("en");
const number = (value) => value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });

function milliseconds(value) {
  if (value < 1000) return `${Math.round(value)} ms`;
  return `${(value / 1000).toLocaleString("en", { maximumFractionDigits: 2 })} s`;
}

function told(value) {
  return typeof value === "number" ? ` (${milliseconds(value)} at the worker)` : "";
}
