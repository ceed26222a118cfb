/** What is wrong with a line of the log. */
export function judgeLine(line: string): string[] {
  if (/X-Amz-Signature|X-Amz-Security|sig=|whsec_/i.test(line))
    return [`a secret is in the log: ${line.slice(0, 300)}`];
  if (/^\s+at .*:\d+:\d+\)?$/.test(line)) return [`a stack trace is in the log: ${line.trim()}`];
  return [];
}
