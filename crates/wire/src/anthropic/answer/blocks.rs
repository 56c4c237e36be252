use bytes::BytesMut;

use crate::anthropic::answer::write_block_stop;
use crate::json::{Text, write_display, write_str};

/// Writes the events of content blocks, one block after the other.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// How many were begun: the index of the next one.
    begun: u32,
}

/// What a piece adds to a block.
#[derive(Clone, Copy, Debug)]
pub(super) enum Delta {
    Text,
    Thinking,
    Signature,
    Json,
}

impl Blocks {
    pub(super) fn text(&mut self, out: &mut BytesMut) {
        self.start(out, |out| {
            out.extend_from_slice(b"{\"type\":\"text\",\"text\":\"\"}");
        });
    }

    pub(super) fn thinking(&mut self, out: &mut BytesMut) {
        self.start(out, |out| {
            out.extend_from_slice(b"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
        });
    }

    pub(super) fn tool_use(&mut self, out: &mut BytesMut, id: &str, name: &str) {
        self.start(out, |out| {
            out.extend_from_slice(b"{\"type\":\"tool_use\",\"id\":");
            write_str(out, id);
            out.extend_from_slice(b",\"name\":");
            write_str(out, name);
            out.extend_from_slice(b",\"input\":{}}");
        });
    }

    /// A whole block: a thought that cannot be read.
    pub(super) fn redacted(&mut self, out: &mut BytesMut, data: &str) {
        self.start(out, |out| {
            out.extend_from_slice(b"{\"type\":\"redacted_thinking\",\"data\":");
            write_str(out, data);
            out.extend_from_slice(b"}");
        });
        self.stop(out);
    }

    /// `content_block_delta` of the last block.
    pub(super) fn delta(&self, out: &mut BytesMut, kind: Delta, text: Text<'_>) {
        out.extend_from_slice(
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":",
        );
        write_display(out, self.last());
        out.extend_from_slice(match kind {
            Delta::Text => b",\"delta\":{\"type\":\"text_delta\",\"text\":",
            Delta::Thinking => b",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":",
            Delta::Signature => b",\"delta\":{\"type\":\"signature_delta\",\"signature\":",
            Delta::Json => b",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":",
        });
        text.write_to(out);
        out.extend_from_slice(b"}}\n\n");
    }

    /// `content_block_stop` of the last block.
    pub(super) fn stop(&self, out: &mut BytesMut) {
        write_block_stop(out, self.last());
    }

    /// `content_block_start`.
    fn start(&mut self, out: &mut BytesMut, block: impl FnOnce(&mut BytesMut)) {
        out.extend_from_slice(
            b"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":",
        );
        write_display(out, self.begun);
        out.extend_from_slice(b",\"content_block\":");
        block(out);
        out.extend_from_slice(b"}\n\n");
        self.begun += 1;
    }

    const fn last(&self) -> u32 {
        self.begun.saturating_sub(1)
    }
}
