/**
 * Puts growing text on the page: once a frame, by appending, so that ten thousand tokens cost what they weigh.
 */
export class Ink {
  #pending = new Map();
  #frame = 0;
  #timer = 0;
  #afterPaint;

  constructor(afterPaint) {
    this.#afterPaint = afterPaint;
  }

  write(element, text) {
    this.#pending.set(element, (this.#pending.get(element) ?? "") + text);
    if (this.#timer) return;
    this.#frame = requestAnimationFrame(() => this.paint());
    // Frames stop in a hidden tab; the text goes on.
    this.#timer = setTimeout(() => this.paint(), 250);
  }

  /** Paints what has come. At the end of an answer (`last`) half a surrogate pair has nothing left to wait for. */
  paint(last = false) {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#timer = 0;
    for (const [element, text] of this.#pending) {
      const held = last ? "" : halfPairAtEndOf(text);
      append(element, text.slice(0, text.length - held.length));
      if (held) this.#pending.set(element, held);
      else this.#pending.delete(element);
    }
    this.#afterPaint();
  }

  /** Forgets what has not been painted. */
  dry() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#pending.clear();
  }
}

/** A pair may be split over two tokens; its first half waits for the second. */
function halfPairAtEndOf(text) {
  const code = text.charCodeAt(text.length - 1);
  return code >= 0xd800 && code <= 0xdbff ? text.slice(-1) : "";
}

const NODE_LENGTH = 4096;

/** Lengthens the last text node up to a bound: neither one string copied for ever, nor a node for every word. */
function append(element, text) {
  if (text === "") return;
  const whole = text.toWellFormed?.() ?? text;
  const end = element.lastChild;
  if (end?.nodeType === Node.TEXT_NODE && end.length + whole.length <= NODE_LENGTH) end.appendData(whole);
  else element.append(whole);
}

/** Keeps the end of a growing page in view, for as long as the reader stays there. */
export class Follower {
  #scroller;
  #top = 0;
  #following = true;

  constructor(scroller = document.scrollingElement) {
    this.#scroller = scroller;
    addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  restart() {
    this.#following = true;
    this.#top = this.#scroller.scrollTop;
  }

  keepUp() {
    if (this.#following) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** Brings what stands below `element` into view, but leaves a share of the window to the text above it. */
  reveal(element, share) {
    if (!this.#following) return;
    const room = this.#scroller.clientHeight * share;
    this.#scroller.scrollTop += Math.max(0, element.getBoundingClientRect().top - room);
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const left = scrollHeight - clientHeight - scrollTop;
    // Upwards is the reader's wish, unless the page merely became shorter and the end is still in view.
    if (left > 2 && scrollTop < this.#top) this.#following = false;
    else if (left <= 24) this.#following = true;
    this.#top = scrollTop;
  }
}
