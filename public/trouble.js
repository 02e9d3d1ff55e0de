import { wordsFor } from "./failures.js";

const $ = (id) => document.getElementById(id);
let countdown = 0;

/** Says what failed and what to do. The button stands beside the alert: a countdown inside it would be read out. */
export function showTrouble(failure) {
  const { title, advice, operator } = wordsFor(failure);
  const isHTTP = failure.type.startsWith("http_");
  const facts = [failure.type, failure.status && !isHTTP && `status ${failure.status}`, failure.requestId && `request ${failure.requestId}`];
  $("trouble").hidden = false;
  $("failure").dataset.type = failure.type;
  $("failure").append(
    line("title", title),
    ...(failure.message ? [line("told", failure.message)] : []),
    line("advice", advice),
    ...(operator ? [line("operator", `If you run this site: ${operator}`)] : []),
    line("facts", facts.filter(Boolean).join(" · ")),
  );
  offerAgain(failure);
}

export function hideTrouble() {
  clearInterval(countdown);
  $("trouble").hidden = true;
  $("failure").replaceChildren();
  delete $("failure").dataset.type;
}

function line(className, text) {
  const element = document.createElement("p");
  element.className = className;
  element.textContent = text;
  return element;
}

function offerAgain({ retryable, retryAfter }) {
  const again = $("again");
  const until = performance.now() + (retryAfter ?? 0) * 1000;
  const count = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    again.disabled = left > 0;
    again.textContent = left > 0 ? `Try again in ${span(left)}` : "Try again";
    if (left <= 0) clearInterval(countdown);
  };
  again.hidden = !retryable;
  countdown = setInterval(count, 1000);
  count();
}

function span(seconds) {
  return seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}
