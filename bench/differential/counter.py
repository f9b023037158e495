"""Numbers from a counter, the same in Python and TypeScript (counter.ts): value i of a named stream depends on the seed, the name and
i alone, so that a case of a differential test is its seed and not its weights."""
import numpy as np


def _mix(x):
    """Scrambles 32 bits (Chris Wellons's lowbias32)."""
    x = np.asarray(x, dtype=np.uint32)
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
        x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def _hash(text):
    """A text in 32 bits (FNV-1a over its UTF-8 bytes)."""
    state = 0x811C9DC5
    for byte in text.encode():
        state = ((state ^ byte) * 0x01000193) & 0xFFFFFFFF
    return np.uint32(state)


def bits(seed, name, count):
    """`count` numbers of 32 bits of the stream `name`."""
    key = _hash(f"{seed}:{name}")
    other = _mix(key ^ np.uint32(0x9E3779B9))
    with np.errstate(over="ignore"):
        return _mix(_mix(np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9) + key) ^ other)


def uniform(seed, name, shape, scale=1.0):
    """float32 numbers, even from -scale to scale; the product with scale is rounded once."""
    values = (bits(seed, name, int(np.prod(shape))) >> np.uint32(8)).astype(np.float64) * 2.0**-23 - 1.0
    return (values * scale).astype(np.float32).reshape(shape)


def bytes_of(seed, name, count):
    """`count` bytes."""
    return bits(seed, name, -(-count // 4)).astype("<u4").view(np.uint8)[:count].copy()


if __name__ == "__main__":
    print(bits(7, "blk.0.attn_q.weight", 3).tolist(), uniform(7, "x", 3, 0.5).tolist(), bytes_of(7, "y", 5).tolist())
