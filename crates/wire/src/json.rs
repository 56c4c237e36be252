//! JSON as text with spans, not as a tree.
//!
//! A gateway reads a few members of a body and changes fewer. Building a tree costs an allocation per value and
//! writing it back changes what nobody asked to change: number spellings, member order, duplicate keys, escapes.
//! So a cursor walks the text once, checks every byte of it against RFC 8259, and hands out spans; and
//! [`splice`] makes the new text from the old one by exchanging spans.
//!
//! Stricter than the grammar in one way: nesting is at most [`MAX_DEPTH`]. Laxer than many parsers in one: an
//! unpaired surrogate escape is legal JSON text (RFC 8259, section 8.2) and decodes to U+FFFD.

mod scan;
mod splice;
mod text;
mod write;

pub use scan::{Fault, FaultKind, MAX_DEPTH, Span, check, members};
pub(crate) use scan::{Kind, Scanner};
pub use splice::{Edit, splice};
pub use text::Text;
pub(crate) use text::{Seam, Spelled};
pub use write::write_str;
pub(crate) use write::{escaped, write_display, write_json};
