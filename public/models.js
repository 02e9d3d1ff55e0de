import { listModels } from "./client.js";
import { dollars } from "./tally.js";

/** Fills the menu. Until then, and where there is no list, it holds "default model", and the server chooses. */
export async function fillMenu(select, hint) {
  try {
    const { models, preferred } = await listModels();
    if (models.length === 0) throw new Error("v1/models is empty");
    select.replaceChildren(...grouped(models));
    select.value = models.some(({ id }) => id === preferred) ? preferred : models[0].id;
  } catch {
    hint.textContent = "No list of models here, so the server chooses.";
    hint.hidden = false;
  }
}

/** One group a provider: `provider/model` is too long for a phone, and the price has to find room. */
function grouped(models) {
  const groups = new Map();
  for (const model of models) {
    const slash = model.id.indexOf("/");
    const provider = slash < 0 ? "" : model.id.slice(0, slash);
    if (!groups.has(provider)) groups.set(provider, []);
    groups.get(provider).push(option(model, model.id.slice(slash + 1)));
  }
  return [...groups].flatMap(([provider, options]) => (provider ? group(provider, options) : options));
}

function group(provider, options) {
  const element = document.createElement("optgroup");
  element.label = provider;
  element.append(...options);
  return element;
}

function option(model, name) {
  const price = priceInWords(model.price_per_mtok);
  return new Option(price ? `${name} · ${price}` : name, model.id);
}

/** A price is a number, or one each for prompt, cached and completion tokens. */
function priceInWords(price) {
  if (typeof price === "number") return `${dollars(price)} / M tokens`;
  if (typeof price?.prompt !== "number" || typeof price.completion !== "number") return "";
  if (price.prompt === price.completion) return priceInWords(price.prompt);
  return `${dollars(price.prompt)} in, ${dollars(price.completion)} out / M tokens`;
}
