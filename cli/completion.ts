/** `quantbook completion`: what the tab key offers. */
import type { Verb } from "./verb.ts";

interface Words {
  readonly name: string;
  readonly phrase: string;
  readonly options: readonly {
    readonly flag: string;
    readonly about: string;
    readonly choices: readonly string[];
  }[];
}

/** The verb. */
export const verb: Verb = {
  about:
    "Prints a script that completes verbs, options and their values: source <(quantbook completion bash) in ~/.bashrc, the same for " +
    "zsh in ~/.zshrc, quantbook completion fish > ~/.config/fish/completions/quantbook.fish.",
  words: [{ name: "SHELL", about: "bash, zsh or fish" }],
  examples: ["quantbook completion bash", "quantbook completion fish --json"],
  async run(call, all) {
    const { UsageError } = await import("./command_line.ts");
    const { didYouMean } = await import("../base/nearest.ts");
    const { sharedOptions } = await import("./parse.ts");
    const words = await Promise.all(
      Object.entries(all).map(async ([name, { phrase, load }]): Promise<Words> => {
        const { options = [] } = (await load()).verb;
        const described = [...options, ...sharedOptions].map(({ flags, about, choices = [] }) => ({
          flag: flags.split(" ")[0],
          about,
          choices,
        }));
        return { name, phrase, options: described };
      }),
    );
    const [shell] = call.words, write = Object.hasOwn(shells, shell) ? shells[shell] : undefined;
    if (write === undefined) {
      throw new UsageError(
        `shell is ${shell}${didYouMean(shell, Object.keys(shells)) || ": expected bash, zsh or fish"}`,
      );
    }
    const script = write(words);
    call.out.result({ shell, script }, () => [script]);
    return 0;
  },
};

const shells: Readonly<Record<string, (words: readonly Words[]) => string>> = {
  bash,
  zsh: (words) => `autoload -U +X bashcompinit && bashcompinit\n${bash(words)}`,
  fish,
};

/** Values of options that have few, by `verb option`; other words are files. */
function bash(words: readonly Words[]): string {
  const values = words.flatMap(({ name, options }) =>
    options.filter(({ choices }) => choices.length > 0).map(({ flag, choices }) =>
      `    "${name} ${flag}") COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$word")); return ;;`
    )
  );
  const flags = words.map(({ name, options }) =>
    `    ${name}) COMPREPLY=($(compgen -W "${options.map(({ flag }) => flag).join(" ")}" -- "$word")) ;;`
  );
  return `_quantbook() {
  local word="\${COMP_WORDS[COMP_CWORD]}" verb="\${COMP_WORDS[1]}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${words.map(({ name }) => name).join(" ")}" -- "$word"))
    return
  fi
  case "$verb \${COMP_WORDS[COMP_CWORD-1]}" in
${values.join("\n")}
  esac
  case "$word" in -*) ;; *) COMPREPLY=($(compgen -f -- "$word")); return ;; esac
  case "$verb" in
${flags.join("\n")}
  esac
}
complete -F _quantbook quantbook`;
}

function fish(words: readonly Words[]): string {
  const quote = (text: string) => `'${text.replaceAll(/[\\']/g, "\\$&")}'`;
  const verbs = words.map(({ name, phrase }) =>
    `complete -c quantbook -n __fish_use_subcommand -f -a ${name} -d ${quote(phrase)}`
  );
  const options = words.flatMap(({ name, options }) =>
    options.map(({ flag, about, choices }) => {
      const of = `complete -c quantbook -n '__fish_seen_subcommand_from ${name}' -l ${flag.slice(2)}`;
      return `${of} -d ${quote(about)}${choices.length > 0 ? ` -x -a ${quote(choices.join(" "))}` : ""}`;
    })
  );
  return [...verbs, ...options].join("\n");
}
