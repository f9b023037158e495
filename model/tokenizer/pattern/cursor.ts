/** A place in a pattern that is read. */
export class Cursor {
  /** Where the next character stands. */
  at = 0;

  constructor(readonly pattern: string) {}

  /** Whether nothing is left. */
  get isAtEnd(): boolean {
    return this.at >= this.pattern.length;
  }

  /** What is left. */
  get rest(): string {
    return this.pattern.slice(this.at);
  }

  /** Passes a text if it stands here. */
  take(text: string): boolean {
    if (!this.pattern.startsWith(text, this.at)) return false;
    this.at += text.length;
    return true;
  }

  /** The next character. */
  character(): string {
    const code = this.pattern.codePointAt(this.at);
    if (code === undefined) throw new SyntaxError("it ends too early");
    const char = String.fromCodePoint(code);
    this.at += char.length;
    return char;
  }
}
