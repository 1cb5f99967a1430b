import { v5 } from 'uuid';

/** Never changes: the scans of images registered long ago are found by it. */
const SCAN_NAMESPACE = '6f1c7b0e-3f0a-5b52-9a53-2d3a8f0f6c11';

/** The scan that an image leads to: known to the caller before it exists, and the same however often the image arrives. */
export function scanIdOf(imageId: string): string {
  return v5(imageId, SCAN_NAMESPACE);
}
