/** What a notebook says about itself in `metadata.quantbook`: the report's titles, order and links come from here. */
import { isObject, own } from "../json.ts";
import { type Notebook, NotebookError } from "./notebook.ts";

/** The paper that a notebook reproduces. */
export interface Paper {
  readonly title: string;
  readonly authors: string;
  readonly year: number;
  /** An https address. */
  readonly link: string;
}

/** `metadata.quantbook` of a notebook. */
export interface About {
  readonly title: string;
  /** The question that the notebook answers, one sentence. */
  readonly question: string;
  readonly paper?: Paper;
  /** The file that implements the method, such as `quant/methods/gptq.ts`. */
  readonly method?: string;
  /** Position on the index, ascending. */
  readonly order: number;
}

/** Reads `metadata.quantbook`; a notebook without it is titled by its first heading, or else by its file. */
export function readAbout(notebook: Notebook, name: string): About {
  const about = own(notebook.metadata, "quantbook");
  if (about === undefined) return { title: firstHeading(notebook) ?? name, question: "", order: 1000 };
  const text = (holder: unknown, key: string, where: string): string => {
    const value = own(holder, key);
    if (typeof value !== "string" || value.trim() === "") {
      throw new NotebookError("about", `${name}: metadata.${where}.${key} must be a non-empty string`);
    }
    return value;
  };
  const order = own(about, "order");
  const method = own(about, "method");
  return {
    title: text(about, "title", "quantbook"),
    question: text(about, "question", "quantbook"),
    order: typeof order === "number" ? order : 1000,
    ...(method === undefined ? {} : { method: text(about, "method", "quantbook") }),
    ...(own(about, "paper") === undefined ? {} : { paper: readPaper(own(about, "paper"), name, text) }),
  };
}

function readPaper(
  paper: unknown,
  name: string,
  text: (holder: unknown, key: string, where: string) => string,
): Paper {
  const year = own(paper, "year");
  if (!isObject(paper) || typeof year !== "number" || !Number.isInteger(year)) {
    throw new NotebookError(
      "about",
      `${name}: metadata.quantbook.paper needs title, authors, link and a whole year`,
    );
  }
  const link = text(paper, "link", "quantbook.paper");
  if (!/^https:\/\/[\w.-]+\/[^\s"<>]*$/.test(link)) {
    throw new NotebookError(
      "about",
      `${name}: metadata.quantbook.paper.link is ${link}, expected an https address`,
    );
  }
  return {
    title: text(paper, "title", "quantbook.paper"),
    authors: text(paper, "authors", "quantbook.paper"),
    year,
    link,
  };
}

function firstHeading(notebook: Notebook): string | undefined {
  const prose = notebook.cells.filter((cell) => cell.cell_type === "markdown");
  return prose.map((cell) => /^#\s+(.+)$/m.exec(cell.source)?.[1]).find((title) => title !== undefined);
}
