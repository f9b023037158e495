/** `value.name` and `value[key]` in the sandbox: attributes of Python's types, items, and what is forbidden. */
import { bind, itemsOf, toIndex } from "./bind.ts";
import { same } from "./compare.ts";
import { TemplateError, unsupported } from "../error.ts";
import { Callable, View } from "./objects.ts";
import { stringMethod } from "./string_methods.ts";
import { points } from "./text.ts";
import {
  Dict,
  isList,
  itemAt,
  type List,
  Markup,
  numberOf,
  orElse,
  PyObject,
  repr,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

const lookUp = { attribute: getAttribute, item: getItem };

/** What the sandbox keeps from templates: it would change a value. */
const changing: Readonly<Record<string, readonly string[]>> = {
  list: ["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"],
  dict: ["clear", "pop", "popitem", "setdefault", "update"],
};

const hidden = (names: string) => new Set(names.split(" ").map((name) => `__${name}__`));
/** Attributes of every object, none of which a template may have. */
const everywhere = hidden(
  "class delattr dir doc eq format ge getattribute gt hash init le lt ne new reduce repr setattr sizeof str",
);
/** Attributes of some types: it is not worth while to know which. */
const somewhere = hidden(
  "abs add and bool call ceil class_getitem contains delitem dict divmod float floor floordiv getformat getitem getnewargs " +
    "getstate iadd imul index init_subclass int invert ior iter len length_hint lshift mod module mul name neg next or pos pow " +
    "radd rand rdivmod reduce_ex reversed rfloordiv rlshift rmod rmul ror round rpow rrshift rshift rsub rtruediv rxor self " +
    "setitem sub subclasshook text_signature truediv trunc weakref xor html qualname",
);

/** What Python has and this interpreter has not. */
const missing: Readonly<Record<string, readonly string[]>> = {
  str: ["encode", "maketrans", "translate"],
  Markup: ["encode", "maketrans", "translate", "escape", "unescape", "striptags"],
  int: ["as_integer_ratio", "bit_count", "conjugate", "from_bytes", "to_bytes"],
  bool: ["as_integer_ratio", "bit_count", "bit_length", "conjugate", "from_bytes", "to_bytes"],
  float: ["as_integer_ratio", "conjugate", "fromhex", "hex"],
  dict: ["fromkeys"],
  range: ["count", "index"],
  generator: ["close", "send", "throw", "gi_running", "gi_yieldfrom", "gi_suspended"],
  dict_keys: ["isdisjoint", "mapping"],
  dict_values: ["mapping"],
  dict_items: ["isdisjoint", "mapping"],
};

/** `value.name`: an attribute, or else an item. */
export function getAttribute(value: Value, name: string): Value {
  return orElse(attributeOf(value, name), () => orElse(subscript(value, name), () => absent(value, name)));
}

/** `value[key]`: an item, or else an attribute. */
export function getItem(value: Value, key: Value): Value {
  const item = subscript(value, key);
  if (item !== undefined) return item;
  const name = typeof key === "string" ? key : key instanceof Markup ? key.content : undefined;
  return orElse(name === undefined ? undefined : attributeOf(value, name), () => absent(value, key));
}

function absent(value: Value, key: Value): Undefined {
  const shown = value === null ? "None" : `${typeName(value)} object`;
  return new Undefined(
    typeof key === "string" ? `'${shown}' has no attribute '${key}'` : `${shown} has no element ${repr(key)}`,
  );
}

function subscript(value: Value, key: Value): Value | undefined {
  if (typeof value === "string") {
    const one = itemAt(points(value), key);
    return one;
  }
  if (isList(value)) return itemAt(value, key);
  return value instanceof PyObject ? value.item(key) : undefined;
}

/** An attribute of a type, undefined if there is none of this name. */
export function attributeOf(value: Value, name: string): Value | undefined {
  const type = typeName(value);
  if (/^__.*__$/.test(name)) {
    if (value instanceof Dict && value.get(name) !== undefined && !(name in Object.prototype)) {
      return undefined;
    }
    if (somewhere.has(name)) throw unsupported(`the attribute ${name}`);
    if (!everywhere.has(name)) return undefined;
    return new Undefined(`access to attribute '${name}' of '${type}' object is unsafe.`, "security");
  }
  if (changing[type]?.includes(name)) {
    return new Undefined(`access to attribute '${name}' of '${type}' object is unsafe.`, "security");
  }
  const found = ofType(value, name);
  if (found === undefined && missing[type]?.includes(name)) throw unsupported(`${type}.${name}`);
  return found;
}

function ofType(value: Value, name: string): Value | undefined {
  if (typeof value === "string" || value instanceof Markup) return stringMethod(value, name, lookUp);
  if (value instanceof Dict) return dictMethod(value, name);
  const items = itemsOf(value);
  if (items !== undefined) {
    const method = sequenceMethod(value, items, name);
    if (method !== undefined) return method;
  }
  if (value instanceof PyObject) return value.attribute(name);
  const number = numberOf(value);
  return number === undefined ? undefined : numberAttribute(number, name);
}

function numberAttribute(value: bigint | number, name: string): Value | undefined {
  if (name === "real") return value;
  if (name === "imag") return typeof value === "bigint" ? 0n : 0;
  if (typeof value === "number") {
    return name === "is_integer" ? new Callable(name, () => Number.isInteger(value)) : undefined;
  }
  if (name === "numerator") return value;
  if (name === "denominator") return 1n;
  if (name !== "bit_length") return undefined;
  return new Callable(
    name,
    () => value === 0n ? 0n : BigInt((value < 0n ? -value : value).toString(2).length),
  );
}

function dictMethod(dict: Dict, name: string): Value | undefined {
  const method = (run: (args: readonly (Value | undefined)[]) => Value, parameters: readonly string[] = []) =>
    new Callable(name, (args, keywords) => run(bind(name, parameters, args, keywords)));
  if (name === "items") return method(() => new View("dict_items", dict));
  if (name === "keys") return method(() => new View("dict_keys", dict));
  if (name === "values") return method(() => new View("dict_values", dict));
  if (name === "copy") return method(() => Dict.from(dict.entries));
  if (name !== "get") return undefined;
  return method(([key, byDefault]) => orElse(dict.get(key ?? null), () => byDefault ?? null), [
    "key",
    "default=",
  ]);
}

function sequenceMethod(value: Value, items: List, name: string): Value | undefined {
  if (name === "copy" && isList(value)) {
    return new Callable(name, (args, keywords) => {
      bind(name, [], args, keywords);
      return [...items];
    });
  }
  if (name === "count") {
    return new Callable(name, (args, keywords) => {
      const [one] = bind(name, ["value"], args, keywords);
      return BigInt(items.filter((item) => same(item, one ?? null)).length);
    });
  }
  if (name !== "index") return undefined;
  return new Callable(name, (args, keywords) => {
    const [one, start, stop] = bind(name, ["value", "start=", "stop="], args, keywords);
    const place = (at: number) => Math.max(0, at < 0 ? at + items.length : at);
    const from = place(toIndex(start) ?? 0), to = place(toIndex(stop) ?? items.length);
    const at = items.findIndex((item, i) => i >= from && i < to && same(item, one ?? null));
    if (at < 0) throw new TemplateError("value", `${repr(one ?? null)} is not in ${typeName(value)}`);
    return BigInt(at);
  });
}
