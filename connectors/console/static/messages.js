// Messages as people read them, made of patterns of the message files: "{name}", "{n, plural, one {# value} other
// {# values}}" and "{side, select, above {not above} other {not below}}", as ICU writes them. A brace stands for itself
// nowhere, and "#" is the number of the innermost plural.

/** A pattern read: texts, and {name, kind, choices} for what is put in. Throws where it cannot be read. */
export function read(pattern) {
  const [parts, end] = sequence(pattern, 0, false);
  if (end < pattern.length) throw new SyntaxError(`a "}" too many in ${JSON.stringify(pattern)}`);
  return parts;
}

function sequence(pattern, start, inside) {
  const parts = [];
  let at = start;
  while (at < pattern.length && pattern[at] !== "}") {
    if (pattern[at] === "{") {
      const [part, next] = placeholder(pattern, at + 1);
      parts.push(part);
      at = next;
    } else if (pattern[at] === "#" && inside) {
      parts.push({ name: "#", kind: "number" });
      at += 1;
    } else {
      const stop = inside ? /[{}#]/ : /[{}]/;
      const length = pattern.slice(at).search(stop);
      const next = length < 0 ? pattern.length : at + length;
      parts.push(pattern.slice(at, next));
      at = next;
    }
  }
  return [parts, at];
}

function placeholder(pattern, start) {
  const head = /^\s*(\w+)\s*(?:\}|,\s*(plural|select)\s*,)/.exec(pattern.slice(start));
  if (!head) throw new SyntaxError(`no placeholder at ${start} in ${JSON.stringify(pattern)}`);
  const [whole, name, kind = "value"] = head;
  let at = start + whole.length;
  if (kind === "value") return [{ name, kind }, at];
  const choices = {};
  for (let found; (found = /^\s*(=?\w+)\s*\{/.exec(pattern.slice(at))); ) {
    const [parts, end] = sequence(pattern, at + found[0].length, kind === "plural");
    choices[found[1]] = parts;
    at = end + 1;
  }
  const close = /^\s*\}/.exec(pattern.slice(at));
  if (!close || !choices.other) throw new SyntaxError(`no end, or no "other", of ${name} in ${JSON.stringify(pattern)}`);
  return [{ name, kind, choices }, at + close[0].length];
}

/** What writes numbers of a language and finds its plurals: to make one takes a hundred times as long as to use it. */
const WRITERS = new Map();

function writers(locale) {
  if (!WRITERS.has(locale)) WRITERS.set(locale, { numbers: new Intl.NumberFormat(locale), plurals: new Intl.PluralRules(locale) });
  return WRITERS.get(locale);
}

/** The words of what was read, in a language: `values` by name. */
export function worded(parts, values, locale) {
  const { numbers, plurals } = writers(locale);
  const said = (some, count) => some.map((part) => (typeof part === "string" ? part : put(part, count))).join("");
  const put = ({ name, kind, choices }, count) => {
    if (kind === "number") return numbers.format(count);
    const value = values[name];
    if (kind === "value") return value ?? "";
    if (kind === "select") return said(choices[value] ?? choices.other, count);
    return said(choices[`=${value}`] ?? choices[plurals.select(value)] ?? choices.other, value);
  };
  return said(parts, null);
}
