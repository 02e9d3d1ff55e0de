import { EventStreamParser } from "./event-stream.js";
import { Failure, isRetryableStatus } from "./failures.js";

/**
 * Asks for one answer and yields `{ type, data }` in the order of arrival: first `open`, then `token`, `reasoning` and
 * `tool_call`, at last `done`. Whatever else happens is thrown: a Failure, or an AbortError once `signal` says stop.
 *
 * POST, although EventSource and GET would be shorter: the prompt of a GET stands in the web server's log, and an
 * EventSource reconnects by itself. Addresses are relative, so that the page works below any prefix.
 */
export async function* ask({ endpoint, prompt, system, model, signal }) {
  const response = await send(endpoint, { prompt, system: system || undefined, model: model || undefined }, signal);
  const requestId = response.headers.get("X-Request-Id");
  if (!response.ok) throw await failureOf(response, requestId);
  if (!isEventStream(response)) {
    response.body?.cancel().catch(() => {});
    throw new Failure("not_an_event_stream", { status: response.status, retryable: false, requestId });
  }
  yield { type: "open", data: { requestId } };

  const parser = new EventStreamParser();
  const reader = response.body.getReader();
  let ended = false;
  try {
    for (;;) {
      const chunk = await nextChunk(reader, signal);
      // Only `done` or `error` tells a whole answer: a worker that died looks to the browser like a clean end.
      if (!chunk) throw new Failure("cut", { retryable: true, requestId });
      for (const event of parser.push(chunk)) {
        const type = event.type === "message" ? "token" : event.type;
        const data = parsed(event.data, requestId);
        ended = type === "done" || type === "error";
        if (type === "error") throw failureFromEvent(data, requestId);
        yield { type, data };
        if (ended) return;
      }
    }
  } finally {
    if (ended) drain(reader);
    else cancel(reader);
  }
}

/** The models in the menu's order: OpenAI's list, with the prices that the worker knows. Throws if there is none. */
export async function listModels() {
  const response = await fetch("v1/models", { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`v1/models: ${response.status}`);
  const list = await response.json();
  const models = list.data.filter((model) => typeof model?.id === "string");
  return { models, preferred: list.default ?? models[0]?.id };
}

async function send(endpoint, body, signal) {
  try {
    return await fetch(endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
      body: JSON.stringify(body),
      cache: "no-store",
      signal,
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Failure("network", { retryable: true });
  }
}

async function nextChunk(reader, signal) {
  try {
    const { done, value } = await reader.read();
    return done ? null : value;
  } catch (error) {
    if (signal.aborted) throw error;
    return null; // the connection broke: cut, like an end without `done`
  }
}

/** Reads to the end after the terminal event: hanging up a moment early would look like a reader who left. */
async function drain(reader) {
  const patience = setTimeout(cancel, 2000, reader);
  try {
    while (!(await reader.read()).done);
  } catch {
    // The answer is whole all the same.
  }
  clearTimeout(patience);
}

function cancel(reader) {
  reader.cancel().catch(() => {});
}

function isEventStream(response) {
  return response.status === 200 && /^text\/event-stream\b/i.test(response.headers.get("Content-Type") ?? "");
}

function parsed(text, requestId) {
  try {
    const data = JSON.parse(text);
    if (data !== null && typeof data === "object") return data;
  } catch {
    // told below
  }
  // It may have held a token; to go on without it would pass off a text with a hole as the answer.
  throw new Failure("unreadable_event", { retryable: true, requestId });
}

function failureFromEvent(data, requestId) {
  return new Failure(String(data.type), {
    message: data.message,
    status: data.status,
    retryable: data.retryable === true,
    retryAfter: data.retry_after,
    requestId,
  });
}

/** A status that is no success: the worker's problem+json, or a page of the web server's own. */
async function failureOf(response, requestId) {
  const { status, headers } = response;
  const retryAfter = secondsOf(headers.get("Retry-After"));
  const problem = await problemOf(response);
  const type = problem && /([a-z_]+)$/.exec(String(problem.type).replace(/^about:blank$/, ""))?.[1];
  if (!type) {
    return new Failure(`http_${status}`, { status, retryable: isRetryableStatus(status), retryAfter, requestId });
  }
  const { title, detail, retryable = isRetryableStatus(status) } = problem;
  return new Failure(type, { message: detail ?? title, status, retryable, retryAfter, requestId });
}

async function problemOf(response) {
  try {
    if (/^application\/problem\+json\b/i.test(response.headers.get("Content-Type") ?? "")) return await response.json();
    await response.body?.cancel();
  } catch {
    // The status alone has to do.
  }
  return null;
}

/** Retry-After is either seconds or a date. */
function secondsOf(retryAfter) {
  if (!retryAfter) return undefined;
  const seconds = /^\d+$/.test(retryAfter) ? Number(retryAfter) : (Date.parse(retryAfter) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : undefined;
}
