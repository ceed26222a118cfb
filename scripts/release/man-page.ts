import type { Options } from "../../src/cli/args.ts";
import { helpOption } from "../../src/cli/args.ts";
import { type Command, type CommandGroup, isGroup } from "../../src/cli/command.ts";
import { commands } from "../../src/cli/commands/table.ts";
import { ABOUT, PROGRAM, usageOf } from "../../src/cli/output/help.ts";

/**
 * wochit-relay(1), and a page for each command, wochit-relay-events(1) and its like, by their file names: in man(7), made of
 * what `--help` is made of, so that they cannot fall behind it. `version` and `epoch` (seconds) are those of the release.
 */
export async function writeManPages(release: { version: string; epoch: number }): Promise<Record<string, string>> {
  const modules = await Promise.all(Object.values(commands).map((load) => load()));
  const all = modules.map(({ command }) => command);
  const pages = [
    [PROGRAM, programPage(all)],
    ...all.map((command) => [nameOf(command), commandPage(command)] as const),
  ] as const;
  return Object.fromEntries(pages.map(([name, page]) => [`${name}.1`, titled(name, page, release)]));
}

/** Names with a hyphen are not to be broken, and blanks in commands not to be widened: .nh, .ad l. */
function titled(name: string, page: string, { version, epoch }: { version: string; epoch: number }): string {
  const date = new Date(epoch * 1000).toISOString().slice(0, 10);
  return `.TH ${quote(name.toUpperCase())} 1 ${date} ${quote(`${PROGRAM} ${version}`)} "User Commands"\n.nh\n.ad l\n${page}`;
}

function programPage(all: (Command | CommandGroup)[]): string {
  const rows = all.map((command) => {
    const verbs = isGroup(command) ? ` ${Object.keys(command.verbs).join("|")}` : "";
    return entry(bold(`${command.name}${verbs}`), `${sentence(command.summary)}\nSee ${reference(nameOf(command))}.`);
  });
  return `.SH NAME
${toRoff(PROGRAM)} \\- ${toRoff(ABOUT)}
.SH SYNOPSIS
.B ${toRoff(PROGRAM)}
.I COMMAND
[options]
.SH DESCRIPTION
Takes the webhooks of Wochit, commits each to disk before it answers, copies the video before its link dies, and
delivers every event to your apps, signed, in order, until it arrives.
Without a command it serves.
.SH COMMANDS
${rows.join("")}.SH ENVIRONMENT
${entry(bold("WOCHIT_RELAY_CONFIG"), sentence("the configuration, where --config does not name it"))}\
${entry(bold("NO_COLOR"), "Turns colors off.")}\
${entry(bold("TZ"), "The zone in which times are shown.")}.SH FILES
${entry(italic("/etc/wochit-relay/config.json"), sentence("the configuration, where neither --config nor $WOCHIT_RELAY_CONFIG nor ./config.json is there"))}\
${entry(italic("/var/lib/wochit-relay"), "The database, copies of media, and downloads under way.")}\
${EXIT_STATUS}.SH SEE ALSO
${all.map((command) => reference(nameOf(command))).join(",\n")},
.BR systemctl (1),
.BR journalctl (1)
.PP
.I ${toRoff("/usr/share/doc/wochit-relay/")}
`;
}

const EXIT_STATUS = `.SH EXIT STATUS
0 done, 1 it failed (one line on stderr says why), 2 wrong usage or config.
`;

function commandPage(command: Command | CommandGroup): string {
  const each = isGroup(command) ? Object.values(command.verbs) : [command];
  const synopsis = each.map((one) => `.B ${toRoff(usageOf(one).replace(/ \[options\]$/, ""))}\n[options]\n`);
  const about = isGroup(command)
    ? `.SH DESCRIPTION\n${sentence(command.summary)}\n.SH COMMANDS\n${each.map((one) => `.SS ${quote(one.name)}\n${describe(one, ".PP")}`).join("")}`
    : `.SH DESCRIPTION\n${describe(command, ".SH")}`;
  return `.SH NAME
${toRoff(nameOf(command))} \\- ${toRoff(command.summary)}
.SH SYNOPSIS
${synopsis.join(".br\n")}${about}${EXIT_STATUS}.SH SEE ALSO
.BR ${toRoff(PROGRAM)} (1)
`;
}

/** What a command does, its options, and examples; `heading` is what begins each part. */
function describe({ summary, help, options, examples }: Command, heading: ".SH" | ".PP"): string {
  const title = (text: string) => (heading === ".SH" ? `.SH ${text.toUpperCase()}\n` : `.PP\n.I ${text}\n`);
  const lines = Object.entries(examples).map(([line, what]) => entry(bold(line), sentence(what)));
  const more = help === undefined ? "" : flowing(help);
  return `${sentence(summary)}\n${more}${title("Options")}${optionsOf(options)}${title("Examples")}${lines.join("")}`;
}

function optionsOf(options: Options): string {
  const rows = Object.entries({ ...options, ...helpOption }).map(([name, { short, type, value, multiple, help }]) => {
    const names = [...(short === undefined ? [] : [`-${short}`]), `--${name}`].map(bold).join(", ");
    const argument = type === "string" ? ` ${italic(value ?? "TEXT")}${multiple ? "..." : ""}` : "";
    return entry(names + argument, sentence(help));
  });
  return rows.join("");
}

/** Paragraphs; lines that begin with a blank are kept as they are. */
function flowing(text: string): string {
  const blocks: { isKept: boolean; lines: string[] }[] = [];
  for (const line of text.split("\n")) {
    const isKept = /^\s+\S/.test(line);
    const last = blocks.at(-1);
    if (line === "") blocks.push({ isKept: false, lines: [] });
    else if (last?.isKept === isKept) last.lines.push(line);
    else blocks.push({ isKept, lines: [line] });
  }
  return blocks
    .filter(({ lines }) => lines.length > 0)
    .map(({ isKept, lines }) => (isKept ? asTyped(lines) : `.PP\n${toRoff(lines.join(" "))}\n`))
    .join("");
}

/** Lines as they are, moved in. */
function asTyped(lines: string[]): string {
  return `.RS 4\n.nf\n${lines.map((line) => `${toRoff(line.trim())}\n`).join("")}.fi\n.RE\n`;
}

/** An item and what it is, both in roff. */
function entry(item: string, text: string): string {
  return `.TP\n${item}\n${text}\n`;
}

function nameOf({ name }: Command | CommandGroup): string {
  return `${PROGRAM}-${name.split(" ")[0]}`;
}

function reference(page: string): string {
  return `${bold(page)}(1)`;
}

function bold(text: string): string {
  return `\\fB${toRoff(text)}\\fR`;
}

function italic(text: string): string {
  return `\\fI${toRoff(text)}\\fR`;
}

/** A text in roff, as a sentence. */
function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return toRoff(/[.:!?]$/.test(begun) ? begun : `${begun}.`);
}

/** What roff takes for something else (groff_char(7)). */
const SPECIAL: Record<string, string> = {
  "\\": "\\e",
  "-": "\\-",
  "'": "\\(aq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
};

/** A line that begins with a dot would be a request (groff_man_style(7)). Other than ASCII is written by its number. */
function toRoff(text: string): string {
  return text
    .replace(/[\\\-'`^~]/g, (character) => SPECIAL[character]!)
    .replace(
      /[^ -~\n]/gu,
      (character) => `\\[u${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`,
    )
    .replace(/^\./gm, "\\&.");
}

function quote(text: string): string {
  return `"${toRoff(text).replaceAll('"', "\\(dq")}"`;
}
