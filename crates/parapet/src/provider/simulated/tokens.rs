//! What counts as a token: four bytes of text, rounded up per text.
//!
//! That is the usual rule of thumb for English, needs no vocabulary, and lets a test say beforehand what an
//! answer will use. On top of the texts a message costs [`PER_MESSAGE`], an image [`PER_IMAGE`].
//! What is *sent* at a time is a [`piece`]: a word with the space before it, as a reader expects to see it.

use super::request::{Format, Request};

/// Role and separators of a message; once more for the answer that is asked for.
const PER_MESSAGE: u64 = 3;
/// An image at low detail in OpenAI's price list.
const PER_IMAGE: u64 = 85;
const BYTES_PER_TOKEN: usize = 4;
/// The longest piece, in bytes.
const LONGEST_PIECE: usize = 16;

pub(super) fn of_text(bytes: usize) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN) as u64
}

pub(super) fn of_prompt(request: &Request) -> u64 {
    let messages = request.messages.iter().map(|message| {
        let calls = message.calls.iter().map(|call| of_text(call.name.len() + call.arguments.len()));
        PER_MESSAGE + of_text(message.text.len()) + PER_IMAGE * message.images as u64 + calls.sum::<u64>()
    });
    let tools = request.tools.iter().map(|tool| {
        of_text(tool.name.len() + tool.description.len()) + of_text(tool.parameters.to_string().len())
    });
    let format = match &request.format {
        Format::Schema(schema) => of_text(schema.to_string().len()),
        Format::Text | Format::Object => 0,
    };
    messages.sum::<u64>() + tools.sum::<u64>() + format + PER_MESSAGE
}

/// Cuts `text` to `tokens`. Returns whether it had more; if so it now has exactly that many.
pub(super) fn cut(text: &mut String, tokens: u64) -> bool {
    if of_text(text.len()) <= tokens {
        return false;
    }
    // A character has at most four bytes, so that going back to its start keeps the last token begun.
    let end = usize::try_from(tokens).unwrap_or(usize::MAX).saturating_mul(BYTES_PER_TOKEN);
    text.truncate(text.floor_char_boundary(end));
    true
}

/// The length in bytes of the next piece of `text`: white space and the word or the signs after it.
pub(super) fn piece(text: &str) -> usize {
    let blank = text.len() - text.trim_start().len();
    let rest = text.get(blank..).unwrap_or_default();
    let word = |c: char| c.is_alphanumeric() || c == '\'' || c == '_';
    let starts_word = rest.starts_with(word);
    let end = rest.find(|c: char| c.is_whitespace() || word(c) != starts_word).unwrap_or(rest.len());
    if blank + end <= LONGEST_PIECE {
        return blank + end;
    }
    // Never in the middle of a character, and never nothing at all.
    let first = text.chars().next().map_or(0, char::len_utf8);
    text.floor_char_boundary(LONGEST_PIECE).max(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(mut text: &str) -> Vec<&str> {
        let mut pieces = Vec::new();
        while !text.is_empty() {
            let (piece, rest) = text.split_at(piece(text));
            pieces.push(piece);
            text = rest;
        }
        pieces
    }

    #[test]
    fn a_piece_is_a_word_with_its_space() {
        assert_eq!(
            pieces("Hello, it's me.\n\n1. a_b"),
            ["Hello", ",", " it's", " me", ".", "\n\n1", ".", " a_b"]
        );
        assert_eq!(pieces(r#"{"a":[1,2]}"#), ["{\"", "a", "\":[", "1", ",", "2", "]}"]);
    }

    #[test]
    fn pieces_end_between_characters_and_make_up_the_text() {
        let text =
            "日本語のとても長い文章 and   trailing   \u{3000}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}  ";
        assert_eq!(pieces(text).concat(), text);
        assert!(pieces(text).iter().all(|piece| !piece.is_empty() && piece.len() <= LONGEST_PIECE));
    }

    #[test]
    fn a_cut_text_has_exactly_the_tokens_it_may() {
        for tokens in 1..8 {
            let mut text = "a日b\u{1f600}c日d\u{1f600}e日f\u{1f600}g日h\u{1f600}".to_owned();
            assert!(cut(&mut text, tokens));
            assert_eq!(of_text(text.len()), tokens);
        }
        let mut whole = "four".to_owned();
        assert!(!cut(&mut whole, 1));
        assert_eq!(whole, "four");
    }
}
