import { openProvider, type Provider, type ProviderOptions } from "../../src/simulator/provider.ts";
import { realPorts } from "./real-ports.ts";

/** A provider of real time and chance, for as long as `run` takes. */
export async function withProvider(
  options: Partial<ProviderOptions>,
  run: (provider: Provider) => Promise<void>,
): Promise<void> {
  const provider = await openProvider({ ...realPorts(), ...options });
  try {
    await run(provider);
  } finally {
    await provider.close();
  }
}
