import type { Command, CommandGroup } from "../../src/cli/command.ts";
import { isGroup } from "../../src/cli/command.ts";
import { commands } from "../../src/cli/commands/table.ts";
import { commandHelp, programHelp } from "../../src/cli/output/help.ts";

/**
 * wochit-relay(1) in man(7), made of what the program says to --help, so that it cannot fall behind it. `version` and `epoch`
 * (seconds) are those of the release.
 */
export async function writeManPage({ version, epoch }: { version: string; epoch: number }): Promise<string> {
  const modules = await Promise.all(Object.values(commands).map((load) => load()));
  const all = modules.map(({ command }) => command);
  const whole = programHelp(version, all);
  const summary = /: (.+)$/m.exec(whole)?.[1] ?? "";
  const date = new Date(epoch * 1000).toISOString().slice(0, 10);
  return `.TH WOCHIT\\-RELAY 1 ${date} ${quote(`wochit-relay ${version}`)} "User Commands"
.SH NAME
wochit\\-relay \\- ${toRoff(summary)}
.SH SYNOPSIS
.B wochit\\-relay
.I COMMAND
[options]
.SH DESCRIPTION
Takes the webhooks of Wochit, commits each to disk before it answers, copies the video before its link dies, and
delivers every event to your apps, signed, in order, until it arrives.
.PP
${asTyped(whole)}.SH COMMANDS
${all.flatMap(eachVerb).map(section).join("")}.SH FILES
.TP
.I /etc/wochit\\-relay/config.json
The configuration; without
.BR \\-\\-config ,
.I $WOCHIT_RELAY_CONFIG
and
.I ./config.json
come first.
.TP
.I /var/lib/wochit\\-relay
The database, copies of media, and downloads under way.
.SH EXIT STATUS
0 done, 1 it failed (one line on stderr says why), 2 wrong usage or config.
.SH SEE ALSO
.BR systemctl (1),
.BR journalctl (1),
.I /usr/share/doc/wochit\\-relay/
`;
}

function eachVerb(command: Command | CommandGroup): Command[] {
  return isGroup(command) ? Object.values(command.verbs) : [command];
}

function section(command: Command): string {
  return `.SS ${quote(command.name)}\n${asTyped(commandHelp(command))}`;
}

/** Lines as they are. */
function asTyped(text: string): string {
  return `.nf\n${text.trimEnd().split("\n").map(toRoff).join("\n")}\n.fi\n`;
}

/** roff takes a backslash for itself, and a dot or an apostrophe where a line begins (groff_man_style(7)). */
function toRoff(line: string): string {
  return line.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^[.']/, "\\&$&");
}

function quote(text: string): string {
  return `"${toRoff(text).replaceAll('"', "\\(dq")}"`;
}
