import type { Projector } from '../projector.ts';
import type { NoteDocument } from '../rehearsed-document.ts';
import type { DocumentStore } from './document-store.ts';
import { createElasticsearchDocuments } from './elasticsearch-documents.ts';
import type { ElasticsearchProjectorOptions } from './elasticsearch-projector.ts';
import { createHandle } from './elasticsearch-projector.ts';

/** The projector over the documents that are there, of which it writes none: it notes what it would have written. */
export function createRehearsedElasticsearchProjector(
  options: ElasticsearchProjectorOptions,
  note: NoteDocument,
): Pick<Projector, 'handle'> {
  const { projection, client, names } = options;
  const documents = createElasticsearchDocuments(client, names.index(`${projection.alias}-v${projection.version}`));
  const store: DocumentStore = {
    read: (ids) => documents.read(ids),
    write: async (writes) => {
      for (const { id, document, revision } of writes) {
        note({ store: 'elasticsearch', id, change: revision === undefined ? 'created' : 'replaced', part: undefined, content: document });
      }
      return writes.map(() => ({ kind: 'written' }));
    },
  };
  return { handle: createHandle(store, options) };
}
