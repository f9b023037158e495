/** The functions that every template has, in Jinja and by transformers. */
import { bind, toInteger } from "./python/bind.ts";
import { TemplateError, unsupported } from "./error.ts";
import { Callable, Range } from "./python/objects.ts";
import { Namespace } from "./runtime.ts";
import { formatTime } from "./python/strftime.ts";
import {
  Dict,
  elements,
  isList,
  type Keywords,
  type List,
  PyObject,
  str,
  textOf,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./python/values.ts";

/** No range has more elements. */
const maxRange = 100_000;

function range(args: List, keywords: Keywords): Value {
  if (args.length < 1 || args.length > 3 || keywords.size > 0) {
    throw new TemplateError("type", `range expected 1 to 3 arguments, got ${args.length + keywords.size}`);
  }
  const numbers = args.map((one) => BigInt(toInteger(one, 0)));
  const [start, stop, step = 1n] = numbers.length === 1 ? [0n, numbers[0]] : numbers;
  if (step === 0n) throw new TemplateError("value", "range() arg 3 must not be zero");
  const result = new Range(start, stop, step);
  if (result.length() <= maxRange) return result;
  throw new TemplateError(
    "overflow",
    `Range too big. The sandbox blocks ranges larger than MAX_RANGE (${maxRange}).`,
  );
}

/** `dict(...)`: of a dict or pairs, and of keywords. */
function dictOf(args: List, keywords: Keywords): Dict {
  const [source] = bind("dict", ["source="], args);
  const result = new Dict();
  const entries = source === undefined ? [] : source instanceof Dict ? source.entries : pairsOf(source);
  for (const [key, value] of entries) result.set(key, value);
  for (const [key, value] of keywords) result.set(key, value);
  return result;
}

function pairsOf(source: Value): [Value, Value][] {
  if (source instanceof Undefined) source.fail();
  return Array.from(elements(source), (pair, i) => {
    if (!isList(pair) && !(pair instanceof Tuple) && textOf(pair) === undefined) {
      throw new TemplateError(
        "type",
        `cannot convert dictionary update sequence element #${i} to a sequence`,
      );
    }
    const [key, value, ...more] = elements(pair);
    if (value === undefined || more.length > 0) {
      throw new TemplateError("value", `dictionary update sequence element #${i} must have length 2`);
    }
    return [key, value];
  });
}

class DictMaker extends Callable {
  constructor() {
    super("dict", dictOf, "TemplateDict");
  }
  override attribute(name: string): Value | undefined {
    if (name !== "fromkeys") return undefined;
    return new Callable(name, (args, keywords) => {
      const [keys = null, value = null] = bind(name, ["iterable", "value="], args, keywords);
      return Dict.from(Array.from(elements(keys), (key) => [key, value] as const));
    });
  }
}

class Cycler extends PyObject {
  override readonly type = "Cycler";
  #at = 0;
  constructor(private readonly items: List) {
    super();
    if (items.length === 0) throw new TemplateError("value", "at least one item has to be provided");
  }
  override truth(): boolean {
    return true;
  }
  override attribute(name: string): Value | undefined {
    if (name === "items") return new Tuple(this.items);
    if (name === "pos") return BigInt(this.#at);
    if (name === "current") return this.items[this.#at];
    if (name === "reset") {
      return new Callable(name, () => {
        this.#at = 0;
        return null;
      });
    }
    if (name !== "next") return undefined;
    return new Callable(name, () => {
      const one = this.items[this.#at];
      this.#at = (this.#at + 1) % this.items.length;
      return one;
    });
  }
}

function joiner(args: List, keywords: Keywords): Value {
  const [separator = ", "] = bind("joiner", ["/", "sep="], args, keywords);
  let used = false;
  return new Callable("joiner", () => {
    if (used) return separator;
    used = true;
    return "";
  }, "Joiner");
}

/** The functions, at a time. */
export function globals(now: Date): [string, Value][] {
  const functions: Readonly<Record<string, (args: List, keywords: Keywords) => Value>> = {
    range,
    namespace: (args, keywords) => new Namespace(dictOf(args, keywords)),
    cycler: (args) => new Cycler(args),
    joiner,
    lipsum: () => {
      throw unsupported("lipsum");
    },
    raise_exception: (args, keywords) => {
      const [message = ""] = bind("raise_exception", ["/", "message"], args, keywords);
      if (message instanceof Undefined) throw new TemplateError("raised", "");
      throw new TemplateError("raised", str(message));
    },
    strftime_now: (args, keywords) => {
      const [format = ""] = bind("strftime_now", ["/", "format"], args, keywords);
      const text = textOf(format);
      if (text === undefined) {
        throw new TemplateError("type", `strftime() argument 1 must be str, not ${typeName(format)}`);
      }
      return formatTime(text, now);
    },
  };
  return [
    ["dict", new DictMaker()],
    ...Object.entries(functions).map(([name, run]): [string, Value] => [name, new Callable(name, run)]),
  ];
}
