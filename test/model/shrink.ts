/**
 * A shorter list that still fails, from which no item can be left out: large parts are tried first, then single items, until
 * nothing more can go; then each item is tried in its plainer forms.
 */
export async function shrink<Item>(
  list: Item[],
  fails: (list: Item[]) => Promise<boolean>,
  plainer: (item: Item) => Item[] = () => [],
): Promise<Item[]> {
  let size = Math.ceil(list.length / 2);
  for (let at = 0; size > 0; ) {
    const shorter = list.toSpliced(at, size);
    if (at < list.length && (await fails(shorter))) {
      list = shorter;
      // What had to stay for the sake of this one may go now.
      if (size === 1) at = 0;
      continue;
    }
    at += size;
    if (at < list.length) continue;
    at = 0;
    size = size === 1 ? 0 : Math.ceil(size / 2);
  }
  for (let at = 0; at < list.length; at++) {
    for (const item of plainer(list[at]!)) {
      const plain = list.with(at, item);
      if (await fails(plain)) list = plain;
    }
  }
  return list;
}
