import { ask } from "./client.js";
import { Failure } from "./failures.js";
import { Follower, Ink } from "./ink.js";
import { fillMenu } from "./models.js";
import { Tally } from "./tally.js";
import { hideTrouble, showTrouble } from "./trouble.js";

const $ = (id) => document.getElementById(id);
const answer = $("answer");
const prompt = $("prompt");
const output = $("output");
const status = $("status");

const HAS_KEYBOARD = !matchMedia("(pointer: coarse)").matches; // else focus would bring up the one on the screen
const follower = new Follower();
const ink = new Ink(() => follower.keepUp());
const tools = new Map();

let run = null; // the answer under way: { abort, tally, requestId }
let asked = ""; // the question that "Try again" asks anew

// The states: idle → waiting → streaming → done | stopped | failed | cut, and from each of these to waiting again.
function enter(state, sentence) {
  const running = state === "waiting" || state === "streaming";
  answer.dataset.state = state;
  status.textContent = sentence;
  output.setAttribute("aria-busy", String(running));
  $("copy").hidden = running || output.firstChild === null;
  moveFocusBefore(running);
  $("send").disabled = running;
  $("stop").disabled = !running;
}

/** A button that is switched off under the focus would drop a keyboard's user back at the top of the page. */
function moveFocusBefore(running) {
  const [leaving, taking] = running ? [$("send"), $("stop")] : [$("stop"), $("send")];
  if (document.activeElement !== leaving && document.activeElement !== $("again")) return;
  taking.disabled = false;
  taking.focus({ preventScroll: true });
}

async function start(question) {
  if (run) return;
  if (question.trim() === "") {
    status.textContent = "Write a question first.";
    prompt.focus();
    return;
  }
  asked = question;
  // The question stays, for another try or another model, and gives way to the next one as soon as that is typed.
  if (document.activeElement === prompt && HAS_KEYBOARD) prompt.select();
  const abort = new AbortController();
  const current = (run = { abort, tally: new Tally(), requestId: null });
  enter("waiting", "Waiting for the first token…");
  clear(question);
  const clock = setInterval(() => tell(current.tally), 1000);
  try {
    const [endpoint, system, model] = ["endpoint", "system", "model"].map((id) => $(id).value);
    for await (const event of ask({ endpoint, prompt: question, system: system.trim(), model, signal: abort.signal })) {
      if (run !== current) return; // stopped while this event was on its way
      take(event, current);
    }
  } catch (error) {
    if (run === current) fail(error, current);
  } finally {
    clearInterval(clock);
  }
}

function take({ type, data }, current) {
  switch (type) {
    case "open":
      current.requestId = data.requestId;
      break;
    case "token":
      countOutput(current);
      ink.write(output, String(data.token ?? ""));
      break;
    case "reasoning":
      countOutput(current);
      $("reasoning").hidden = false;
      ink.write($("reasoning-text"), String(data.token ?? ""));
      break;
    case "tool_call":
      countOutput(current);
      takeTool(data);
      break;
    case "done":
      finish(data, current);
  } // others belong to a later version of the worker
}

function countOutput({ tally }) {
  if (!tally.began) enter("streaming", "Streaming…");
  tally.count();
}

/** A call comes in fragments: the name with the first, the arguments over all of them. */
function takeTool({ index = 0, name, arguments: fragment }) {
  if (!tools.has(index)) {
    const call = { name: document.createElement("span"), arguments: document.createElement("code") };
    call.name.className = "tool-name";
    const item = document.createElement("li");
    item.append(call.name, " ", call.arguments);
    $("tools").append(item);
    $("tools").hidden = false;
    tools.set(index, call);
  }
  const call = tools.get(index);
  if (name && !call.name.firstChild) call.name.textContent = name;
  if (fragment) ink.write(call.arguments, fragment);
}

function finish(done, current) {
  settle(current, done);
  const ending = { length: "Cut at the token limit", content_filter: "Withheld by a content filter" };
  enter("done", `${ending[done.finish_reason] ?? "Answer complete"}, ${extent()}.`);
  follower.reveal($("closing"), 0.4);
}

function stop() {
  if (!run) return;
  const current = run;
  current.abort.abort();
  settle(current);
  enter("stopped", current.tally.began ? `Stopped, ${extent()} kept.` : "Stopped before the first token.");
  follower.reveal($("closing"), 0.4);
}

function fail(error, current) {
  settle(current, null, error.requestId);
  const failure = error instanceof Failure ? error : new Failure("page", { message: String(error), retryable: true });
  const state = failure.type === "cut" ? "cut" : "failed";
  const after = current.tally.began ? ` after ${extent()}` : "";
  enter(state, state === "cut" ? `Cut off${after}.` : after ? `Broke off${after}.` : "No answer.");
  showTrouble(failure);
  follower.reveal($("closing"), 0.2);
}

/** The common part of every ending: the last of the text is painted before the state says that it is all there. */
function settle(current, done = null, requestId = null) {
  run = null;
  current.tally.stop();
  ink.paint(true);
  $("clock").textContent = "";
  $("thinking").textContent = "Thoughts";
  if (done || current.tally.began) showFigures(current.tally.figures(done, done?.id ?? requestId ?? current.requestId));
}

function clear(question) {
  ink.dry();
  tools.clear();
  for (const element of [output, $("reasoning-text"), $("tools"), $("figures")]) element.replaceChildren();
  for (const element of [$("reasoning"), $("tools"), $("figures"), $("copy")]) element.hidden = true;
  for (const name of Object.keys($("figures").dataset)) delete $("figures").dataset[name];
  hideTrouble();
  $("reasoning").open = false;
  $("thinking").textContent = "Thinking…";
  $("clock").textContent = "";
  $("question").textContent = question;
  follower.restart();
  follower.keepUp();
}

/** The clock is for the eye only: in the live region it would chatter. */
function tell(tally) {
  $("clock").textContent = `${Math.round(tally.elapsed / 1000)} s`;
}

function showFigures(figures) {
  for (const { id, term, text, data } of figures) {
    const name = document.createElement("dt");
    const value = document.createElement("dd");
    const pair = document.createElement("div");
    name.textContent = term;
    value.textContent = text;
    value.id = id;
    pair.append(name, value);
    $("figures").append(pair);
    for (const [key, told] of Object.entries(data)) if (told !== undefined) $("figures").dataset[key] = told;
  }
  $("figures").hidden = false;
}

/** How much there is to read. */
function extent() {
  const words = countWords(output.textContent);
  const parts = [[words, "word"], [tools.size, "tool call"]].filter(([count, noun]) => count > 0 || (noun === "word" && !tools.size));
  return parts.map(([count, noun]) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`).join(" and ");
}

function countWords(text) {
  if (!Intl.Segmenter) return (text.match(/\S+/g) ?? []).length;
  let count = 0;
  for (const { isWordLike } of new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)) if (isWordLike) count += 1;
  return count;
}

async function copy() {
  const text = output.textContent;
  try {
    await navigator.clipboard.writeText(text); // only there over https, and on localhost
  } catch {
    getSelection().selectAllChildren(output);
    document.execCommand("copy");
  }
  $("copy").textContent = "Copied";
  setTimeout(() => ($("copy").textContent = "Copy"), 2000);
}

function explainEndpoint() {
  for (const hint of document.querySelectorAll("[data-endpoint]")) hint.hidden = hint.dataset.endpoint !== $("endpoint").value;
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  start(prompt.value);
});
prompt.addEventListener("keydown", (event) => {
  // While an input method composes, Enter belongs to it (229 is how Safari says so).
  if (event.key !== "Enter" || event.shiftKey || event.altKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  if (!event.repeat) start(prompt.value);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing && !event.defaultPrevented) stop();
});
for (const button of [$("send"), $("stop")]) {
  // The focus moves from one to the other: an Enter held down must not press both.
  button.addEventListener("keydown", (event) => event.repeat && event.preventDefault());
}
$("stop").addEventListener("click", stop);
$("again").addEventListener("click", () => start(asked));
$("copy").addEventListener("click", copy);
$("endpoint").addEventListener("change", explainEndpoint);
addEventListener("pagehide", stop); // nobody reads on, so nobody shall pay on

explainEndpoint();
fillMenu($("model"), $("model-hint"));
if (HAS_KEYBOARD) prompt.focus({ preventScroll: true });
