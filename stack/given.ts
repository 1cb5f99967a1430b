import { ADDRESS_VARIABLE, withoutPassword, type GivenEndpoints } from './endpoints.ts';
import type { UpRequest } from './flavour.ts';
import { answers } from './health.ts';
import { PARTS, type Part } from './parts.ts';
import { StackError } from './stack-error.ts';

/** Every wanted part that is given by its address must answer there; it is neither started nor stopped by us. */
export async function checkGiven(request: UpRequest): Promise<void> {
  await Promise.all(
    request.parts.map(async (part) => {
      const address = request.given[part];
      if (address === undefined) return;
      const shown = withoutPassword(address);
      if (!(await answers(part, address))) {
        throw new StackError(
          `${ADDRESS_VARIABLE[part]} is given, but nothing answers at ${shown}`,
          'Start that server, correct the address, or unset the variable so that the stack starts its own.',
        );
      }
      request.report({ part, step: 'given', detail: shown });
    }),
  );
}

/** The given address of a part, else its own. */
export function addressesOf(given: GivenEndpoints, own: Readonly<Record<Part, string>>): Readonly<Record<Part, string>> {
  return Object.fromEntries(PARTS.map((part) => [part, given[part] ?? own[part]])) as Record<Part, string>;
}
