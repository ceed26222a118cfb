import { goTo, type Page } from "../../page.ts";

export const overviewPage: Page = {
  path: "/",
  section: "/",
  show: async () => goTo("/events"),
};
