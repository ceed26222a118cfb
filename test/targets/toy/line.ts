import { targetTypes } from "../../../src/targets/table.ts";
import { toy } from "./type.ts";

/** The one line in the table; imported before the config's schema is made of it. */
Object.assign(targetTypes, { toy });
