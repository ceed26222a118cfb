/** Why a request was refused, in words; `advice`: what to do when it should not have been. */
export const REFUSED: Record<string, { words: string; advice: string }> = {
  source: {
    words: "its address is not one of those that may send",
    advice:
      "If it is Wochit's, or a proxy's of yours, name it in the config (receive.allowFrom, server.trustedProxies), reload, and reprocess.",
  },
  token: {
    words: "the token in its path is none of the config's",
    advice: "If Wochit was given an older address of yours, give it the present one, and reprocess.",
  },
  size: {
    words: "it is larger than receive.maxBody",
    advice: "If it is right, raise receive.maxBody, reload, and reprocess.",
  },
  invalid_json: {
    words: "its body is not JSON",
    advice: "It was answered with an error: what Wochit sent may come again by itself.",
  },
  invalid_event: {
    words: "its JSON is no event of Wochit",
    advice: "If Wochit's events have changed, a newer version of the relay may read it.",
  },
  path: {
    words: "no webhook is taken at its path",
    advice: "If Wochit sends there, give it the right address, and reprocess.",
  },
  method: { words: "it was not a POST", advice: "Wochit sends by POST: who tried this may have been a person." },
  broken: {
    words: "it ended before its body was whole",
    advice: "It was not answered: what Wochit sent may come again by itself.",
  },
  request: {
    words: "its head was not HTTP as it should be",
    advice: "Look at what stands between Wochit and the relay.",
  },
};

export const refusedWords = (reason: string): string => REFUSED[reason]?.words ?? reason;
