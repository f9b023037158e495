// Activation functions in place, one element per invocation.
// Roofline: 8 bytes moved per element against some 30 operations: bound by memory.

struct Params {
  count: u32,
  kind: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

// x / (1 + exp(-z)) with e = exp(-|z|), so that nothing overflows.
fn gate(x: f32, z: f32) -> f32 {
  let e = exponential(-abs(z));
  return select(x, x * e, z < 0.0) / (1.0 + e);
}

// x Phi(x): Phi(-t) = exp(-t^2 / 2) M(t), where (1 + t) M(t) is a polynomial in (t - 2.5) / (t + 2.5) and t^2 is the
// exact square of the leading 12 bits of t plus a rest (see kernels/cpu/assembly/math.ts).
fn gelu(x: f32) -> f32 {
  let t = min(abs(x), 15.0);
  let q = (t - 2.5) / (t + 2.5);
  var m = -6.463244062615559e-05;
  m = fma(m, q, -0.00022872538829687983);
  m = fma(m, q, 2.57977876572113e-06);
  m = fma(m, q, 0.001266137813217938);
  m = fma(m, q, 0.0012831054627895355);
  m = fma(m, q, -0.006048581562936306);
  m = fma(m, q, -0.008699635043740273);
  m = fma(m, q, 0.04606306180357933);
  m = fma(m, q, -0.03771667554974556);
  m = fma(m, q, -0.09158749133348465);
  m = fma(m, q, 0.4946596622467041);
  m = m / (t + 1.0);
  let lead = bitcast<f32>(bitcast<u32>(t) & 0xfffff000u);
  let rest = (t - lead) * (t + lead);
  let tail = exponential(-0.5 * (lead * lead)) * exponential(-0.5 * rest) * m;
  return x * select(1.0 - tail, tail, x < 0.0);
}

// max(x, 0) + log(1 + e), e = exp(-|x|): log(1 + e) = 2 artanh(s) for s = e / (2 + e), by eight terms of its series.
fn softplus(x: f32) -> f32 {
  let e = exponential(-abs(x));
  let s = e / (2.0 + e);
  let z = s * s;
  var p = 0.13333333333333333;
  p = fma(p, z, 0.15384615384615385);
  p = fma(p, z, 0.18181818181818182);
  p = fma(p, z, 0.2222222222222222);
  p = fma(p, z, 0.2857142857142857);
  p = fma(p, z, 0.4);
  p = fma(p, z, 0.6666666666666666);
  p = fma(p, z, 2.0);
  return fma(p, s, max(x, 0.0));
}

// max(x, 0) on bits, so that a subnormal value stays what it is.
fn relu(x: f32) -> f32 {
  return select(x, 0.0, (bitcast<u32>(x) & 0x80000000u) != 0u && !is_nan(x));
}

fn total() -> u32 {
  return params.count;
}

fn each(i: u32) {
  let v = x[i];
  var result = v;
  switch (params.kind) {
    case 0u: {
      result = relu(v);
    }
    case 1u: {
      result = gate(v, v);
    }
    case 2u: {
      result = gelu(v);
    }
    case 4u: {
      result = softplus(v);
    }
    default: {
      // 2 sqrt(2 / pi) (x + 0.044715 x^3)
      result = gate(v, v * fma(0.07135481282730509, v * v, 1.5957691216057308));
    }
  }
  x[i] = select(result, v, is_nan(v));
}
