/** Filters of lists, dicts and generators. */
import { attributeOf } from "./python/attributes.ts";
import { bind, toInteger, toText } from "./python/bind.ts";
import { equal, less } from "./python/compare.ts";
import { spend, spendText, TemplateError } from "./error.ts";
import { filter } from "./filters_text.ts";
import {
  attributeGetter,
  type FilterFunction,
  ignoreCase,
  type Library,
  named,
  refused,
  reversed,
  sorted,
} from "./library.ts";
import { Once } from "./python/objects.ts";
import { binary, slice } from "./python/operators.ts";
import {
  Dict,
  elements,
  hashOf,
  type Keywords,
  type List,
  orElse,
  size,
  str,
  textOf,
  truth,
  tryIterate,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./python/values.ts";

type Given = readonly (Value | undefined)[];

const isTrue = (value: Value | undefined) => value !== undefined && truth(value);

function getter(attribute: Value | undefined, caseSensitive: Value | undefined): (item: Value) => Value {
  const get = attributeGetter(attribute ?? null);
  return isTrue(caseSensitive) ? get : (item) => ignoreCase(get(item));
}

function first(value: Value): Value {
  const next = elements(value).next();
  return next.done ? new Undefined("No first item, sequence was empty.") : next.value;
}

function last(value: Value): Value {
  const backwards = reversed(value);
  if (backwards === undefined) {
    throw new TemplateError("type", `'${typeName(value)}' object is not reversible`);
  }
  const next = backwards.next();
  return next.done ? new Undefined("No last item, sequence was empty.") : next.value;
}

function reverse(value: Value): Value {
  if (textOf(value) !== undefined) return slice(value, [null, null, -1n]);
  const backwards = reversed(value);
  if (backwards !== undefined) return new Once("reversed", backwards);
  if (tryIterate(value) === undefined) throw new TemplateError("type", "argument must be iterable");
  return [...elements(value)].reverse();
}

function join(value: Value, [separator = "", attribute]: Given): Value {
  const get = attributeGetter(attribute ?? null), mark = str(separator);
  const parts = Array.from(elements(value), (item) => {
    const text = str(get(item));
    spendText(text.length + mark.length);
    return text;
  });
  return parts.join(mark);
}

function sort(value: Value, [backwards, caseSensitive, attribute]: Given): Value {
  const text = attribute === undefined ? undefined : textOf(attribute);
  const getters = (text === undefined ? [attribute ?? null] : text.split(",")).map((one) =>
    getter(one, caseSensitive)
  );
  return sorted(value, (item) => getters.map((get) => get(item)), less, isTrue(backwards));
}

function dictSort(value: Value, [caseSensitive, by = "key", backwards]: Given): Value {
  const place = ["key", "value"].indexOf(textOf(by) ?? "");
  if (place < 0) throw new TemplateError("value", 'You can only sort by either "key" or "value"');
  if (value instanceof Undefined) value.fail();
  if (!(value instanceof Dict)) {
    throw new TemplateError("type", `'${typeName(value)}' object has no attribute 'items'`);
  }
  const pairs = value.entries.map((entry) => new Tuple(entry));
  const key = (pair: Value) => pair instanceof Tuple ? pair.items[place] : pair;
  return sorted(
    pairs,
    (pair) => isTrue(caseSensitive) ? key(pair) : ignoreCase(key(pair)),
    less,
    isTrue(backwards),
  );
}

function extreme(isBetter: (a: Value, b: Value) => boolean) {
  return (value: Value, [caseSensitive, attribute]: Given): Value => {
    const get = getter(attribute, caseSensitive);
    let best: { readonly item: Value; readonly key: Value } | undefined;
    for (const item of elements(value)) {
      const key = get(item);
      if (best === undefined || isBetter(key, best.key)) best = { item, key };
    }
    return best?.item ??
      (best === undefined ? new Undefined("No aggregated item, sequence was empty.") : null);
  };
}

function sum(value: Value, [attribute, start = 0n]: Given): Value {
  if (textOf(start) !== undefined) {
    throw new TemplateError("type", "sum() can't sum strings [use ''.join(seq) instead]");
  }
  const get = attributeGetter(attribute ?? null);
  let total = start;
  for (const item of elements(value)) total = binary("+", total, get(item));
  return total;
}

function groupBy(value: Value, [attribute = null, byDefault, caseSensitive]: Given): Value {
  const get = attributeGetter(attribute, byDefault);
  const key = (item: Value) => isTrue(caseSensitive) ? get(item) : ignoreCase(get(item));
  const groups: { readonly key: Value; readonly items: Value[] }[] = [];
  for (const item of sorted(value, key, less)) {
    const group = groups.at(-1);
    if (group !== undefined && equal(group.key, key(item))) group.items.push(item);
    else groups.push({ key: key(item), items: [item] });
  }
  return groups.map(({ items }) => new Tuple([get(items[0]), items], ["grouper", "list"]));
}

function* unique(value: Value, [caseSensitive, attribute]: Given): Generator<Value> {
  const get = getter(attribute, caseSensitive), seen = new Set<string>();
  for (const item of elements(value)) {
    const hash = hashOf(get(item));
    if (!seen.has(hash)) yield item;
    seen.add(hash);
  }
}

function* batch(value: Value, [count, fill]: Given): Generator<Value> {
  const width = toInteger(count, 0);
  let row: Value[] = [];
  for (const item of elements(value)) {
    if (row.length === width) {
      yield row;
      row = [];
    }
    row.push(item);
  }
  if (row.length === 0) return;
  if (fill !== undefined && fill !== null && row.length < width) {
    spend(width);
    row.push(...Array.from({ length: width - row.length }, () => fill));
  }
  yield row;
}

function* slices(value: Value, [count, fill]: Given): Generator<Value> {
  const items = [...elements(value)], parts = toInteger(count, 0);
  if (parts === 0) throw new TemplateError("zero", "integer division or modulo by zero");
  const each = Math.floor(items.length / parts), extra = items.length % parts;
  for (let i = 0, at = 0; i < parts; i++) {
    spend(1);
    const part = items.slice(at, at + each + (i < extra ? 1 : 0));
    at += part.length;
    yield fill !== undefined && fill !== null && i >= extra ? [...part, fill] : part;
  }
}

function* items(value: Value): Generator<Value> {
  if (value instanceof Undefined) return;
  if (!(value instanceof Dict)) throw new TemplateError("type", "Can only get item pairs from a mapping.");
  for (const entry of value.entries) yield new Tuple(entry);
}

function* map(value: Value, args: List, keywords: Keywords, library: Library): Generator<Value> {
  if (!truth(value)) return;
  const apply = mapping(args, keywords, library);
  for (const item of elements(value)) yield apply(item);
}

function mapping(args: List, keywords: Keywords, library: Library): (item: Value) => Value {
  const attribute = args.length === 0 ? keywords.get("attribute") : undefined;
  if (attribute !== undefined) {
    const [, byDefault] = bind("map", ["/", "attribute", "default="], [], keywords);
    return attributeGetter(attribute, byDefault);
  }
  const [name, ...rest] = args;
  if (name === undefined) throw new TemplateError("value", "map requires a filter argument");
  const run = named(library.filters, "filter", name);
  return (item) => run(item, rest, keywords, library);
}

/** `select`, `reject` and their like for attributes. */
function choose(wanted: boolean, ofAttribute: boolean): FilterFunction {
  return (value, args, keywords, library) =>
    new Once("generator", chosen(value, args, keywords, library, wanted, ofAttribute));
}

function* chosen(
  value: Value,
  args: List,
  keywords: Keywords,
  library: Library,
  wanted: boolean,
  ofAttribute: boolean,
): Generator<Value> {
  if (!truth(value)) return;
  if (ofAttribute && args.length === 0) {
    throw new TemplateError("value", "Missing parameter for attribute name");
  }
  const get = ofAttribute ? attributeGetter(args[0]) : (item: Value) => item;
  const [name, ...rest] = args.slice(ofAttribute ? 1 : 0);
  for (const item of elements(value)) {
    const found = get(item);
    const holds = name === undefined
      ? truth(found)
      : named(library.tests, "test", name)(found, rest, keywords, library);
    if (holds === wanted) yield item;
  }
}

const generator = (run: (value: Value, given: Given) => Iterator<Value>) => (value: Value, given: Given) =>
  new Once("generator", run(value, given));

/** Filters of lists, dicts and generators, by name. */
export const listFilters: readonly (readonly [string, FilterFunction])[] = [
  filter("attr", ["name"], (value, [given]) => {
    const name = toText(given, "attribute name");
    return orElse(
      attributeOf(value, name),
      () => new Undefined(`'${typeName(value)} object' has no attribute '${name}'`),
    );
  }),
  filter("batch", ["linecount", "fill_with="], generator(batch)),
  filter("count", [], (value) => BigInt(size(value))),
  filter("dictsort", ["case_sensitive=", "by=", "reverse="], dictSort),
  filter("first", [], first),
  filter("groupby", ["attribute", "default=", "case_sensitive="], groupBy),
  filter("items", [], generator(items)),
  filter("join", ["d=", "attribute="], join),
  filter("last", [], last),
  filter("length", [], (value) => BigInt(size(value))),
  filter("list", [], (value) => [...elements(value)]),
  ["map", (value, args, keywords, library) => new Once("generator", map(value, args, keywords, library))],
  filter("max", ["case_sensitive=", "attribute="], extreme((a, b) => less(a, b, ">"))),
  filter("min", ["case_sensitive=", "attribute="], extreme((a, b) => less(a, b))),
  ["random", refused("random")],
  ["reject", choose(false, false)],
  ["rejectattr", choose(false, true)],
  filter("reverse", [], reverse),
  ["select", choose(true, false)],
  ["selectattr", choose(true, true)],
  filter("slice", ["slices", "fill_with="], generator(slices)),
  filter("sort", ["reverse=", "case_sensitive=", "attribute="], sort),
  filter("sum", ["attribute=", "start="], sum),
  filter("unique", ["case_sensitive=", "attribute="], generator(unique)),
];
