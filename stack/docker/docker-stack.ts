import type { DataFolder } from '../data-folder.ts';
import type { Part } from '../parts.ts';
import type { StackEvent } from '../progress.ts';
import type { PartStatus, Stack, UpRequest } from '../stack.ts';
export class DockerStack implements Stack {
  readonly #f: DataFolder;
  constructor(folder: DataFolder) {
    this.#f = folder;
  }
  async up(_r: UpRequest): Promise<Readonly<Record<Part, string>>> {
    throw new Error(this.#f.path);
  }
  async down(_parts: readonly Part[] | undefined, _report: (event: StackEvent) => void): Promise<void> {}
  async status(): Promise<readonly PartStatus[]> {
    return [];
  }
  async discard(): Promise<void> {}
}
