// Reading streams.

/** The text of a stream's first choice. */
export function text(chunks) {
  const first = chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.index === 0);
  return first.map((choice) => choice.delta.content ?? "").join("");
}

/** The finish reasons of a stream, of which a whole one has exactly one per choice. */
export function finishes(chunks) {
  return chunks.flatMap((chunk) => chunk.choices).flatMap((choice) => choice.finish_reason ?? []);
}

/** What was said before a stream failed, and the error; null for a stream that ended normally. */
export async function untilError(stream) {
  const chunks = [];
  try {
    for await (const chunk of await stream) chunks.push(chunk);
  } catch (error) {
    return { said: text(chunks), error };
  }
  return { said: text(chunks), error: null };
}
