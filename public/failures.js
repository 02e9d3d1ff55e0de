/**
 * Why there is no whole answer. `type` is the worker's error type, `http_NNN` for a page of the web server's own, or one
 * of the page's: network, cut, not_an_event_stream, unreadable_event.
 */
export class Failure extends Error {
  constructor(type, { message = "", status, retryable, retryAfter, requestId } = {}) {
    super(message ?? "");
    Object.assign(this, { name: "Failure", type, status, retryable, retryAfter, requestId });
  }
}

export function isRetryableStatus(status) {
  return [408, 425, 429, 500, 502, 503, 504].includes(status);
}

/** What happened, what the reader can do, and what whoever runs the site should look at. */
export function wordsFor(failure) {
  const words = (failure.retryable === false && IN_VAIN[failure.type]) || WORDS[failure.type] || {};
  return {
    title: words.title ?? defaultTitle(failure),
    advice: words.advice ?? (failure.retryable ? "Try again in a moment." : "Trying again will not help."),
    operator: words.operator,
  };
}

function defaultTitle({ type, status }) {
  return type.startsWith("http_") ? `The server answered with status ${status}.` : "The answer failed.";
}

const NO_ENDPOINT = {
  title: "There is no streaming endpoint here.",
  advice: "Trying again will not help, unless the other endpoint is there.",
  operator: "The web server has no location for this endpoint beside the page, or does not pass POST on to the worker.",
};

const TOO_FAST = {
  title: "That was too much at once for this site.",
  advice: "Wait a little, then try again.",
  operator: "This is the web server's own limit: limit_req or limit_conn.",
};

/** Where these are not to be tried again, they are something else. */
const IN_VAIN = {
  rate_limited: {
    title: "What the provider lets this site ask is used up.",
    advice: "Choose a model of another provider; trying again will not help.",
    operator: "The provider's quota, or the money on its account, is at its end.",
  },
};

const WORDS = {
  bad_request: {
    title: "The question was not accepted.",
    advice: "Shorten or reword it, or choose another model, and ask again.",
  },
  overloaded: {
    title: "There is no room right now.",
    advice: "Try again in a moment, or choose another model.",
  },
  rate_limited: {
    title: "Too many questions for now.",
    advice: "Wait a little, then try again; another model may have room at once.",
  },
  upstream_unreachable: {
    title: "The model could not be reached.",
    advice: "Try again, or choose a model of another provider.",
    operator: "Look at the provider's base_url, at name resolution and at the way out of the network.",
  },
  upstream_rejected: {
    title: "The provider turned this site away.",
    advice: "Choose a model of another provider; trying again will not help.",
    operator: "The provider refused the key: look whether it is right, allowed this model, and paid for.",
  },
  upstream_failed: {
    title: "The provider failed.",
    advice: "Try again, or choose another model.",
  },
  upstream_truncated: {
    title: "The provider broke off.",
    advice: "What came is not the whole answer. Try again.",
  },
  upstream_malformed: {
    title: "The provider sent something unreadable.",
    advice: "The answer was ended there, rather than going on with words missing. Try again.",
  },
  timeout_first_token: {
    title: "The model did not begin in time.",
    advice: "Try again; a shorter question or another model may be quicker.",
    operator: "The clock is timeouts.first_token.",
  },
  timeout_idle: {
    title: "The model fell silent.",
    advice: "Try again, or choose another model.",
    operator: "The clock is timeouts.idle.",
  },
  timeout_total: {
    title: "The answer took too long.",
    advice: "Ask for a shorter answer, or split the question.",
    operator: "The clock is timeouts.total.",
  },
  shutting_down: {
    title: "The server is being restarted.",
    advice: "Try again in a few seconds.",
  },
  unauthorized: {
    title: "This site wants to know who is asking.",
    advice: "Sign in to the site, then reload this page.",
    operator: "The endpoint wants a client key, and a public page has none to send.",
  },

  cut: {
    title: "The connection was cut.",
    advice: "Nobody said that the answer was finished, so take it for a part. Try again.",
    operator: "A worker that died or a proxy between looks like this; the worker's log knows more.",
  },
  network: {
    title: "The server could not be reached.",
    advice: "Look whether you are online, then try again.",
  },
  not_an_event_stream: {
    title: "The server answered with something else.",
    advice: "A page came back where a stream of tokens was due. If this site has a sign-in, reload the page.",
    operator: "The endpoint's location does not lead to the worker.",
  },
  unreadable_event: {
    title: "Something unreadable arrived.",
    advice: "The answer was ended there, rather than going on with words missing. Try again.",
    operator: "Something between the worker and the browser changes the stream.",
  },

  http_400: {
    title: "The web server did not understand the request.",
    advice: "Reload the page, then ask again.",
  },
  http_401: {
    title: "This site wants to know who is asking.",
    advice: "Reload the page to sign in, then ask again.",
  },
  http_403: {
    title: "This site does not let you ask.",
    advice: "Open the page from the site itself, or ask whoever runs it.",
  },
  http_404: NO_ENDPOINT,
  http_405: NO_ENDPOINT,
  http_413: {
    title: "The question is too long for this site.",
    advice: "Shorten it, then ask again.",
    operator: "The limit is client_max_body_size.",
  },
  http_429: TOO_FAST,
  http_500: {
    title: "The web server stumbled.",
    advice: "Try again in a moment.",
    operator: "Its error log knows more.",
  },
  http_502: {
    title: "Nobody is at work behind this page.",
    advice: "Try again in a minute.",
    operator: "No worker answered the web server: start sheepfcgi, or compare its --listen with fastcgi_pass.",
  },
  http_503: TOO_FAST,
  http_504: {
    title: "The worker did not answer in time.",
    advice: "Try again in a moment.",
    operator: "The web server's clock is fastcgi_read_timeout.",
  },
};
